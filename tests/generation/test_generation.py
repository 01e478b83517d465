"""The whole way from images to a pushed generator, on squares of three shades."""

import dataclasses
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from kfer import generator
from kfer.generation import examples, generation
from kfer.generation.__main__ import main
from kfer.generation.settings import GenerationSettings, MeasureSettings
from kfer.settings import (
    AdversarialSettings,
    DataSettings,
    DcganSettings,
    PipelineSettings,
    SourceSettings,
    TaskSettings,
    TuningSettings,
)

CLASSES = ("dark", "grey", "light")
SHADES = {"dark": 50, "grey": 120, "light": 190}


def write_images(folder: Path, classes: tuple[str, ...] = CLASSES) -> Path:
    draws = np.random.default_rng(0)
    for split, count in (("train", 30), ("validation", 8)):
        for name in classes:
            place = folder / split / name
            place.mkdir(parents=True)
            for number in range(count):
                image = np.clip(draws.normal(SHADES[name], 15, (32, 32)), 0, 255).astype(np.uint8)
                cv2.imwrite(str(place / f"{number}.png"), image)
    return folder


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("data") / "images")


def settings_of(images: Path, model: Path | str, serving: Path, **changes: object) -> GenerationSettings:
    arguments = {"path": str(images), "task": "expression", "expressions": CLASSES}
    splits = {"train": "train", "validation": "validation"}
    return GenerationSettings(
        "shades",
        PipelineSettings(
            name="shades",
            serving_dir=str(serving),
            tasks={"expression": TaskSettings(names=CLASSES)},
            data=DataSettings(
                (SourceSettings("image_folder", splits=splits, arguments=arguments),), image_size=32
            ),
            tuning=TuningSettings(trials=0),
        ),
        DcganSettings(noise_size=4, generator_widths=(16, 8), discriminator_widths=(8, 16)),
        AdversarialSettings(epochs=2, batch_size=16, samples=2, generator_learning_rate=2e-3),
        dataclasses.replace(
            MeasureSettings(str(model), num_images=120, num_images_each_epoch=30, classifier_epochs=1),
            **changes,
        ),
    )


@pytest.fixture(scope="module")
def made(images: Path, pushed: Path, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("made")
    settings = settings_of(images, pushed, folder / "saved_models")
    return settings, folder / "output", generation.make(settings, folder / "output")


def test_it_leaves_a_generator_pictures_and_figures(made) -> None:
    settings, output_dir, found = made
    assert [row["epoch"] for row in found["history"]] == [1, 2]
    assert {"kid", "conditional_accuracy", "variety"} <= found["history"][0].keys()
    pictures = ["interpolation.png", "neighbours.png", "samples.png"]
    samples = ["samples/epoch_001.png", "samples/epoch_002.png"]
    for name in (*pictures, *samples):
        with Image.open(output_dir / name) as picture:
            assert min(picture.size) > 60
    figures = json.loads((output_dir / "measures.json").read_text())
    assert figures["generated"]["num_generated"] == 120
    assert figures["generated"]["kid_untrained"] > 0
    assert 0 <= figures["trained_on_generated"]["accuracy"] <= 1
    assert figures["trained_on_real"]["num_examples"] == 24
    assert "rank1" not in figures["generated"]
    assert found["pushed"] == Path(settings.base.serving_dir) / "shades" / "1"
    drawn = generator.load(found["pushed"]).draw("light", 3, 0)
    assert drawn.shape == (3, 32, 32, 1)
    told = json.loads((found["pushed"] / "generator.json").read_text())
    assert told["measures"]["epochs"] == 2
    assert list(told["trained_on"].values()) == [90]


def test_what_is_done_is_not_done_again(made, capsys) -> None:
    settings, output_dir, found = made
    before = (output_dir / "measures.json").stat().st_mtime_ns
    again = generation.make(settings, output_dir)
    assert again["pushed"] == found["pushed"]
    assert (output_dir / "measures.json").stat().st_mtime_ns == before
    assert again["history"] == found["history"]


def test_other_examples_are_measured_anew(made, tmp_path) -> None:
    settings, output_dir, found = made
    source = dataclasses.replace(
        settings.base.data.sources[0], splits={"train": "train", "validation": "train"}
    )
    data = dataclasses.replace(settings.base.data, sources=(source,))
    base = dataclasses.replace(settings.base, data=data, serving_dir=str(tmp_path))
    measured = dataclasses.replace(settings.measures, classifier_epochs=2)
    again = generation.make(dataclasses.replace(settings, base=base, measures=measured), output_dir)
    assert found["figures"]["generated"]["num_heldout"] == 24
    assert again["figures"]["generated"]["num_heldout"] == 90


def test_a_training_does_not_go_on_with_other_examples(made) -> None:
    """Nor with the same ones under other names: what is pushed would draw light for dark."""
    settings, output_dir, found = made
    source = dataclasses.replace(
        settings.base.data.sources[0], splits={"train": "train[5:]", "validation": "validation"}
    )
    fewer = dataclasses.replace(
        settings.base, data=dataclasses.replace(settings.base.data, sources=(source,))
    )
    turned = dataclasses.replace(settings.base, tasks={"expression": TaskSettings(names=CLASSES[::-1])})
    for base in (fewer, turned):
        with pytest.raises(
            ValueError, match=r"run with other settings: .*examples was '[0-9a-f]+' and is"
        ):
            generation.make(dataclasses.replace(settings, base=base), output_dir)
    assert len(list(found["pushed"].parent.iterdir())) == 1


def test_the_summary_is_a_table_of_generated_and_real_images(made) -> None:
    _, output_dir, found = made
    lines = generation.summary(found, output_dir).splitlines()
    assert lines[1].split() == ["generated", "untrained", "real,", "held", "out"]
    assert any(line.startswith("KID ") for line in lines)
    assert any(line.startswith("  light ") for line in lines)
    (learned,) = (line for line in lines if line.startswith("a network learns of as many "))
    told = (found["figures"][f"trained_on_{name}"]["accuracy"] for name in ("generated", "real"))
    assert learned.split()[-2:] == [f"{accuracy:.3f}" for accuracy in told]
    assert str(found["pushed"]) in lines[-2]


def test_another_generators_folder_is_left_alone(made, tmp_path) -> None:
    settings, output_dir, _ = made
    other = dataclasses.replace(settings, name="other")
    with pytest.raises(ValueError, match="holds the generator 'shades', this one is 'other'"):
        generation.make(other, output_dir)


def test_a_missing_model_is_said_before_the_training(images, tmp_path) -> None:
    settings = settings_of(images, tmp_path / "nothing", tmp_path / "saved_models")
    with pytest.raises(FileNotFoundError, match="no model"):
        generation.make(settings, tmp_path / "output")
    assert not (tmp_path / "output" / "training").exists()


def test_examples_of_one_class_are_refused(pushed, tmp_path) -> None:
    folder = write_images(tmp_path / "one", ("grey",))
    settings = settings_of(folder, pushed, tmp_path / "saved_models")
    message = r"of each of two classes; .* as many among these 30 images: grey\. Take other examples$"
    with pytest.raises(ValueError, match=message):
        generation.make(settings, tmp_path / "output")


def test_examples_without_any_to_compare_with_are_refused_before_the_training(
    images, pushed, tmp_path
) -> None:
    settings = settings_of(images, pushed, tmp_path / "saved_models")
    sources = (
        dataclasses.replace(settings.base.data.sources[0], splits={"train": "train"}),
        dataclasses.replace(
            settings.base.data.sources[0],
            splits={"validation": "validation"},
            labels={"expression": {"*": ""}},
        ),
    )
    base = settings.base
    for chosen, number in ((sources[:1], "0"), (sources, "24")):
        data = dataclasses.replace(base.data, sources=chosen)
        other = dataclasses.replace(settings, base=dataclasses.replace(base, data=data))
        with pytest.raises(ValueError, match=f"has {number} images there, 0 of them with one"):
            generation.make(other, tmp_path / f"output{number}")
        assert not (tmp_path / f"output{number}" / "training").exists()


def test_sources_of_one_dataset_are_counted_together(images, tmp_path) -> None:
    settings = settings_of(images, "", tmp_path / "saved_models")
    (source,) = settings.base.data.sources
    halves = [{"train": "train[:50%]", "validation": "validation"}, {"train": "train[50%:]"}]
    sources = tuple(dataclasses.replace(source, splits=splits) for splits in halves)
    data = dataclasses.replace(settings.base.data, sources=sources)
    base = dataclasses.replace(settings.base, data=data)
    found = examples.load(dataclasses.replace(settings, base=base), tmp_path / "pipeline")
    assert sum(found.sources.values()) == len(found.train) == 90


def test_a_push_that_was_killed_is_no_version(made, tmp_path) -> None:
    settings, output_dir, found = made
    serving = tmp_path / "saved_models"
    (serving / "shades" / ".kfer-abcdefgh.partial").mkdir(parents=True)
    shutil.copy(found["pushed"] / "generator.json", serving / "shades" / ".kfer-abcdefgh.partial")
    base = dataclasses.replace(settings.base, serving_dir=str(serving))
    again = generation.make(dataclasses.replace(settings, base=base), output_dir)
    assert again["pushed"] == serving / "shades" / "1"


def test_a_model_that_reads_faces_keeps_its_name(images, pushed, tmp_path) -> None:
    settings = settings_of(images, pushed, pushed.parent)
    with pytest.raises(
        ValueError, match="toy holds a model that reads faces; a generator needs a folder"
    ):
        generation.make(dataclasses.replace(settings, name="toy"), tmp_path / "output")
    assert not (tmp_path / "output").exists()


def test_a_generator_is_told_whom_it_draws_after(tmp_path) -> None:
    """Faces that kfer draws, of three people; without a model that could judge."""
    people = {"num_identities": 3, "num_heldout_identities": 1, "examples_per_identity": 14}
    source = SourceSettings("synthetic", arguments={**people, "heldout_examples_per_identity": 7})
    base = PipelineSettings(
        name="people",
        serving_dir=str(tmp_path / "saved_models"),
        data=DataSettings((source,), image_size=32, channels=3),
        tuning=TuningSettings(trials=0),
    )
    settings = GenerationSettings(
        "people",
        base,
        DcganSettings(
            noise_size=4,
            generator_widths=(16, 8),
            discriminator_widths=(8, 16),
            conditions=("expression", "identity"),
        ),
        AdversarialSettings(epochs=1, batch_size=16, samples=2),
    )
    found = generation.make(settings, tmp_path / "output")
    drawing = generator.load(found["pushed"])
    assert drawing.classes["identity"] == ("00000", "00001", "00002")
    assert drawing.draw("happy", 2, 0, "00002").shape == (2, 32, 32, 3)
    assert found["figures"] is None


def test_the_command(images, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = settings_of(images, "", tmp_path / "elsewhere")
    (tmp_path / "shades.py").write_text(
        f"from kfer.generation.settings import *\nfrom kfer.settings import *\nsettings = {settings!r}\n"
    )
    arguments = ["shades.py", "--adversarial.epochs", "1", "--serving-dir", "pushed"]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "names no model that could judge" in said
    assert "Generator: pushed/shades/1" in said
    assert (tmp_path / "generation_output" / "shades" / "samples.png").is_file()
    assert main([*arguments, "--network.upsampling", "sideways"]) == 2
    assert "upsampling must be among transposed, resize; got 'sideways'" in capsys.readouterr().err
    rate = ["--adversarial.generator_learning_rate", "1e30", "--output-dir", "spoilt"]
    assert main([*arguments, *rate]) == 2
    assert "is not a number in epoch 1: the training stops. Lower" in capsys.readouterr().err
