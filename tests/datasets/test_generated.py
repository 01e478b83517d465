"""Generated faces as a dataset, and as a source beside drawn ones."""

import io
import os
import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from kfer import datasets, generator, input_pipeline, spec
from kfer.datasets.generated import KferGenerated
from kfer.input_pipeline.order import Order
from kfer.settings import DataSettings, SamplingSettings, SourceSettings, default_tasks, labels_of

TFLITE = "1/generator.tflite"


@pytest.fixture(scope="module")
def grey(toy_generators):
    return str(toy_generators / "grey" / TFLITE)


@pytest.fixture(scope="module")
def colour(toy_generators):
    return str(toy_generators / "colour" / TFLITE)


def prepared(folder, **arguments) -> tfds.core.DatasetBuilder:
    builder = datasets.builder("generated", folder, **arguments)
    datasets.prepare(builder, "")
    return tfds.builder_from_directory(builder.data_dir)


def examples(builder: tfds.core.DatasetBuilder) -> dict[str, dict]:
    found = tfds.as_numpy(builder.as_dataset(split="train"))
    return {example["filename"].decode(): example for example in found}


def test_examples_are_what_the_generator_draws(tmp_path, grey):
    builder = prepared(tmp_path, generator=grey, counts={"disgust": 70, "fear": 2}, seed=7)
    assert list(builder.info.splits) == ["train"]
    found = examples(builder)
    names = [f"generated/grey/disgust/7_{number:05d}.png" for number in range(70)]
    assert set(found) == {*names, "generated/grey/fear/7_00000.png", "generated/grey/fear/7_00001.png"}
    drawn = generator.load(grey).draw("disgust", 70, 7)
    for name, image in zip(names, drawn, strict=True):
        np.testing.assert_array_equal(found[name]["image"], image)
        assert found[name]["expression"] == spec.EXPRESSIONS.index("disgust")
    assert builder.info.features["expression"].names == list(spec.EXPRESSIONS)
    assert "identity" not in builder.info.features


def test_people_take_turns_where_the_generator_is_told_of_them(tmp_path, colour):
    found = examples(prepared(tmp_path, generator=colour, counts=4))
    people = [found[f"generated/colour/sad/0_{number:05d}.png"]["identity"] for number in range(4)]
    assert people == [0, 1, 2, 0] and len(found) == 8
    drawn = generator.load(colour).draw("sad", 4, 0, identity=["Ann", "Bob", "Cem", "Ann"])
    np.testing.assert_array_equal(found["generated/colour/sad/0_00003.png"]["image"], drawn[3])


def test_everything_says_that_it_is_generated(tmp_path, grey):
    info = prepared(tmp_path, generator=grey, counts={"sad": 1}, seed=3).info
    digest = generator.read(grey).digest
    assert dict(info.metadata) == {
        "generated": True,
        "generator": "grey",
        "digest": digest,
        "counts": {"sad": 1},
        "seed": 3,
    }
    assert info.description.startswith("Generated images, no photographs")
    # The name that the card and the model.json of a network trained on it have.
    assert info.full_name == f"kfer_generated/{digest[:12]}_sad_1_seed3/1.0.0"
    builder = prepared(tmp_path, generator=grey, counts={"sad": 1}, seed=3)
    raw = builder.as_dataset(split="train", decoders={"image": tfds.decode.SkipDecoding()})
    (example,) = tfds.as_numpy(raw)
    marks = Image.open(io.BytesIO(example["image"])).text
    assert marks["generated"] == "true" and marks["digest"] == digest
    assert (marks["expression"], marks["seed"], marks["number"]) == ("sad", "3", "0")


def test_other_generators_counts_and_seeds_go_to_other_folders(tmp_path, grey, colour):
    chosen = [
        {"generator": grey, "counts": 3},
        {"generator": colour, "counts": 3},
        {"generator": grey, "counts": 4},
        {"generator": grey, "counts": 3, "seed": 1},
        {"generator": grey, "counts": {"happy": 3}},
        {"generator": grey, "counts": {"sad": 3}},
        {"generator": grey, "counts": {"happy": 1, "sad": 2}},
    ]
    folders = {KferGenerated(data_dir=str(tmp_path), **each).data_dir for each in chosen}
    assert len(folders) == len(chosen)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"counts": {"hapy": 1}}, "expression is 'hapy'; the generator grey draws .*mean 'happy'"),
        ({"counts": {"happy": 0}}, "counts of 'happy' must be at least 1; got 0"),
        ({"counts": 0}, "counts of 'angry' must be at least 1; got 0"),
        ({"counts": {}}, "expected images of at least one expression; the generator grey draws angry"),
        ({"seed": -1}, "seed must be at least 0; got -1"),
    ],
)
def test_what_cannot_be_drawn_is_refused(tmp_path, grey, changes, message):
    with pytest.raises(ValueError, match=message):
        datasets.builder("generated", tmp_path, **{"generator": grey, "counts": 1, **changes})


def test_a_generator_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no generator at gone"):
        datasets.builder("generated", tmp_path, generator="gone", counts=1)


def test_more_than_fits_on_the_disk_is_refused(tmp_path, grey):
    builder = datasets.builder("generated", tmp_path, generator=grey, counts=10**12)
    with pytest.raises(ValueError, match=r"MB are free at .*: at most [\d,]+ fit"):
        datasets.prepare(builder, "")


@pytest.mark.parametrize("counts", [2, {"disgust": 9, "fear": 3}])
def test_batches_have_the_stated_share_of_it(tmp_path, grey, counts):
    people = {"num_identities": 2, "num_heldout_identities": 1, "image_size": 32}
    each = {"examples_per_identity": 20, "heldout_examples_per_identity": 7}
    data = DataSettings(
        sources=(
            SourceSettings("synthetic", weight=0.9, arguments={**people, **each}),
            SourceSettings(
                "generated",
                weight=0.1,
                splits={"train": "train"},
                arguments={"generator": grey, "counts": counts},
            ),
        ),
        image_size=32,
    )
    labels = labels_of(default_tasks())
    facts = input_pipeline.write_sources(tmp_path / "examples", data, labels, "", tmp_path / "prepared")
    generated = 14 if counts == 2 else 12
    assert facts["num_examples"] == {"train": 40 + generated, "validation": 7, "test": 7}
    assert facts["sources"] == ["synthetic", "generated"]
    assert facts["versions"][1].startswith("kfer_generated/") and facts["num_identities"] == 2
    records = input_pipeline.read_examples(tmp_path / "examples" / "Split-train")
    input_pipeline.write_decoded(tmp_path / "decoded", records, 32, 1, ((1.0, 0.0),) * 2, 40 + generated)
    decoded = input_pipeline.load_decoded(tmp_path / "decoded", 1.0)
    from_generator = decoded.source == 1
    assert all(name.startswith("generated/grey/") for name in decoded.filename[from_generator])
    assert (decoded.identity[from_generator] == spec.MISSING_LABEL).all()
    order = Order(decoded, 20, 0, [source.weight for source in data.sources], SamplingSettings())
    for step in range(10):
        assert from_generator[order.indices(step)].sum() == 2
    dataset = input_pipeline.for_training(decoded, 20, 0, None, weights=(0.9, 0.1))
    images, _ = next(iter(dataset))
    drawn = decoded.images[from_generator].astype(np.float32)
    seen = [any(np.array_equal(image, each) for each in drawn) for image in images.numpy()]
    assert sum(seen) == 2


@pytest.mark.parametrize("place", ["grey", "grey/1", f"grey/{TFLITE}"])
def test_example_gen_notices_another_generator(toy_generators, tmp_path, place):
    from kfer.pipeline.components.example_gen import example_gen

    shutil.copytree(toy_generators, tmp_path / "saved_models")
    arguments = {"generator": str(tmp_path / "saved_models" / place), "counts": 1}
    data = DataSettings(sources=(SourceSettings("generated", arguments=arguments),))
    looked_at = example_gen.fingerprint

    def fingerprint() -> str:
        return looked_at({"data": data, "data_dir": "", "prepared_dir": str(tmp_path / "datasets")})

    before = fingerprint()
    assert before and fingerprint() == before
    for name in ("generator.tflite", "generator.json"):
        file = tmp_path / "saved_models" / "grey" / "1" / name
        shutil.copy(toy_generators / "colour" / "1" / name, file)
        os.utime(file, ns=(0, 0))
    assert fingerprint() != before
