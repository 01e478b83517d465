import numpy as np
import pytest
import tensorflow as tf

from kfer import preprocessing


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def png(image: np.ndarray) -> bytes:
    return tf.io.encode_png(image).numpy()


def in_map(function, value):
    """What the function gives inside tf.data.Dataset.map."""
    dataset = tf.data.Dataset.from_tensors(value).map(function)
    return next(dataset.as_numpy_iterator())


def both_ways(function, value) -> np.ndarray:
    """What the function gives, having checked that eagerly and in tf.data it gives the same."""
    eager = function(tf.constant(value)).numpy()
    np.testing.assert_array_equal(eager, in_map(function, value))
    return eager


def test_decode_reads_rgb_and_grey_png_exactly():
    image = noise(5, 7, 3)
    np.testing.assert_array_equal(both_ways(lambda x: preprocessing.decode(x, 3), png(image)), image)
    grey = noise(5, 7, 1)
    np.testing.assert_array_equal(both_ways(lambda x: preprocessing.decode(x, 1), png(grey)), grey)
    np.testing.assert_array_equal(preprocessing.decode(png(grey), 3), np.repeat(grey, 3, -1))


def test_decode_lays_over_white():
    image = noise(4, 4, 4)
    share = image[..., 3:] / 255
    np.testing.assert_allclose(
        preprocessing.decode(png(image), 3), image[..., :3] * share + 255 * (1 - share), atol=0.6
    )


def test_decode_takes_the_first_frame_of_a_gif():
    # Two frames of one pixel, red then green, with a palette of two colours.
    frame = b"\x2c\0\0\0\0\1\0\1\0\0\2\2%b\1\0"
    gif = b"GIF89a\1\0\1\0\x80\0\0\xff\0\0\0\xff\0" + frame % b"D" + frame % b"L" + b"\x3b"
    np.testing.assert_array_equal(preprocessing.decode(gif, 3), [[[255, 0, 0]]])


def test_grey_jpeg_is_the_grey_of_its_rgb():
    jpeg = tf.io.encode_jpeg(noise(16, 16, 3))
    rgb = preprocessing.decode(jpeg, 3)
    np.testing.assert_array_equal(preprocessing.decode(jpeg, 1), preprocessing.to_channels(rgb, 1))


@pytest.mark.parametrize("bad", [b"", b"no image", "truncated"])
def test_what_does_not_decode_is_told(bad):
    if bad == "truncated":
        bad = png(noise(32, 32, 3))[:-900]
    assert not preprocessing.decodes(bad)
    with pytest.raises(tf.errors.InvalidArgumentError):
        preprocessing.decode(bad, 3)


def test_what_decodes_is_told():
    assert preprocessing.decodes(png(noise(2, 2, 1)))


def test_central_crop_keeps_the_middle():
    image = np.arange(36, dtype=np.uint8).reshape(6, 6, 1)
    kept = both_ways(lambda x: preprocessing.central_crop(x, 2 / 3), image)
    np.testing.assert_array_equal(kept, image[1:5, 1:5])


def test_a_crop_below_the_middle_stays_within_the_image():
    image = noise(10, 10, 1)
    kept = both_ways(lambda x: preprocessing.central_crop(x, 0.4, 0.2), image)
    np.testing.assert_array_equal(kept, image[5:9, 3:7])
    np.testing.assert_array_equal(preprocessing.central_crop(image, 0.4, 0.5), image[6:, 3:7])
    np.testing.assert_array_equal(preprocessing.central_crop(image, 0.4, -0.5), image[:4, 3:7])


def test_central_crop_of_lfw_keeps_130_of_250_pixels():
    assert preprocessing.central_crop(tf.zeros([250, 250, 3]), 0.52).shape == (130, 130, 3)


def test_central_crop_takes_a_tensor_and_leaves_one_pixel():
    image = noise(5, 9, 1)
    cropped = preprocessing.central_crop(image, tf.constant(0.01))
    np.testing.assert_array_equal(cropped, image[2:3, 4:5])
    np.testing.assert_array_equal(preprocessing.central_crop(image, tf.constant(1.0)), image)


@pytest.mark.parametrize("share", [0.0, -0.5, 1.01])
def test_central_crop_refuses_other_shares(share):
    with pytest.raises(ValueError, match=r"share in \(0, 1\]"):
        preprocessing.central_crop(noise(4, 4, 1), share)


def test_grey_of_the_primaries():
    # 0.299, 0.587 and 0.114 of 255, rounded.
    primaries = 255 * np.eye(3, dtype=np.uint8)[None]
    grey = both_ways(lambda x: preprocessing.to_channels(x, 1), primaries)
    np.testing.assert_array_equal(grey, [[[76], [150], [29]]])


def test_grey_of_equal_channels_is_exact():
    levels = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, -1)
    np.testing.assert_array_equal(preprocessing.to_channels(levels, 1), levels[..., :1])


def test_uint8_grey_is_the_rounded_float_grey_in_any_order():
    image = noise(2, 64, 64, 3)
    grey = preprocessing.to_channels(tf.constant(image), 1)
    floats = preprocessing.to_channels(tf.constant(image, tf.float32), 1)
    np.testing.assert_array_equal(grey, np.round(floats))
    backwards = (image[..., ::-1].astype(np.float64) @ [7471, 38470, 19595]) / 65536
    np.testing.assert_array_equal(floats[..., 0], backwards)


def test_grey_of_terms_is_the_same_grey():
    image = tf.constant(np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3)), tf.float32)
    np.testing.assert_array_equal(preprocessing.grey_of_terms(image), preprocessing.to_channels(image, 1))


def test_to_channels_refuses_four():
    with pytest.raises(ValueError, match="cannot turn 4 into 3"):
        preprocessing.to_channels(noise(2, 2, 4), 3)


def test_resize_averages_when_it_shrinks():
    image = np.zeros([64, 64, 1], np.uint8)
    image[::2] = 255
    shrunk = both_ways(lambda x: preprocessing.resize(x, 8), image)
    assert shrunk.dtype == np.uint8
    assert np.all(np.abs(shrunk[1:-1].astype(int) - 127.5) <= 2)


def test_resize_of_a_batch_is_that_of_its_images():
    images = noise(3, 20, 30, 3)
    batch = both_ways(lambda x: preprocessing.resize(x, 12), images)
    for image, alone in zip(images, batch, strict=True):
        np.testing.assert_array_equal(preprocessing.resize(image, 12), alone)


def test_resize_to_the_own_size_changes_nothing():
    image = noise(9, 9, 3)
    unknown = tf.function(
        lambda x: preprocessing.resize(x, 9), input_signature=[tf.TensorSpec([None, None, 3], "uint8")]
    )
    np.testing.assert_array_equal(unknown(image), image)
    np.testing.assert_array_equal(preprocessing.resize(image, 9), image)


@pytest.mark.parametrize("channels", [1, 3])
def test_serving_sees_what_training_saw(channels):
    image = noise(40, 40, 3)
    cropped = preprocessing.central_crop(image, 0.5)
    trained = both_ways(lambda x: preprocessing.prepare(x, 16, channels, 0.5), png(image))
    served = preprocessing.prepare_images(cropped[None], 16, channels)[0]
    assert trained.shape == (16, 16, channels)
    np.testing.assert_array_equal(trained, served)


def test_prepared_images_of_the_right_size_need_no_resize():
    graph = tf.function(lambda x: preprocessing.prepare_images(x, 8, 1)).get_concrete_function(
        tf.TensorSpec([None, 8, 8, 3], tf.uint8)
    )
    operations = {operation.type for operation in graph.graph.get_operations()}
    assert not operations & {"ScaleAndTranslate", "ResizeBilinear"}


def test_lite_grey_equals_tensorflow():
    image = noise(1, 8, 8, 3)
    function = tf.function(
        lambda x: preprocessing.prepare_images(x, 8, 1),
        input_signature=[tf.TensorSpec([1, 8, 8, 3], tf.uint8)],
    )
    module = tf.Module()
    module.function = function
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [function.get_concrete_function()], module
    )
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_content=converter.convert()).get_signature_runner()
    (lite,) = runner(x=image).values()
    np.testing.assert_array_equal(lite, function(image))
