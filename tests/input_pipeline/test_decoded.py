import dataclasses
import logging

import numpy as np
import pytest
import tensorflow as tf

from kfer import preprocessing
from kfer.input_pipeline import decoded, records


def png(seed: int, *shape: int) -> bytes:
    image = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return tf.io.encode_png(image).numpy()


def example(number: int, image: bytes | None = None, source: int = 0) -> dict:
    return {
        "image": png(number, 12, 10, 3) if image is None else image,
        "expression": number % 3 - 1,
        "identity": number - 1,
        "source": source,
        "filename": f"face_{number}.png",
    }


def write(folder, examples, size=8, channels=1, crops=((1.0, 0.0),)) -> int:
    count = records.write_examples(examples, folder / "examples")
    return decoded.write_decoded(
        folder / "decoded",
        records.read_examples(folder / "examples"),
        size,
        channels,
        crops,
        count,
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_written_comes_back_prepared_and_in_order(tmp_path, channels):
    examples = [example(number) for number in range(600)]  # More than two chunks.
    assert write(tmp_path, examples, channels=channels) == 0
    loaded = decoded.load_decoded(tmp_path / "decoded", 1.0)
    assert loaded.images.shape == (600, 8, 8, channels)
    for row in (0, 255, 256, 599):
        expected = preprocessing.prepare(examples[row]["image"], 8, channels)
        np.testing.assert_array_equal(loaded.images[row], expected)
    for name in ("expression", "identity", "source"):
        values = getattr(loaded, name)
        assert values.dtype == np.int32
        assert values.tolist() == [e[name] for e in examples]
    assert loaded.filename.tolist() == [e["filename"] for e in examples]
    assert len(loaded) == 600


def test_grey_and_rgb_sources_mix_each_with_its_crop(tmp_path):
    grey, rgb = png(0, 16, 16, 1), png(1, 32, 32, 3)
    write(tmp_path, [example(0, grey), example(1, rgb, source=1)], 16, 3, ((1.0, 0.0), (0.5, 0.25)))
    images = decoded.load_decoded(tmp_path / "decoded", 1.0).images
    np.testing.assert_array_equal(images[0], np.repeat(tf.io.decode_png(grey), 3, -1))
    np.testing.assert_array_equal(images[1], tf.io.decode_png(rgb)[16:, 8:24])


def test_undecodable_images_are_dropped_counted_and_named(tmp_path, caplog):
    examples = [example(number) for number in range(10)]
    for bad in (0, 4, 9):
        examples[bad]["image"] = examples[bad]["image"][:40]
    with caplog.at_level(logging.WARNING):
        assert write(tmp_path, examples) == 3
    assert "3 of 10 images do not decode: face_0.png, face_4.png, face_9.png" in caplog.text
    loaded = decoded.load_decoded(tmp_path / "decoded", 1.0)
    assert loaded.identity.tolist() == [0, 1, 2, 4, 5, 6, 7]
    assert len(loaded.images) == 7


@pytest.mark.parametrize("count", [0, 2])
def test_no_decodable_image_at_all(tmp_path, count):
    assert write(tmp_path, [example(number, b"no image") for number in range(count)]) == count
    assert len(decoded.load_decoded(tmp_path / "decoded", 1.0)) == 0


def test_a_source_without_crop_is_no_bad_image(tmp_path):
    with pytest.raises(tf.errors.InvalidArgumentError):
        write(tmp_path, [example(0, source=1)], crops=((1.0, 0.0),))
    with pytest.raises(FileNotFoundError, match=r"no complete decoded split: images\.npy"):
        decoded.load_decoded(tmp_path / "decoded", 1.0)


def test_a_damaged_record_file_is_no_bad_image(tmp_path):
    records.write_examples([example(number) for number in range(3)], tmp_path)
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    content[-20] ^= 255
    path.write_bytes(content)
    with pytest.raises(tf.errors.DataLossError):
        decoded.write_decoded(
            tmp_path / "decoded", records.read_examples(tmp_path), 8, 1, ((1.0, 0.0),), 3
        )


def test_images_within_the_budget_are_in_memory_and_others_mapped(tmp_path):
    write(tmp_path, [example(number) for number in range(10)])
    inside = decoded.load_decoded(tmp_path / "decoded", 640e-9)  # 10 images of 64 bytes.
    outside = decoded.load_decoded(tmp_path / "decoded", 639e-9)
    assert not isinstance(inside.images, np.memmap)
    assert isinstance(outside.images, np.memmap)
    np.testing.assert_array_equal(inside.images, outside.images)


def test_some_examples_keep_every_label(tmp_path):
    write(tmp_path, [example(number) for number in range(4)])
    whole = dataclasses.replace(
        decoded.load_decoded(tmp_path / "decoded", 1.0), further={"eyes": np.arange(4, dtype=np.int32)}
    )
    two = whole.at(np.array([3, 1]))
    assert len(two) == 2 and len(whole.at(slice(9))) == 4
    np.testing.assert_array_equal(two.filename, whole.filename[[3, 1]])
    np.testing.assert_array_equal(two.images, whole.images[[3, 1]])
    assert {name: len(values) for name, values in two.labels.items()} == dict.fromkeys(two.labels, 2)
    np.testing.assert_array_equal(two.label("eyes"), [3, 1])


def test_concatenate_keeps_order(tmp_path):
    write(tmp_path, [example(number) for number in range(4)])
    one = decoded.load_decoded(tmp_path / "decoded", 1.0)
    both = decoded.Decoded.concatenate([one, one])
    assert len(both) == 8
    np.testing.assert_array_equal(both.images[4:], one.images)
    assert both.filename.tolist() == [*one.filename, *one.filename]


def test_pairs_with_a_bad_image_are_dropped_and_counted(tmp_path):
    images = [png(number, 8, 8, 1) for number in range(4)]
    pairs = [
        {"image_a": images[0], "image_b": images[1], "same": 1, "fold": 0, "source": 0},
        {"image_a": images[1], "image_b": b"bad", "same": 1, "fold": 0, "source": 0},
        {"image_a": images[2], "image_b": images[3], "same": 0, "fold": -1, "source": 0},
    ]
    records.write_pairs(pairs, tmp_path)
    written = records.read_pairs(tmp_path)
    assert decoded.write_decoded_pairs(tmp_path / "pairs", written, 8, 1, ((1.0, 0.0),), 3) == 1
    loaded = decoded.load_pairs(tmp_path / "pairs")
    assert loaded.same.tolist() == [True, False]
    assert loaded.fold.tolist() == [0, -1]
    for row, (a, b) in enumerate([(0, 1), (2, 3)]):
        np.testing.assert_array_equal(loaded.images_a[row], tf.io.decode_png(images[a]))
        np.testing.assert_array_equal(loaded.images_b[row], tf.io.decode_png(images[b]))
