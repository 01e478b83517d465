from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from kfer import models
from kfer.settings import ModelSettings, TaskSettings

IMAGES = np.zeros((2, 8, 8, 1), np.uint8)


def network(
    seed: int = 0, channels: int = 1, embedding_size: int = 5, classes: str = "abc", size: int = 8
) -> keras.Model:
    settings = ModelSettings(backbone_arguments={"widths": [4]}, embedding_size=embedding_size)
    tasks = {"expression": TaskSettings(names=tuple(classes)), "identity": TaskSettings("embedding")}
    return models.build(settings, size, channels, tasks, 4, seed)


def saved(folder: Path, name: str = "teacher.keras", **arguments: int | str) -> str:
    path = folder / name
    network(**arguments).save(path)
    return str(path)


def tasks(expression: tuple[str, ...] = (), identity: tuple[str, ...] = ()) -> dict[str, TaskSettings]:
    return {
        "expression": TaskSettings(names=tuple("abc"), teachers=expression),
        "identity": TaskSettings("embedding", teachers=identity),
    }


def test_each_task_has_its_teachers_frozen_and_a_file_is_loaded_once(tmp_path: Path) -> None:
    first, second = saved(tmp_path, seed=1), saved(tmp_path, "second.keras", seed=2)
    found = models.teachers(network(), tasks((first, second), (second,)))
    assert {task: len(teachers) for task, teachers in found.items()} == {"expression": 2, "identity": 1}
    assert found["expression"][1] is found["identity"][0]
    for teacher, seed in zip(found["expression"], (1, 2), strict=True):
        assert not teacher.trainable_variables
        expected = network(seed=seed)(IMAGES)["expression"]
        np.testing.assert_allclose(teacher(IMAGES, training=False)["expression"], expected, atol=1e-6)


def test_the_newest_file_that_fits_a_pattern_teaches(tmp_path: Path) -> None:
    saved(tmp_path, seed=1)
    found = models.teachers(network(), tasks((str(tmp_path / "*.keras"),)))
    assert len(found["expression"]) == 1
    with pytest.raises(
        ValueError, match=r"tasks\.expression\.teachers: .*expected the .keras .*there is no file"
    ):
        models.teachers(network(), tasks((str(tmp_path / "*" / "*.keras"),)))


def test_tasks_without_teachers_or_weight_have_none(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.keras")
    own = {
        "expression": TaskSettings(names=tuple("abc")),
        "identity": TaskSettings("embedding", weight=0.0, teachers=(missing,)),
    }
    assert models.teachers(network(), own) == {}


def test_a_teacher_of_another_size_sees_resized_images(tmp_path: Path) -> None:
    (teacher,) = models.teachers(network(), tasks((saved(tmp_path, size=12, seed=1),)))["expression"]
    images = np.random.default_rng(0).uniform(-1, 1, (2, 8, 8, 1)).astype(np.float32)
    resized = tf.image.resize(images, (12, 12))
    expected = network(size=12, seed=1)(resized)
    for output in ("expression", "embedding"):
        np.testing.assert_allclose(teacher(images, training=False)[output], expected[output], atol=1e-5)
    assert not teacher.trainable_variables


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": "ab"}, r"expected \[3\] numbers an image in 'expression', .*; got \[2\]"),
        ({"channels": 3}, r"expected images \[8, 8, 1\], .*; it takes \[8, 8, 3\]"),
    ],
)
def test_a_teacher_of_another_network_is_named(tmp_path: Path, arguments: dict, message: str) -> None:
    path = saved(tmp_path, **arguments)
    with pytest.raises(ValueError, match=r"tasks.expression.teachers: .*teacher.keras: " + message):
        models.teachers(network(), tasks((path,)))


def test_identity_is_learned_from_embeddings_of_the_same_size(tmp_path: Path) -> None:
    path = saved(tmp_path, embedding_size=6)
    assert models.teachers(network(), tasks((path,)))  # expressions are as they should be
    with pytest.raises(ValueError, match=r"expected \[5\] numbers .* 'embedding', .*; got \[6\]"):
        models.teachers(network(), tasks(identity=(path,)))


def test_what_is_no_network_of_kfer_is_named(tmp_path: Path) -> None:
    own = tasks((str(tmp_path / "other.keras"),))
    with pytest.raises(
        ValueError, match=r"tasks.expression.teachers: .*other.keras: expected the .keras"
    ):
        models.teachers(network(), own)
    (tmp_path / "other.keras").write_bytes(b"half")
    with pytest.raises(ValueError, match=r"other.keras: expected the .keras file"):
        models.teachers(network(), own)
    other = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    other.save(tmp_path / "other.keras")
    with pytest.raises(ValueError, match=r"an output 'expression'; it has none with a name"):
        models.teachers(network(), own)
