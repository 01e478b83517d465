"""What every kind of file must fulfil; tried with safetensors and with Keras's weights."""

from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

from kfer.pretrained import load_weights

ARRAYS = {
    "conv1.weight": (4, 3, 3, 3),
    "bn1.weight": (4,),
    "bn1.bias": (4,),
    "bn1.running_mean": (4,),
    "bn1.running_var": (4,),
    "fc.weight": (5, 4),
    "fc.bias": (5,),
}
#: Where Keras's file has them.
PLACES = {
    "conv1.weight": "layers/conv2d/vars/0",
    "bn1.weight": "layers/batch_normalization/vars/0",
    "bn1.bias": "layers/batch_normalization/vars/1",
    "bn1.running_mean": "layers/batch_normalization/vars/2",
    "bn1.running_var": "layers/batch_normalization/vars/3",
    "fc.weight": "layers/dense/vars/0",
    "fc.bias": "layers/dense/vars/1",
}
Arrays = dict[str, np.ndarray]
Write = Callable[[Arrays], Path]


def network(channels: int = 3, classes: int = 5) -> keras.Model:
    images = keras.Input((8, 8, channels))
    features = keras.layers.Conv2D(4, 3, use_bias=False, name="conv1")(images)
    features = keras.layers.BatchNormalization(name="bn1")(features)
    if classes:
        features = keras.layers.GlobalAveragePooling2D()(features)
        features = keras.layers.Dense(classes, name="fc")(features)
    return keras.Model(images, features)


def random_arrays(**changed: tuple[int, ...]) -> Arrays:
    generator = np.random.default_rng(0)
    shapes = ARRAYS | {key.replace("_", ".", 1): shape for key, shape in changed.items()}
    return {key: generator.uniform(0.5, 2.0, shape).astype(np.float32) for key, shape in shapes.items()}


@pytest.fixture(params=["safetensors", "weights.h5"])
def write(request, tmp_path) -> Write:
    """Writes arrays, given in torch's order of axes, in one of two formats."""
    path = tmp_path / f"toy.{request.param}"

    def safetensors(arrays: Arrays) -> Path:
        save_file(arrays, path)
        return path

    def h5(arrays: Arrays) -> Path:
        with h5py.File(path, "w") as file:
            for key, array in arrays.items():
                order = (2, 3, 1, 0) if array.ndim == 4 else None
                dataset = file.create_dataset(
                    PLACES.get(key, f"layers/{key}/vars/0"), data=array.transpose(order)
                )
                dataset.parent.attrs["name"] = key.partition(".")[0]
        return path

    return safetensors if request.param == "safetensors" else h5


def assert_refused(model: keras.Model, path: Path, match: str, **arguments: str) -> None:
    """The error says it, names the file, and no bit of the network has changed."""
    before = [weight.tobytes() for weight in model.get_weights()]
    with pytest.raises(ValueError, match=match) as caught:
        load_weights(model, path, **arguments)
    assert str(path) in str(caught.value)
    assert [weight.tobytes() for weight in model.get_weights()] == before


def test_arrays_come_into_their_layers(write: Write) -> None:
    arrays = random_arrays()
    model = network()
    load_weights(model, write(arrays))
    np.testing.assert_array_equal(
        model.get_layer("conv1").kernel, np.moveaxis(arrays["conv1.weight"], (0, 1), (3, 2))
    )
    norm = model.get_layer("bn1")
    np.testing.assert_array_equal(norm.gamma, arrays["bn1.weight"])
    np.testing.assert_array_equal(norm.beta, arrays["bn1.bias"])
    np.testing.assert_array_equal(norm.moving_mean, arrays["bn1.running_mean"])
    np.testing.assert_array_equal(norm.moving_variance, arrays["bn1.running_var"])
    np.testing.assert_array_equal(model.get_layer("fc").kernel, arrays["fc.weight"].T)
    np.testing.assert_array_equal(model.get_layer("fc").bias, arrays["fc.bias"])


def test_missing_arrays_are_named_and_counted(write: Write) -> None:
    arrays = random_arrays()
    del arrays["bn1.weight"], arrays["bn1.running_var"]
    match = r"left as it was: 2 of the network's 7 arrays are not in the file: bn1.*Build the network"
    assert_refused(network(), write(arrays), match)


def test_arrays_too_many_are_named_and_counted(write: Write) -> None:
    arrays = random_arrays() | {f"extra{number}.weight": np.ones(2, np.float32) for number in range(6)}
    match = r"6 of the file's 13 arrays are not in the network: .*extra\d.*\.\.\."
    assert_refused(network(), write(arrays), match)


def test_a_shape_is_given_both_ways(write: Write) -> None:
    match = r"1 arrays have another shape. bn1.*: expected \(4,\), got \(8,\)"
    assert_refused(network(), write(random_arrays(bn1_bias=(8,))), match)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_must_be_finite(write: Write, value: float) -> None:
    arrays = random_arrays()
    arrays["fc.bias"][3] = value
    arrays["conv1.weight"][0, 0, 0, 0] = value
    assert_refused(network(), write(arrays), r"2 arrays hold NaN or infinite values: .*conv1")


def test_values_beyond_float32_are_infinite(write: Write) -> None:
    arrays = random_arrays()
    arrays["fc.bias"] = arrays["fc.bias"].astype(np.float64) * 1e300
    assert_refused(network(), write(arrays), "1 arrays hold NaN or infinite values: fc")


def test_whole_numbers_are_no_weights(write: Write) -> None:
    arrays = random_arrays()
    arrays["fc.bias"] = arrays["fc.bias"].astype(np.int8)
    assert_refused(network(), write(arrays), "fc.* is int8; expected numbers with a fraction")


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_precisions_are_converted(write: Write, dtype: type) -> None:
    arrays = {key: array.astype(dtype) for key, array in random_arrays().items()}
    model = network()
    load_weights(model, write(arrays))
    np.testing.assert_array_equal(model.get_layer("fc").bias, arrays["fc.bias"].astype(np.float32))


def test_a_classifier_too_many_may_be_ignored(write: Write) -> None:
    path = write(random_arrays(fc_weight=(1000, 4), fc_bias=(1000,)))
    model = network(classes=0)
    assert_refused(model, path, "2 of the file's 7 arrays are not in the network")
    load_weights(model, path, ignore="fc")
    np.testing.assert_array_equal(model.get_layer("bn1").gamma, random_arrays()["bn1.weight"])


def test_another_count_of_classes_is_told(write: Write) -> None:
    path = write(random_arrays(fc_weight=(1000, 4), fc_bias=(1000,)))
    match = r"'fc' has 1,000 classes in the file and 5 in the network. .*num_classes=1000, or with 0"
    assert_refused(network(), path, match, ignore="fc")


def test_a_missing_classifier_is_told(write: Write) -> None:
    arrays = {key: array for key, array in random_arrays().items() if not key.startswith("fc")}
    match = "2 of the network's 7 arrays are not in the file: fc"
    assert_refused(network(), write(arrays), match, ignore="fc")


def test_a_kernel_is_summed_over_colours_where_that_is_asked(write: Write) -> None:
    arrays = random_arrays()
    model = network(channels=1)
    path = write(arrays)
    assert_refused(model, path, "1 arrays have another shape. conv1")
    assert_refused(model, path, "1 arrays have another shape. conv1", sum_inputs_of="bn1")
    load_weights(model, path, sum_inputs_of="conv1")
    np.testing.assert_allclose(
        model.get_layer("conv1").kernel[:, :, 0],
        arrays["conv1.weight"].sum(axis=1).transpose(1, 2, 0),
        rtol=1e-6,
    )


def test_only_three_colours_are_summed(write: Write) -> None:
    path = write(random_arrays(conv1_weight=(4, 4, 3, 3)))
    assert_refused(network(channels=1), path, "have another shape. conv1", sum_inputs_of="conv1")


def test_rgb_and_grey_have_their_own_kernels(write: Write) -> None:
    path = write(random_arrays(conv1_weight=(4, 1, 3, 3)))
    assert_refused(network(channels=3), path, "have another shape. conv1", sum_inputs_of="conv1")
