"""What a network costs: parameters, multiply-adds, time, memory and bytes, measured on this machine.

Each figure is taken in a fresh process, so that no measurement pays for another's memory. TensorFlow is
imported only there.
"""

import dataclasses
import hashlib
import logging
import math
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock

from kfer import spec
from kfer.comparison import runs
from kfer.comparison.settings import ComparisonSettings
from kfer.files import private_folder, read_json, saved_model_bytes, write_json
from kfer.machine import machine
from kfer.pipeline.summary import peak_memory_gb
from kfer.processes import in_fresh_process
from kfer.settings import ExportSettings

if TYPE_CHECKING:
    import numpy as np

#: Steps and images before the timed ones: the first compile, allocate and fill caches.
_WARM_UP = 3
_SAVED_MODEL, _INT8 = "saved_model", "int8"
_log = logging.getLogger(__name__)


def path(output_dir: Path, name: str) -> Path:
    """Where a candidate's costs are kept."""
    return output_dir / "costs" / f"{name}.json"


def load(output_dir: Path, name: str) -> dict[str, Any]:
    """A candidate's costs as `measure` wrote them; empty where its network was not measured yet."""
    place = path(output_dir, name)
    if not place.exists():
        return {}
    measured = read_json(place)
    run = runs.folder(output_dir, name, measured["seed"])
    # The run may have been deleted since, and trained again.
    is_current = runs.is_finished(run) and measured["network"] == fingerprint(run)
    return measured if is_current else {}


def fingerprint(run: Path) -> str:
    """Tells a finished run's network from another one by what it said of the test split."""
    return hashlib.blake2b((run / runs.PREDICTIONS).read_bytes(), digest_size=16).hexdigest()


def is_training(output_dir: Path) -> bool:
    """Whether a process is training any candidate of this folder, so that timings would be wrong."""
    for lock in output_dir.glob(f"runs/*/{runs.LOCK}"):
        try:
            with filelock.FileLock(lock, timeout=0):
                pass
        except filelock.Timeout:
            return True
    return False


def measure(
    settings: ComparisonSettings, name: str, seed: int, data_dir: str, output_dir: Path
) -> dict[str, Any]:
    """Measures a finished candidate, and keeps the figures in "costs/<name>.json".

    Nothing else should run on the machine.

    Args:
        settings: The comparison.
        name: A key of `settings.candidates`.
        seed: Of the run whose network is measured.
        data_dir: Folder with what the user downloaded.
        output_dir: The comparison's folder.

    Returns:
        "seed" and "network" (its `fingerprint`); "parameters", "trainable_parameters", "multiply_adds"
        (of one image) and "uncounted" (kinds of layers left out of it); "training_step_ms" (median, input
        included), "batch_size", "training_memory_mb" (the most that the process held); "saved_model_ms"
        and "int8_ms" (median, one image), "saved_model_cores" and "int8_cores" (that were busy meanwhile,
        on average), "saved_model_mb" and "int8_mb" (files); "int8_images", "keras_accuracy" and
        "int8_accuracy" on them; "timed_steps", "timed_images", "calibration_images"; "machine".

    Raises:
        ValueError: An export cannot be made.
        RuntimeError: A process that measured was killed.
    """
    run = runs.folder(output_dir, name, seed)
    place = path(output_dir, name)
    place.parent.mkdir(parents=True, exist_ok=True)
    _log.info("measuring what %s costs", name)
    arguments = settings, data_dir, output_dir
    with private_folder(place) as work:
        measured = in_fresh_process(_training, *arguments, run / runs.MODEL, seed, work)
        measured |= in_fresh_process(_exports, *arguments, run, work)
        for kind, model in _exported(work).items():
            _log.info("  timing %s", kind)
            measured |= in_fresh_process(_inference, kind, model, work, settings.timed_images)
        measured |= _int8_accuracy(work)
    measured |= {
        "seed": seed,
        "network": fingerprint(run),
        "timed_steps": settings.timed_steps,
        "timed_images": settings.timed_images,
        "machine": machine(),
    }
    write_json(place, measured)
    return measured


def _training(
    settings: ComparisonSettings, data_dir: str, output_dir: Path, model: Path, seed: int, work: Path
) -> dict[str, Any]:
    from kfer import input_pipeline, models, training
    from kfer.comparison import candidate, multiply_adds

    examples = candidate.load_examples(settings, data_dir, output_dir)
    network = models.load(model)
    counted = {
        "parameters": network.count_params(),
        "trainable_parameters": sum(math.prod(v.shape) for v in network.trainable_variables),
        "multiply_adds": multiply_adds.count(network),
        "uncounted": multiply_adds.uncounted(network),
    }
    steps = _WARM_UP + settings.timed_steps
    # Where fine-tuning has stages, a step that trains everything stands for all of them.
    chosen = dataclasses.replace(settings.training, seed=seed, epochs=1, stages=(), cache_features=False)
    watch = _stop_watch(steps)
    training.train(
        network,
        lambda step: input_pipeline.for_training(
            examples[spec.TRAIN],
            chosen.batch_size,
            seed,
            settings.augmentation,
            step,
            sampling=chosen.sampling,
        ),
        steps,
        examples[spec.VALIDATION].at(slice(chosen.batch_size)),
        chosen,
        settings.tasks,
        work / "training",
        [watch],
    )
    seconds = [end - start for start, end in zip(watch.ends, watch.ends[1:], strict=False)]
    return {
        **counted,
        "training_step_ms": 1000 * statistics.median(seconds[_WARM_UP - 1 :]),
        "batch_size": chosen.batch_size,
        "training_memory_mb": 1000 * watch.memory_gb,
    }


def _stop_watch(steps: int) -> Any:
    import keras

    class StopWatch(keras.callbacks.Callback):
        """Notes when each step ended, and the most memory that was held up to the last one's end."""

        def __init__(self) -> None:
            super().__init__()
            self.ends: list[float] = []
            self.memory_gb = 0.0

        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            self.ends.append(time.perf_counter())
            if len(self.ends) == steps:
                self.memory_gb = peak_memory_gb()

    return StopWatch()


def _exports(
    settings: ComparisonSettings, data_dir: str, output_dir: Path, run: Path, work: Path
) -> dict[str, Any]:
    """Writes both models, and the images and what Keras said of them."""
    import numpy as np

    from kfer import export, models
    from kfer.comparison import candidate

    data = settings.data
    examples = candidate.load_examples(settings, data_dir, output_dir)
    test, said = examples[spec.TEST], runs.predictions(run)
    if not np.array_equal(said["filename"], test.filename):
        raise ValueError(
            f"{run} was judged on other test images than {data.sources[0].dataset} has now; delete that "
            "folder and train again"
        )
    network = models.load(run / runs.MODEL)
    exports = _exported(work)
    saved_model = exports[_SAVED_MODEL]
    export.save_saved_model(network, saved_model, settings.tasks, data.image_size, data.channels)
    calibration = _spread(len(examples[spec.TRAIN]), settings.calibration_images)
    export.save_tflite(
        network,
        exports[_INT8].parent,
        settings.tasks,
        ExportSettings(tflite=(_INT8,)),
        examples[spec.TRAIN].images[calibration],
        data.image_size,
        data.channels,
    )
    chosen = _spread(len(test), settings.int8_images)
    images = test.images[chosen]
    np.save(work / "images.npy", np.broadcast_to(images, (*images.shape[:3], 3)))
    np.save(work / "labels.npy", test.expression[chosen])
    np.save(work / "keras.npy", said["probabilities"][chosen])
    return {
        "saved_model_mb": saved_model_bytes(saved_model) / 1e6,
        "int8_mb": exports[_INT8].stat().st_size / 1e6,
        "calibration_images": len(calibration),
    }


def _inference(kind: str, model: Path, work: Path, timed_images: int) -> dict[str, Any]:
    """Times single images; of int8, also keeps what it says of all."""
    import numpy as np

    from kfer.inference import runtime

    images = np.load(work / "images.npy")
    runner = runtime.load(model)
    for index in range(_WARM_UP):
        runner(images[index % len(images)][np.newaxis])
    seconds, start, busy = [], time.perf_counter(), time.process_time()
    for index in range(timed_images):
        image = images[index % len(images)][np.newaxis]
        before = time.perf_counter()
        runner(image)
        seconds.append(time.perf_counter() - before)
    cores = (time.process_time() - busy) / (time.perf_counter() - start)
    if kind == _INT8:
        np.save(work / f"{kind}.npy", runner(images)[spec.EXPRESSION])
    return {f"{kind}_ms": 1000 * statistics.median(seconds), f"{kind}_cores": cores}


def _int8_accuracy(work: Path) -> dict[str, Any]:
    import numpy as np

    from kfer import metrics

    labels = np.load(work / "labels.npy")
    keras_accuracy, int8_accuracy = (
        metrics.accuracy(labels, np.load(work / f"{kind}.npy").argmax(axis=1))
        for kind in ("keras", _INT8)
    )
    return {
        "int8_images": len(labels),
        "keras_accuracy": keras_accuracy,
        "int8_accuracy": int8_accuracy,
    }


def _exported(work: Path) -> dict[str, Path]:
    return {_SAVED_MODEL: work / "saved", _INT8: work / f"{_INT8}.tflite"}


def _spread(total: int, count: int) -> "np.ndarray":
    """Positions of `count` of `total` examples, evenly over all."""
    import numpy as np

    return np.linspace(0, total - 1, min(count, total)).round().astype(int)
