import keras
import numpy as np
import pytest
import tensorflow as tf
from toy_tasks import tasks

from kfer import losses, models
from kfer.settings import FineTuningStage, ModelSettings, TaskSettings, TrainingSettings
from kfer.training import weighting
from kfer.training.devices import connect
from kfer.training.optimization import active_tasks, objectives, optimizer, trained_part
from kfer.training.optimizers import LayerWiseAdamW, LayerWiseLamb, LayerWiseSGD
from kfer.training.stages import freeze
from kfer.training.step import Step

TOY = ModelSettings(backbone_arguments={"widths": [4], "blocks": 1}, embedding_size=4)


def build(dtype_policy: str = "float32") -> keras.Model:
    return models.build(TOY, 8, 1, tasks(), 4, seed=0, dtype_policy=dtype_policy)


def step(
    model: keras.Model,
    settings: TrainingSettings,
    own: dict[str, TaskSettings] | None = None,
    from_features: bool = False,
) -> tuple[Step, keras.optimizers.Optimizer]:
    """The step of a run's first stage, and its optimizer."""
    own = own or tasks()
    stage = settings.planned_stages()[0]
    learned = objectives(model, own)
    part = trained_part(model, learned, stage, from_features)
    weighed = weighting.for_settings(settings, own)
    chosen = optimizer(model, settings, 10, stage)
    chosen.build([*part.trainable_variables, *weighed.trainable_variables])
    return Step(part, learned, weighed, chosen, connect(settings), 6), chosen


def batch() -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 1)).astype(np.float32)
    return tf.constant(images), {
        "expression": tf.constant(np.arange(6) % 3, tf.int32),
        "identity": tf.constant(np.arange(6) % 4, tf.int32),
    }


def optimized(**settings: object) -> tuple[keras.Model, keras.optimizers.Optimizer]:
    """A network, and an optimizer that is built for all of it."""
    model = build()
    chosen = TrainingSettings(**settings)
    built = optimizer(model, chosen, 10, chosen.planned_stages()[0])
    built.build(model.trainable_variables)
    return model, built


@pytest.mark.parametrize("name", ["adamw", "sgd", "lamb"])
def test_kernels_decay_and_vectors_do_not(name: str) -> None:
    settings = {"optimizer": name, "learning_rate": 0.5, "weight_decay": 0.1}
    model, built = optimized(warmup_epochs=0, **settings)
    before = [np.array(variable) + 1.0 for variable in model.trainable_variables]
    for variable, value in zip(model.trainable_variables, before, strict=True):
        variable.assign(value)
    built.apply([tf.zeros_like(value) for value in before])
    for variable, value in zip(model.trainable_variables, before, strict=True):
        kept = 1.0 if value.ndim < 2 else 1 - 0.5 * 0.1
        np.testing.assert_allclose(variable, kept * value, rtol=1e-5, err_msg=variable.path)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains(policy: str) -> None:
    model = build(policy)
    settings = TrainingSettings(mixed_precision=policy, layer_decay=0.5)
    take, chosen = step(model, settings)
    before = np.array(model.get_layer("expression").kernel)
    # Loss scaling skips steps until its scale is low enough.
    for _ in range(10):
        assert np.isfinite(take(*batch())["loss"])
    assert not np.allclose(model.get_layer("expression").kernel, before)
    assert isinstance(chosen, keras.optimizers.LossScaleOptimizer) == (policy == "mixed_float16")


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_a_gradient_is_scaled_down_to_the_clip(policy: str) -> None:
    moved = []
    for clip in (0.0, 0.01):
        model = build()
        settings = TrainingSettings(
            optimizer="sgd", weight_decay=0, warmup_epochs=0, gradient_clip=clip, mixed_precision=policy
        )
        take, _ = step(model, settings)
        before = [np.array(variable) for variable in model.trainable_variables]
        keras.utils.set_random_seed(1)
        take(*batch())
        # Nesterov's first step is 1.9 times the gradient.
        pairs = zip(model.trainable_variables, before, strict=True)
        moved.append([(np.array(now) - old) / (-1.9 * settings.learning_rate) for now, old in pairs])
    whole, clipped = (np.concatenate([one.ravel() for one in each]) for each in moved)
    assert np.linalg.norm(whole) > 0.1
    assert np.linalg.norm(clipped) == pytest.approx(0.01, rel=1e-3)
    np.testing.assert_allclose(clipped, whole * 0.01 / np.linalg.norm(whole), atol=1e-5)


def test_a_stage_has_a_rate_and_a_warm_up_of_its_own() -> None:
    stages = (FineTuningStage(1), FineTuningStage(3, ("all",), 0.1))
    settings = TrainingSettings(stages=stages, warmup_epochs=2, learning_rate=0.2)
    model = build()
    first, second = (optimizer(model, settings, 10, stage)._learning_rate for stage in settings.stages)
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
    # LAMB's step is the rate, too: of the length of the variable, which has decayed.
    values = layerwise(LayerWiseLamb, kernel_decay=kernel_decay)
    decays = [1 - share * 0.1 * kernel_decay for share in (0.25, 0.5, 1.0)]
    np.testing.assert_allclose(
        values,
        [decay * (1 - share * 0.1) for decay, share in zip(decays, (0.25, 0.5, 1.0), strict=True)],
        rtol=1e-5,
    )
    values = layerwise(LayerWiseAdamW, kernel_decay=kernel_decay)
    expected = [1 - share * 0.1 * (1 + kernel_decay) for share in (0.25, 0.5, 1.0)]
    np.testing.assert_allclose(values, expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_without_layer_decay_the_optimizer_is_that_of_keras(name: str) -> None:
    settings = {"optimizer": name, "learning_rate": 0.1, "weight_decay": 0.1, "warmup_epochs": 0}
    (model, built), (other, _) = optimized(**settings), optimized(**settings)
    rate = built._learning_rate
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
        built.apply(gradients)
        keras_own.apply(gradients)
    for one, another in zip(model.trainable_variables, other.trainable_variables, strict=True):
        np.testing.assert_allclose(one, another, rtol=1e-5, atol=1e-5, err_msg=one.path)


def test_layers_move_the_less_the_nearer_they_are_to_the_input() -> None:
    moved = []
    for layer_decay in (1.0, 0.5):
        model = build()
        settings = TrainingSettings(
            optimizer="sgd", weight_decay=0, warmup_epochs=0, layer_decay=layer_decay
        )
        take, _ = step(model, settings)
        before = [np.array(variable) for variable in model.trainable_variables]
        keras.utils.set_random_seed(1)
        take(*batch())
        moved.append({v.path: v - b for v, b in zip(model.trainable_variables, before, strict=True)})
    for (path, whole), part_of_it in zip(moved[0].items(), moved[1].values(), strict=True):
        # TOY has a stem and one stage.
        share = 0.25 if "stem" in path else 0.5 if "stage1" in path else 1.0
        np.testing.assert_allclose(part_of_it, share * whole, rtol=1e-3, atol=1e-7, err_msg=path)


@pytest.mark.parametrize("from_features", [True, False])
def test_where_the_heads_train_alone_the_backbone_is_left_as_it_is(from_features: bool) -> None:
    settings = TrainingSettings(stages=(FineTuningStage(1),))
    model = build()
    freeze(model, settings.stages[0])
    take, _ = step(model, settings, from_features=from_features)
    before = [np.array(variable) for variable in models.backbone(model).variables]
    images, labels = batch()
    inputs = models.split(model)[0](images, training=False) if from_features else images
    kernel = np.array(model.get_layer("expression").kernel)
    take(inputs, labels)
    for variable, old in zip(models.backbone(model).variables, before, strict=True):
        np.testing.assert_array_equal(variable, old)
    assert not np.allclose(model.get_layer("expression").kernel, kernel)


def test_a_task_takes_the_output_that_its_loss_compares() -> None:
    own = tasks() | {"identity": TaskSettings("embedding", loss="triplet_hard")}
    model = models.build(TOY, 8, 1, own, 4, seed=0)
    assert active_tasks(model, own | {"mood": TaskSettings(names=("a", "b"))}) == own
    learned = objectives(model, own)
    assert (learned["expression"].output, learned["identity"].output) == ("expression", "embedding")
    assert (learned["expression"].is_class, learned["identity"].is_class) == (True, False)
    assert trained_part(model, learned, FineTuningStage(1, ("all",))).output.keys() == {
        "expression",
        "embedding",
    }
    figures = step(model, TrainingSettings(), own)[0](*batch())
    assert np.isfinite(figures["identity_loss"])


def test_adacos_moves_its_scale_with_each_step() -> None:
    own = tasks() | {"identity": TaskSettings("embedding", loss="adacos")}
    model = models.build(TOY, 8, 1, own, 4, seed=0)
    (scale,) = [variable for variable in model.variables if variable.name == "scale"]
    assert float(scale) == pytest.approx(losses.initial_scale(4))
    take, _ = step(model, TrainingSettings(), own)
    take(*batch())
    assert float(scale) != pytest.approx(losses.initial_scale(4))


def test_class_counts_reach_the_loss() -> None:
    own = {"expression": TaskSettings(names=("a", "b", "c"), imbalance="balanced")}
    model = models.build(TOY, 8, 1, own, 0, seed=0)
    (learned,) = objectives(model, own, {"expression": np.array([4, 1, 1])}).values()
    weights = learned.loss.weights(tf.constant([0, 1, 2]), tf.zeros([3, 3]), None)
    assert float(weights[1] / weights[0]) == pytest.approx(4.0)
    with pytest.raises(ValueError, match="the imbalance balanced needs the number of examples"):
        objectives(model, own)
