"""A trained generator's exports, what describes them, and the proof that they draw what Keras draws."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import kfer
from kfer import spec
from kfer.export import flatbuffer, network
from kfer.export.description import write_labels, write_with_files
from kfer.export.markdown import code, escaped, table, write_sections
from kfer.export.parity import SAVED_MODEL
from kfer.export.tflite import converted_to_builtins
from kfer.export.warmup import write_warmup
from kfer.generator import FILE, TFLITE
from kfer.machine import commit
from kfer.models import dcgan

_SIGNATURE = "serving_default"
# Images that each export is asked for.
_COMPARED = 128
# Grey levels that an export may draw otherwise than Keras: at most, and on the mean.
_LARGEST, _MEAN = 2, 0.1
_INTENDED = """\
Further images to train networks on, and to show what a network has learnt of a class. Every image is
marked as generated.

{likeness}
- Not to deceive: not as a photograph, a profile's picture or a witness."""
_OF_NOBODY = """\
- The faces are nobody's. No likeness of a person is intended; where one looks like somebody, it must not
  be used as a picture of them, and it is no evidence of anything."""
_OF_PEOPLE = """\
- With `identity`, the faces are like the people of that name whom it was trained on: draw and show them
  only as those people allow, never as a picture of them. They are no evidence of anything."""
_LIMITS = """\
- It draws what its training images show: who is rare among them, by age, skin or sex, is drawn seldom
  and badly, and what is labelled wrongly is drawn wrongly.
- An expression is what people called a picture, not a feeling.
- It may come close to an image that it was trained on; the figures say how close, where they were
  measured.
- A network that is trained on its images can be no better than they are: judge it on real ones alone."""


def write_generator(
    folder: Path,
    model: keras.Model,
    name: str,
    classes: Mapping[str, Sequence[str]],
    trained_on: Mapping[str, int],
    measures: Mapping[str, Any],
) -> dict[str, dict[str, Any]]:
    """Writes all that leaves kfer of a generator, and compares each export with Keras in a fresh process.

    Signature "serving_default" of both exports takes "noise", float32 `[n, noise_size]`, and each
    condition, float32 `[n, num_classes]`, and gives "images", uint8 `[n, size, size, channels]`. Both
    compute in float32. In the TFLite file, of builtin operations alone, n is 1: LiteRT is no quicker with
    more, and resized inputs would leave maps that grow by their neighbours without a shape.

    Args:
        folder: Where to write: the SavedModel, generator.tflite, MODEL_CARD.md, generator.json and,
            where expression is a condition, labels.txt.
        model: The trained generator, of `kfer.models.dcgan.generator`, whatever its dtype policy.
        name: What it is called.
        classes: By condition, the names of its classes in their order.
        trained_on: Training images by the name and version of their dataset.
        measures: Figures of the generator, JSON-able, in mappings or not.

    Returns:
        By export, "saved_model" and "generator", its "num_images", and the "max_difference" and
        "mean_difference" from Keras in grey levels.

    Raises:
        ValueError: The model is no generator of these classes, it has operations that TFLite has not
            built in, an export draws otherwise than Keras, or a figure is not finite.
        RuntimeError: An export does not run.
    """
    _check_classes(model, classes)
    digest, model = network.weights_digest(model), network.in_float32(model)
    _save(model, folder, classes)
    content = _converted(model, classes)
    (folder / TFLITE).write_bytes(content)
    if spec.EXPRESSION in classes:
        write_labels(folder / "labels.txt", classes[spec.EXPRESSION])
    report = _compared(model, folder, classes)
    _check(report)
    _write_card(folder / "MODEL_CARD.md", model, name, classes, trained_on, measures, report)
    _, image_size, _, channels = model.output_shape
    write_with_files(
        folder / FILE,
        {
            "generated": True,
            "name": name,
            "kfer_version": kfer.__version__,
            "commit": commit() or None,
            "image_size": image_size,
            "channels": channels,
            "noise_size": model.input[dcgan.NOISE].shape[-1],
            "classes": {condition: list(names) for condition, names in classes.items()},
            "weights": digest,
            "trained_on": dict(trained_on),
            "measures": dict(measures),
            "parity": report,
        },
        {TFLITE: flatbuffer.contents(flatbuffer.read(content))},
    )
    return report


def _check_classes(model: keras.Model, classes: Mapping[str, Sequence[str]]) -> None:
    given = model.input if isinstance(getattr(model, "input", None), dict) else {}
    if dcgan.NOISE not in given:
        raise ValueError(
            "expected a generator as kfer.models.dcgan.generator makes it, from noise and classes to "
            f"images; got {model.name!r}, which takes {', '.join(given) or 'no inputs with names'}"
        )
    taken = {key: tensor.shape[-1] for key, tensor in given.items() if key != dcgan.NOISE}
    named = {condition: len(names) for condition, names in classes.items()}
    if taken != named:
        raise ValueError(f"the generator takes classes {taken}; names came for {named}")


def _drawing(model: keras.Model, classes: Mapping[str, Sequence[str]], count: int | None) -> Any:
    """What both exports compute, for a number of images; None for any."""
    inputs = [tf.TensorSpec([count, model.input[dcgan.NOISE].shape[-1]], tf.float32, dcgan.NOISE)]
    inputs += [tf.TensorSpec([count, len(names)], tf.float32, key) for key, names in classes.items()]

    @tf.function(input_signature=inputs)
    def draw(*given: tf.Tensor) -> dict[str, tf.Tensor]:
        images = model(dict(zip((dcgan.NOISE, *classes), given, strict=True)), training=False)
        return {dcgan.IMAGES: tf.cast(_levels(images), tf.uint8)}

    return draw


def _levels(images: Any) -> tf.Tensor:
    """Grey levels, float32, of images in [-1, 1]."""
    return tf.clip_by_value(tf.round((images + 1) * 127.5), 0, 255)


def _module(model: keras.Model, draw: Any) -> tf.Module:
    module = tf.Module()
    module.network_variables = [variable.value for variable in model.variables]
    module.draw = draw
    return module


def _save(model: keras.Model, folder: Path, classes: Mapping[str, Sequence[str]]) -> None:
    draw = _drawing(model, classes, None)
    tf.saved_model.save(_module(model, draw), str(folder), {_SIGNATURE: draw})
    write_warmup(folder, {_SIGNATURE: {key: rows[:1] for key, rows in _asked(model, classes).items()}})


def _converted(model: keras.Model, classes: Mapping[str, Sequence[str]]) -> bytes:
    draw = _drawing(model, classes, 1)
    with tempfile.TemporaryDirectory() as temporary:
        tf.saved_model.save(_module(model, draw), temporary, {_SIGNATURE: draw})
        converter = tf.lite.TFLiteConverter.from_saved_model(temporary, signature_keys=[_SIGNATURE])
        return flatbuffer.written(flatbuffer.read(converted_to_builtins(converter, TFLITE)))


def _asked(model: keras.Model, classes: Mapping[str, Sequence[str]]) -> dict[str, np.ndarray]:
    """Noise, and the classes in turn; of the first image all are open, the second mixes them."""
    random = np.random.default_rng(0)
    shape = (_COMPARED, model.input[dcgan.NOISE].shape[-1])
    given = {dcgan.NOISE: random.standard_normal(shape, np.float32)}
    for condition, names in classes.items():
        weights = np.eye(len(names), dtype=np.float32)[np.arange(_COMPARED) % len(names)]
        weights[0], weights[1] = 0, 1 / len(names)
        given[condition] = weights
    return given


def _compared(
    model: keras.Model, folder: Path, classes: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, Any]]:
    given = _asked(model, classes)
    expected = _levels(model.predict(given, verbose=0)).numpy()
    places = {SAVED_MODEL: folder, Path(TFLITE).stem: folder / TFLITE}
    with ThreadPoolExecutor() as pool:
        drawn = pool.map(lambda place: _drawn_in_fresh_process(place, given), places.values())
        differences = {
            export: np.abs(images - expected) for export, images in zip(places, drawn, strict=True)
        }
    return {
        export: {
            "num_images": len(difference),
            "max_difference": float(difference.max()),
            "mean_difference": float(difference.mean()),
        }
        for export, difference in differences.items()
    }


def _drawn_in_fresh_process(place: Path, given: Mapping[str, np.ndarray]) -> np.ndarray:
    with tempfile.TemporaryDirectory() as temporary:
        inputs, output = Path(temporary) / "inputs.npz", Path(temporary) / "images.npy"
        np.savez(inputs, allow_pickle=False, **given)
        command = [sys.executable, "-m", "kfer.generator", str(place), str(inputs), str(output)]
        process = subprocess.run(command, capture_output=True, text=True)
        if process.returncode:
            raise RuntimeError(f"{place.name} does not run in a fresh process: {process.stderr[-2000:]}")
        return np.load(output)


def _check(report: Mapping[str, Mapping[str, Any]]) -> None:
    wrong = [
        f"{export} by up to {figures['max_difference']:g}, on the mean {figures['mean_difference']:.3g}"
        for export, figures in report.items()
        # Not a number is no agreement either.
        if not (figures["max_difference"] <= _LARGEST and figures["mean_difference"] <= _MEAN)
    ]
    if wrong:
        raise ValueError(
            f"exports may differ from Keras by {_LARGEST} grey levels at most and {_MEAN:g} on the mean; "
            f"these differ: {'; '.join(wrong)}"
        )


def _write_card(
    path: Path,
    model: keras.Model,
    name: str,
    classes: Mapping[str, Sequence[str]],
    trained_on: Mapping[str, int],
    measures: Mapping[str, Any],
    report: Mapping[str, Mapping[str, Any]],
) -> None:
    _, image_size, _, channels = model.output_shape
    whose, likeness = "of nobody", _OF_NOBODY
    if spec.IDENTITY in classes:
        whose, likeness = "after people it was trained on", _OF_PEOPLE
    version = commit()
    told = [f"- {code(condition)}: {escaped(', '.join(names))}." for condition, names in classes.items()]
    sections: dict[str, Sequence[str]] = {
        f"Model card: {name}": [
            f"A generator that draws faces {whose}, {image_size} pixels high and wide, "
            f"{'grey' if channels == 1 else 'in colour'}, from {model.input[dcgan.NOISE].shape[-1]} "
            "numbers of noise and the weights of classes. Trained, measured and exported with kfer "
            f"{kfer.__version__}{f' (commit {version})' if version else ''}.",
        ],
        "Classes": told,
        "Data": [
            f"- {escaped(dataset)}: {count:,} training images." for dataset, count in trained_on.items()
        ],
        "Figures": table(("figure", "value"), _figures(measures)),
        "Exports against the Keras network": table(
            ("export", "images", "largest difference in grey levels", "mean difference"),
            (
                (
                    "SavedModel" if export == SAVED_MODEL else f"{export}.tflite",
                    f"{figures['num_images']:,}",
                    f"{figures['max_difference']:g}",
                    f"{figures['mean_difference']:.2g}",
                )
                for export, figures in report.items()
            ),
        ),
        "Intended use": [_INTENDED.format(likeness=likeness)],
        "Limits": [_LIMITS],
    }
    write_sections(path, sections)


def _figures(measures: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in measures.items():
        name = f"{above}{key.replace('_', ' ')}"
        if isinstance(value, Mapping):
            yield from _figures(value, f"{name}: ")
        else:
            yield name, f"{value:.4g}" if isinstance(value, float) else str(value)
