"""The whole of it: examples, training, figures, and a generator that is pushed."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

import keras

from kfer import files, generator, spec
from kfer.comparison.command import aligned
from kfer.documents import claims
from kfer.export.generator import write_generator
from kfer.export.network import weights_digest
from kfer.generation import examples, features, measures, training
from kfer.generation.examples import RealImages
from kfer.generation.settings import GenerationSettings
from kfer.media import png
from kfer.media.grids import grid
from kfer.models import dcgan
from kfer.pipeline.components.pusher import push
from kfer.settings import PipelineSettings, TrainingSettings
from kfer.study.study import exclusive

_MEASURES = "measures.json"
_COLUMNS, _STEPS = 10, 4
_log = logging.getLogger(__name__)


def make(settings: GenerationSettings, output_dir: Path) -> dict[str, Any]:
    """Trains, judges and pushes a generator; what was done before is not done again.

    It leaves in its folder "pipeline/" with the examples, "training/", "samples/" with a grid of each
    epoch, "measures.json", and the pictures "samples.png", "interpolation.png" and "neighbours.png".

    Args:
        settings: Of the generator.
        output_dir: Its folder, which becomes its own.

    Returns:
        "figures", what "measures.json" holds (None without `measures.model`); "history", the figures of
        each epoch; and "pushed", the generator's folder.

    Raises:
        ValueError: The folder is another generator's, a model that reads faces has its name, the model of
            `measures.model` does not fit, the examples are of one class, or none of those that are not
            learned has an expression.
        FileNotFoundError: There is no such model, or the examples' files are missing.
        FloatingPointError: A loss is not a number; the checkpoint of the last epoch stays.
        RuntimeError: Another process trains this generator, or the examples cannot be prepared.
    """
    _check_place(settings)
    claims.claim(output_dir, "generator", settings.name)
    with exclusive(output_dir):
        # First, for what is missing is to be said before hours of training.
        reader, compared = _reader(settings), _features(settings)
        real = examples.load(settings, output_dir / "pipeline")
        trained, history = training.train(settings, real, reader, output_dir)
        figures = None
        if reader is not None:
            figures = _measured(settings, real, reader, compared, trained, output_dir)
        told = {"epochs": len(history), **(_told(figures) if figures else {})}
        pushed = _pushed(settings, real, trained, told, output_dir)
        _draw(pushed, output_dir, settings.adversarial.seed)
    return {"figures": figures, "history": history, "pushed": pushed}


def summary(made: dict[str, Any], output_dir: Path) -> str:
    """What was made, for the console.

    Args:
        made: From `make`.
        output_dir: Where.
    """
    table = "" if made["figures"] is None else f"\n{_table(made['figures'])}\n"
    return f"{table}\nGenerator: {made['pushed']}\nSamples: {output_dir / 'samples.png'}"


def _check_place(settings: GenerationSettings) -> None:
    versions = Path(settings.base.serving_dir) / settings.name
    if any(versions.glob(f"*/{generator.OF_READERS}")):
        raise ValueError(
            f"{versions} holds a model that reads faces; a generator needs a folder of its own: give it "
            "another name, or another --serving-dir"
        )


def _reader(settings: GenerationSettings) -> features.Reader | None:
    chosen = settings.measures.model
    if not chosen:
        _log.warning("measures.model names no model that could judge: the generator is not judged")
        return None
    names = settings.base.tasks[spec.EXPRESSION].names
    return features.Reader(chosen, names)


def _features(settings: GenerationSettings) -> features.Features | None:
    return features.inception() if settings.measures.features == "inception" else None


def _measured(
    settings: GenerationSettings,
    real: RealImages,
    reader: features.Reader,
    compared: features.Features | None,
    trained: keras.Model,
    output_dir: Path,
) -> dict[str, Any]:
    """The figures, from the file where they are of this generator and these settings."""
    path = output_dir / _MEASURES
    judged = {
        "weights": weights_digest(trained),
        "settings": files.plain(settings.measures),
        "data": files.plain(settings.base.data),
        "judge": reader.name,
        "judge_weights": reader.fingerprint,
        "examples": [
            examples.digest(images, [spec.EXPRESSION, spec.IDENTITY], "")
            for images in (real.train, real.heldout)
        ],
    }
    if path.exists():
        found = files.read_json(path, "delete it to measure anew")
        if all(found.get(name) == value for name, value in judged.items()):
            return found
    _log.info("draws %s images and judges them", f"{settings.measures.num_images:,}")
    images = training.drawn(trained, settings, real, settings.measures.num_images)
    figures = measures.measure(
        *(images, real.train, real.heldout, reader, compared),
        seed=settings.measures.seed,
        untrained=training.drawn(_untrained(settings, real), settings, real, len(images)),
    )
    learned = {}
    if settings.measures.classifier_epochs:
        alike = real.labelled(len(images), settings.measures.seed)
        for name, learns in (("generated", images), ("real", alike)):
            _log.info("trains a network on %s %s images alone", f"{len(learns):,}", name)
            learned[f"trained_on_{name}"] = measures.learned_from(
                learns, real.heldout, _classifier(settings), output_dir / "classifier"
            )
    picture = measures.neighbours_picture(
        images.images, real.train.images, figures["copies"]["pixels"]["closest"], "grey levels"
    )
    files.write_bytes(output_dir / "neighbours.png", png.encoded(picture, {}))
    found = {**judged, "generated": figures, **learned}
    files.write_json(path, found)
    return found


def _pushed(
    settings: GenerationSettings,
    real: RealImages,
    trained: keras.Model,
    told: dict[str, Any],
    output_dir: Path,
) -> Path:
    """The version that has this generator, the newest one where it is that already."""
    versions = Path(settings.base.serving_dir) / settings.name
    if any(path.parent.name.isdecimal() for path in versions.glob(f"*/{generator.FILE}")):
        newest = generator.read(versions).place
        described = files.read_json(newest / generator.FILE)
        if (described["weights"], described["measures"]) == (weights_digest(trained), told):
            return newest
    with files.private_folder(output_dir / "generator") as private:
        folder = private / "generator"
        folder.mkdir()
        write_generator(folder, trained, settings.name, real.classes, real.sources, told)
        return push(folder, versions)


def _untrained(settings: GenerationSettings, real: RealImages) -> keras.Model:
    keras.utils.set_random_seed(settings.adversarial.seed)
    data = settings.base.data
    return dcgan.generator(settings.network, data.image_size, data.channels, real.num_classes)


def _classifier(settings: GenerationSettings) -> PipelineSettings:
    """kfer's compact network as it is, for a few epochs."""
    base = PipelineSettings(tasks={spec.EXPRESSION: settings.base.tasks[spec.EXPRESSION]})
    epochs = settings.measures.classifier_epochs
    chosen = TrainingSettings(epochs=epochs, batch_size=64, seed=settings.measures.seed)
    return dataclasses.replace(base, training=chosen)


def _told(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures that go with the generator's files."""
    judged, learned = figures["generated"], figures.get("trained_on_generated")
    return {
        "judge": judged["reader"],
        **{name: judged[name] for name in ("fid", "kid", "kid_real", "kid_untrained")},
        **{name: judged[name]["value"] for name in ("conditional_accuracy", "real_accuracy")},
        **({"rank1": judged["rank1"]["value"]} if "rank1" in judged else {}),
        **({"accuracy_of_a_network_trained_on_it": learned["accuracy"]} if learned else {}),
        "duplicates_of_training_images": judged["copies"]["pixels"]["duplicates"]["value"],
        "as_near_to_training_images_as_1_%_of_real_ones": judged["copies"]["pixels"]["copies"]["value"],
    }


def _draw(pushed: Path, output_dir: Path, seed: int) -> None:
    """Pictures by the files that were pushed."""
    drawing = generator.load(pushed)
    names = drawing.classes[spec.EXPRESSION]
    marks = drawing.description.marks(seed)
    rows = {name: drawing.draw(name, _COLUMNS, seed) for name in names}
    files.write_bytes(output_dir / "samples.png", png.encoded(grid(rows), marks))
    around = (*names, names[0])
    between = drawing.interpolate(around, _STEPS, seed, 5)
    picture = grid(
        {str(number): images for number, images in enumerate(between)},
        columns=between.shape[1],
        headings={number * _STEPS: name for number, name in enumerate(around)},
    )
    files.write_bytes(output_dir / "interpolation.png", png.encoded(picture, marks))


def _table(figures: dict[str, Any]) -> str:
    judged = figures["generated"]
    copies = judged["copies"]["pixels"]
    rows = [
        ("", "generated", "untrained", "real, held out"),
        *(
            (name.upper(), *(f"{judged[name + ending]:.4f}" for ending in ("", "_untrained", "_real")))
            for name in ("fid", "kid")
        ),
        (
            "expresses what it should",
            *(
                f"{judged[name]['value']:.3f}"
                for name in ("conditional_accuracy", "untrained_accuracy", "real_accuracy")
            ),
        ),
        *(
            (f"  {row['name']}", _share(row["accuracy"]), "", _share(row["real_accuracy"]))
            for row in judged["classes"]
        ),
        ("equal to a training image", *_copies(copies, "duplicates")),
        ("as near to one as few real", *_copies(copies, "copies")),
    ]
    if "rank1" in judged:
        rows.append(("shows whom it should", _share(judged["rank1"]), "", _share(judged["rank1_real"])))
    if "trained_on_generated" in figures:
        of_generated, of_real = (
            f"{figures[f'trained_on_{name}']['accuracy']:.3f}" for name in ("generated", "real")
        )
        rows.append(("a network learns of as many", of_generated, "", of_real))
    return aligned(rows)


def _copies(found: dict[str, Any], kind: str) -> tuple[str, str, str]:
    return _share(found[kind]), "", f"{found[f'heldout_{kind}']:.3f}"


def _share(interval: dict[str, float | None] | None) -> str:
    return "" if interval is None or interval["value"] is None else f"{interval['value']:.3f}"
