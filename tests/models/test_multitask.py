import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
import toy_dlib
from toy_tasks import tasks

from kfer import backbones, models
from kfer.pretrained import dlib
from kfer.settings import ModelSettings, TaskSettings

TOY = ModelSettings(backbone_arguments={"widths": [4, 8], "blocks": 1}, embedding_size=5)
#: Every kind of task and everything that a task can have for itself.
EVERYTHING = {
    "expression": TaskSettings(
        names=("a", "b", "c"), layers=(6, 5), dropout=0.5, normalize_features=True
    ),
    "votes": TaskSettings("soft_classes", ("a", "b"), parts_after="stage1", stop_gradient=True),
    "units": TaskSettings("multi_label", ("a",), stop_gradient=True),
    "pose": TaskSettings("regression", ("x", "y"), parts_after="stem", normalize_features=True),
    "identity": TaskSettings("embedding", loss="adacos", parts_after="stage1", layers=(6,)),
}
#: Losses whose outputs for identity are not those of ArcFace, with what is no head's.
OTHER_LOSSES = ("subcenter_arcface", "triplet_hard")


def images(channels: int = 1) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 16, 16, channels), np.uint8)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_outputs_are_float32_of_the_stated_shapes(policy: str) -> None:
    model = models.build(TOY, 16, 1, tasks(7), 4, seed=0, dtype_policy=policy)
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
    model = models.build(TOY, 16, 3, tasks(7), 4, seed=0)
    for name, value in model(images(3)).items():
        np.testing.assert_array_equal(value, model(images(3).astype(np.float32))[name])


def test_a_task_without_weight_has_no_head() -> None:
    assert set(models.build(TOY, 16, 1, tasks(7, identity=0), 0, seed=0).output) == {"expression"}
    assert set(models.build(TOY, 16, 1, tasks(expression=0), 4, seed=0).output) == {
        "identity",
        "embedding",
    }
    with pytest.raises(ValueError, match="needs a task to predict; none has a weight above 0"):
        models.build(TOY, 16, 1, tasks(expression=0, identity=0), 0, seed=0)


def test_the_seed_decides_the_weights() -> None:
    first, same, other = (models.build(TOY, 16, 1, tasks(7), 4, seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_every_kind_of_task_has_its_numbers(policy: str) -> None:
    model = models.build(TOY, 16, 1, EVERYTHING, 4, seed=0, dtype_policy=policy)
    outputs = model(images(), training=True)
    assert {name: (*value.shape, value.dtype) for name, value in outputs.items()} == {
        "expression": (3, 3, tf.float32),
        "votes": (3, 2, tf.float32),
        "units": (3, 1, tf.float32),
        "pose": (3, 2, tf.float32),
        "identity": (3, 4, tf.float32),
        "embedding": (3, 5, tf.float32),
    }
    # Logits and numbers go below 0 and beyond 1.
    spread = models.build(TOY, 16, 1, EVERYTHING, 4, seed=0)
    for name in ("expression", "votes", "units", "pose"):
        head = spread.get_layer(name)
        head.set_weights([np.zeros_like(head.kernel), np.full_like(head.bias, -3.0)])
        np.testing.assert_allclose(spread(images())[name], -3.0)


def test_dropout_is_the_tasks_own_or_the_models() -> None:
    own = {"one": TaskSettings("regression", ("x",), dropout=0.0)}
    own["two"] = TaskSettings("regression", ("x",))
    settings = ModelSettings(backbone_arguments={"widths": [4]}, dropout=0.75)
    model = models.build(settings, 16, 1, own, 0, seed=0)
    rates = [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert sorted(rates) == [0.0, 0.75]


@pytest.mark.parametrize(
    "settings",
    [
        ModelSettings(backbone_arguments={"widths": [4]}),
        ModelSettings("resnet152", {"blocks": (1,), "width": 4, "num_classes": 5}),
    ],
    ids=["feature maps", "vectors"],
)
def test_features_are_normalised_over_the_batch_in_each_channel(settings: ModelSettings) -> None:
    own = {"one": TaskSettings("regression", ("x",), normalize_features=True)}
    model = models.build(settings, 32, 1, own, 0, seed=0)
    faces = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 1), np.uint8)
    trunk, _ = models.split(model)
    normalised = keras.Model(model.input, model.get_layer("one.normalization").output)
    features = trunk(faces, training=True).numpy()
    axes = tuple(range(features.ndim - 1))
    expected = (features - features.mean(axes)) / np.sqrt(features.var(axes) + 1e-3)
    np.testing.assert_allclose(normalised(faces, training=True), expected, atol=1e-3)
    assert np.abs(expected).max() > 0.1


def network_of(case: str) -> keras.Model:
    if case == "default":
        return models.build(TOY, 32, 1, tasks(7), 4, seed=0)
    if case == "everything":
        return models.build(TOY, 32, 1, EVERYTHING, 4, seed=0)
    if case == "mobilenet":
        own = {**tasks(7), "pose": TaskSettings("regression", ("x",), parts_after="stage3")}
        settings = ModelSettings(backbone="mobilenet", backbone_arguments={"alpha": 0.25})
        return models.build(settings, 32, 1, own, 4, seed=0)
    own = {"identity": TaskSettings("embedding", loss=case, normalize_features=True)}
    return models.build(TOY, 32, 1, own, 4, seed=0)


@pytest.mark.parametrize("case", ["default", "everything", "mobilenet", *OTHER_LOSSES])
def test_is_saved_and_loaded(case: str, tmp_path) -> None:
    model = network_of(case)
    rng = np.random.default_rng(0)
    for variable in model.weights:  # also what starts as 0 or 1: a loader could have left it
        variable.assign(variable + rng.uniform(0.0, 0.1, variable.shape))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    faces = rng.integers(0, 256, (3, 32, 32, 1), np.uint8)
    expected, found = model(faces), loaded(faces)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-5)
    for one, another in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(one, another)
    assert models.num_identities(loaded) == 4
    assert models.branches(loaded).keys() == models.branches(model).keys()
    layers = [
        {stage: [layer.name for layer in layers] for stage, layers in models.stages(network).items()}
        for network in (model, loaded)
    ]
    assert layers[0] == layers[1]


def test_a_network_without_identity_knows_no_number_of_people() -> None:
    model = models.build(TOY, 16, 1, tasks(identity=0), 0, seed=0)
    with pytest.raises(ValueError, match="trained for identity; 'multitask' has the outputs expression"):
        models.num_identities(model)


def test_converts_to_tflite_with_builtin_operations_and_folded_normalisation(tmp_path) -> None:
    model = models.build(TOY, 16, 1, tasks(7), 4, seed=0)
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
    model = models.build(TOY, 16, 1, tasks(7), 4, seed=0)
    model.save(tmp_path / "model.keras")
    for network in (model, keras.saving.load_model(tmp_path / "model.keras")):
        assert models.backbone(network).name == "compact"
        trunk, heads = models.split(network)
        features = trunk(images())
        assert features.shape == (3, *models.backbone(network).output.shape[1:])
        for name, value in heads(features).items():
            np.testing.assert_allclose(value, model(images())[name], atol=1e-5)


@pytest.mark.parametrize("case", ["everything", "triplet_hard"])
def test_the_halves_are_the_network_where_tasks_part(case: str) -> None:
    model = network_of(case)
    faces = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1), np.uint8)
    trunk, heads = models.split(model)
    features = trunk(faces)
    expected, found = model(faces), heads(features)
    assert found.keys() == expected.keys() == heads.output.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-5)
    assert models.num_identities(heads) == 4
    in_trunk, in_heads = ({id(variable) for variable in half.variables} for half in (trunk, heads))
    stages = models.stages(model).values()
    assert in_trunk == {id(v) for layers in stages for layer in layers for v in layer.variables}
    assert in_trunk | in_heads == {id(variable) for variable in model.variables}
    assert not in_trunk & in_heads


def test_a_network_without_a_backbone_is_named() -> None:
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)], name="plain")
    with pytest.raises(
        ValueError, match=r"expected a network from kfer.models.build.* got 'plain', .* 0"
    ):
        models.backbone(network)


class TestPretrained:
    """Identity as the backbone's own weights have it, beside a task that is learned."""

    TASKS = {
        "identity": TaskSettings("embedding", loss="pretrained"),
        "pose": TaskSettings("regression", ("x",), parts_after="stage1"),
    }
    TOY = {"widths": (3, 4, 5), "blocks": (1, 1, 1), "normalization": "batch"}

    @pytest.fixture
    def settings(self, tmp_path) -> ModelSettings:
        (tmp_path / "net.dat").write_bytes(toy_dlib.network(blocks=(1, 1, 1)))
        return ModelSettings("dlib_resnet", self.TOY, str(tmp_path / "net.dat"), embedding_size=6)

    def test_the_embedding_is_what_the_weights_make(self, settings) -> None:
        network = models.build(settings, 40, 3, self.TASKS, 0, seed=0)
        assert set(network.output) == {"embedding", "pose"}
        pixels = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3), np.uint8)
        backbone = backbones.build("dlib_resnet", (40, 40, 3), settings.weights, **self.TOY)
        numbers = np.mean(backbone(pixels / 127.5 - 1), (1, 2)) @ dlib.read(settings.weights)["fc.kernel"]
        expected = numbers / np.linalg.norm(numbers, axis=1, keepdims=True)
        np.testing.assert_allclose(network(pixels)["embedding"], expected, atol=1e-5)

    def test_nothing_that_it_uses_trains_and_nobody_is_trained_on(self, settings) -> None:
        network = models.build(settings, 40, 3, self.TASKS, 5, seed=0)
        assert models.num_identities(network) == 0
        assert not any(layer.trainable for layer in models.backbone(network).layers)
        own = models.branches(network)["pose"]
        assert sum(layer.trainable for layer in own.layers if layer.weights) == 8
        assert len(network.trainable_variables) == len(own.trainable_variables) + 2

    def test_it_stays_so_when_saved(self, settings, tmp_path) -> None:
        network = models.build(settings, 40, 3, self.TASKS, 0, seed=0)
        network.save(tmp_path / "model.keras")
        loaded = models.load(tmp_path / "model.keras")
        pixels = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3), np.uint8)
        for name, value in network(pixels).items():
            np.testing.assert_allclose(loaded(pixels)[name], value, atol=1e-6)
        assert len(loaded.trainable_variables) == len(network.trainable_variables)

    def test_another_size_of_embedding_is_refused(self, settings) -> None:
        wrong = dataclasses.replace(settings, embedding_size=7)
        with pytest.raises(ValueError, match=r"embedding_size: .* make 6 numbers of 5 features; got 7"):
            models.build(wrong, 40, 3, self.TASKS, 0, seed=0)

    def test_a_backbone_without_one_is_refused(self, tmp_path) -> None:
        compact = backbones.build("compact", (16, 16, 1), widths=(4,))
        compact.save_weights(tmp_path / "toy.weights.h5")
        toy = ModelSettings("compact", {"widths": (4,)}, str(tmp_path / "toy.weights.h5"))
        tasks = {"identity": self.TASKS["identity"]}
        with pytest.raises(ValueError, match="'compact' brings no embedding of its own"):
            models.build(toy, 16, 1, tasks, 0, seed=0)
