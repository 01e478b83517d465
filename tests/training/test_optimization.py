import keras
import numpy as np
import pytest
import tensorflow as tf

from kfer import models
from kfer.settings import FineTuningStage, ModelSettings, TrainingSettings
from kfer.training.optimization import MaskedAccuracy, trainable
from kfer.training.optimizers import LayerWiseAdamW, LayerWiseSGD
from kfer.training.stages import freeze

TOY = ModelSettings(backbone_arguments={"widths": [4], "blocks": 1}, embedding_size=4)


def compiled(**settings: object) -> keras.Model:
    model = models.build(TOY, 8, 1, 3, 4, seed=0)
    chosen = TrainingSettings(**settings)
    return trainable(model, chosen, 10, chosen.planned_stages()[0])


def test_the_rate_rises_to_its_peak_and_falls_to_zero() -> None:
    rate = compiled(epochs=3, warmup_epochs=0.5, learning_rate=0.2).optimizer._learning_rate
    rates = [float(rate(step)) for step in range(31)]
    assert rates[0] == pytest.approx(0.2 / 5)
    assert rates[5] == max(rates) == pytest.approx(0.2)
    assert rates[30] == pytest.approx(0, abs=1e-6)
    assert rates[5:] == sorted(rates[5:], reverse=True)


def test_without_warm_up_the_rate_starts_at_its_peak() -> None:
    rate = compiled(warmup_epochs=0, learning_rate=0.2).optimizer._learning_rate
    assert float(rate(0)) == pytest.approx(0.2)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_kernels_decay_and_vectors_do_not(optimizer: str) -> None:
    settings = {"optimizer": optimizer, "learning_rate": 0.5, "weight_decay": 0.1}
    model = compiled(warmup_epochs=0, **settings)
    before = [np.array(variable) + 1.0 for variable in model.trainable_variables]
    for variable, value in zip(model.trainable_variables, before, strict=True):
        variable.assign(value)
    model.optimizer.apply([np.zeros_like(value) for value in before])
    for variable, value in zip(model.trainable_variables, before, strict=True):
        kept = 1.0 if value.ndim < 2 else 1 - 0.5 * 0.1
        np.testing.assert_allclose(variable, kept * value, rtol=1e-5, err_msg=variable.path)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains(policy: str) -> None:
    model = models.build(TOY, 8, 1, 3, 4, seed=0, dtype_policy=policy)
    settings = TrainingSettings(mixed_precision=policy, layer_decay=0.5)
    part = trainable(model, settings, 10, settings.planned_stages()[0])
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 1))
    labels = {"expression": np.arange(6) % 3, "identity": np.arange(6) % 4}
    before = np.array(model.get_layer("expression").kernel)
    # Loss scaling skips steps until its scale is low enough.
    for _ in range(10):
        assert np.isfinite(part.train_on_batch(images, labels)[0])
    assert not np.allclose(model.get_layer("expression").kernel, before)
    assert isinstance(part.optimizer, keras.optimizers.LossScaleOptimizer) == (policy == "mixed_float16")


def test_a_stage_has_a_rate_and_a_warm_up_of_its_own() -> None:
    stages = (FineTuningStage(1), FineTuningStage(3, ("all",), 0.1))
    settings = TrainingSettings(stages=stages, warmup_epochs=2, learning_rate=0.2)
    model = models.build(TOY, 8, 1, 3, 4, seed=0)
    first, second = (
        trainable(model, settings, 10, stage).optimizer._learning_rate for stage in settings.stages
    )
    # Two epochs of warm-up in four: half an epoch in the first stage, one and a half in the second.
    assert float(first(5)) == pytest.approx(0.2)
    assert float(first(10)) == pytest.approx(0, abs=1e-6)
    assert float(second(0)) == pytest.approx(0.02 / 15)
    assert float(second(15)) == pytest.approx(0.02)
    assert float(second(30)) == pytest.approx(0, abs=1e-6)


def layerwise(kind: type, **arguments: object) -> list[float]:
    """What a step inside a tf.function leaves of three variables of 1, whose gradient is 3."""
    factors = {"a": 0.25, "b": 0.5, "c": 1.0}
    variables = [keras.Variable(np.ones((2, 2), np.float32), name=name) for name in factors]
    optimizer = kind(factor=lambda variable: factors[variable.name], learning_rate=0.1, **arguments)
    optimizer.build(variables)

    @tf.function
    def step() -> None:
        optimizer.apply([tf.fill((2, 2), 3.0)] * 3)

    step()
    return [float(variable[0, 0]) for variable in variables]


@pytest.mark.parametrize("kernel_decay", [0.0, 0.5])
def test_a_variable_moves_and_decays_by_its_share(kernel_decay: float) -> None:
    values = layerwise(LayerWiseSGD, kernel_decay=kernel_decay, momentum=0.0)
    expected = [1 - share * 0.1 * (3 + kernel_decay) for share in (0.25, 0.5, 1.0)]
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    # Adam's first step is the rate, whatever the gradient; it sees the decayed value no more.
    values = layerwise(LayerWiseAdamW, kernel_decay=kernel_decay)
    expected = [1 - share * 0.1 * (1 + kernel_decay) for share in (0.25, 0.5, 1.0)]
    np.testing.assert_allclose(values, expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_without_layer_decay_the_optimizer_is_that_of_keras(name: str) -> None:
    settings = {"optimizer": name, "learning_rate": 0.1, "weight_decay": 0.1, "warmup_epochs": 0}
    model, other = compiled(**settings), compiled(**settings)
    rate = other.optimizer._learning_rate
    keras_own = (
        keras.optimizers.AdamW(rate, weight_decay=0.1)
        if name == "adamw"
        else keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=0.1)
    )
    vectors = [variable for variable in other.trainable_variables if len(variable.shape) < 2]
    keras_own.exclude_from_weight_decay(var_list=vectors)
    keras_own.build(other.trainable_variables)
    generator = np.random.default_rng(0)
    for _ in range(3):
        gradients = [generator.normal(size=v.shape).astype(np.float32) for v in model.trainable_variables]
        model.optimizer.apply(gradients)
        keras_own.apply(gradients)
    for one, another in zip(model.trainable_variables, other.trainable_variables, strict=True):
        np.testing.assert_allclose(one, another, rtol=1e-5, atol=1e-5, err_msg=one.path)


def test_layers_move_the_less_the_nearer_they_are_to_the_input() -> None:
    moved = []
    for layer_decay in (1.0, 0.5):
        model = models.build(TOY, 8, 1, 3, 4, seed=0)
        settings = TrainingSettings(
            optimizer="sgd", weight_decay=0, warmup_epochs=0, layer_decay=layer_decay
        )
        part = trainable(model, settings, 10, settings.planned_stages()[0])
        part.run_eagerly = True
        before = [np.array(variable) for variable in part.trainable_variables]
        images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 1))
        keras.utils.set_random_seed(1)
        part.train_on_batch(images, {"expression": np.arange(6) % 3, "identity": np.arange(6) % 4})
        moved.append({v.path: v - b for v, b in zip(part.trainable_variables, before, strict=True)})
    for (path, whole), part_of_it in zip(moved[0].items(), moved[1].values(), strict=True):
        # TOY has a stem and one stage.
        share = 0.25 if "stem" in path else 0.5 if "stage1" in path else 1.0
        np.testing.assert_allclose(part_of_it, share * whole, rtol=1e-3, atol=1e-7, err_msg=path)


@pytest.mark.parametrize("from_features", [True, False])
def test_where_the_heads_train_alone_the_backbone_is_left_as_it_is(from_features: bool) -> None:
    settings = TrainingSettings(stages=(FineTuningStage(1),))
    model = models.build(TOY, 8, 1, 3, 4, seed=0)
    freeze(model, settings.stages[0])
    part = trainable(model, settings, 10, settings.stages[0], from_features)
    part.run_eagerly = True
    before = [np.array(variable) for variable in models.backbone(model).variables]
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 1)).astype(np.float32)
    inputs = models.split(model)[0](images, training=False) if from_features else images
    kernel = np.array(model.get_layer("expression").kernel)
    figures = part.train_on_batch(
        inputs, {"expression": np.arange(6) % 3, "identity": np.arange(6) % 4}, return_dict=True
    )
    assert {"loss", "expression_loss", "identity_loss", "expression_accuracy"} == figures.keys()
    for variable, old in zip(models.backbone(model).variables, before, strict=True):
        np.testing.assert_array_equal(variable, old)
    assert not np.allclose(model.get_layer("expression").kernel, kernel)


def test_accuracy_skips_missing_labels() -> None:
    metric = MaskedAccuracy()
    metric.update_state(np.array([0, 1, -1]), np.array([[2.0, 1.0], [2.0, 1.0], [1.0, 2.0]]))
    assert float(metric.result()) == 0.5
    metric.update_state(np.array([-1]), np.array([[2.0, 1.0]]))
    assert float(metric.result()) == 0.5
