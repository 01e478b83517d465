import keras
import numpy as np
import pytest
import tensorflow as tf

from kfer import models
from kfer.settings import ModelSettings

TOY = ModelSettings(backbone_arguments={"widths": [4, 8], "blocks": 1}, embedding_size=5)


def images(channels: int = 1) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 16, 16, channels), np.uint8)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_outputs_are_float32_of_the_stated_shapes(policy: str) -> None:
    model = models.build(TOY, 16, 1, 7, 4, seed=0, dtype_policy=policy)
    outputs = model(images())
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        "expression": (3, 7),
        "identity": (3, 4),
        "embedding": (3, 5),
    }
    assert {value.dtype for value in outputs.values()} == {tf.float32}
    np.testing.assert_allclose(np.linalg.norm(outputs["embedding"], axis=1), 1, atol=1e-5)
    assert np.abs(outputs["identity"]).max() <= 1 + 1e-5
    assert keras.config.dtype_policy().name == "float32"
    kernel_types = {layer.compute_dtype for layer in model.get_layer("compact").layers}
    assert ("bfloat16" in kernel_types) == (policy == "mixed_bfloat16")


def test_uint8_and_float_images_give_the_same() -> None:
    model = models.build(TOY, 16, 3, 7, 4, seed=0)
    for name, value in model(images(3)).items():
        np.testing.assert_array_equal(value, model(images(3).astype(np.float32))[name])


def test_a_task_without_classes_has_no_head() -> None:
    assert set(models.build(TOY, 16, 1, 7, 0, seed=0).output) == {"expression"}
    assert set(models.build(TOY, 16, 1, 0, 4, seed=0).output) == {"identity", "embedding"}
    with pytest.raises(ValueError, match="needs expressions or identities"):
        models.build(TOY, 16, 1, 0, 0, seed=0)


def test_the_seed_decides_the_weights() -> None:
    first, same, other = (models.build(TOY, 16, 1, 7, 4, seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(
    "settings", [TOY, ModelSettings(backbone="mobilenet", backbone_arguments={"alpha": 0.25})]
)
def test_is_saved_and_loaded(settings: ModelSettings, tmp_path) -> None:
    model = models.build(settings, 32, 1, 7, 4, seed=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    faces = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1), np.uint8)
    for name, value in model(faces).items():
        np.testing.assert_allclose(loaded(faces)[name], value, atol=1e-5)


def test_converts_to_tflite_with_builtin_operations_and_folded_normalisation(tmp_path) -> None:
    model = models.build(TOY, 16, 1, 7, 4, seed=0)
    model.export(tmp_path / "saved_model", verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved_model"))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]

    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=converter.convert())
    operations = {detail["op_name"] for detail in interpreter._get_ops_details()}
    assert "CONV_2D" in operations
    assert not operations & {"RSQRT", "SUB", "BATCH_NORM"}
    runner = interpreter.get_signature_runner()
    faces = images()[:1].astype(np.float32)
    expected = model(faces)
    outputs = runner(**dict.fromkeys(runner.get_input_details(), faces))
    assert outputs.keys() == expected.keys()
    for name, value in outputs.items():
        np.testing.assert_allclose(value, expected[name], atol=1e-4)


def test_the_halves_are_the_network_and_are_found_again_after_loading(tmp_path) -> None:
    model = models.build(TOY, 16, 1, 7, 4, seed=0)
    model.save(tmp_path / "model.keras")
    for network in (model, keras.saving.load_model(tmp_path / "model.keras")):
        assert models.backbone(network).name == "compact"
        trunk, heads = models.split(network)
        features = trunk(images())
        assert features.shape == (3, *models.backbone(network).output.shape[1:])
        for name, value in heads(features).items():
            np.testing.assert_allclose(value, model(images())[name], atol=1e-5)


def test_a_network_without_a_backbone_is_named() -> None:
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)], name="plain")
    with pytest.raises(
        ValueError, match=r"expected a network from kfer.models.build.* got 'plain', .* 0"
    ):
        models.backbone(network)
