import keras
import numpy as np
import pytest

from kfer import models
from kfer.settings import ModelSettings, TrainingSettings
from kfer.training.optimization import MaskedAccuracy, trainable

TOY = ModelSettings(backbone_arguments={"widths": [4], "blocks": 1}, embedding_size=4)


def compiled(**settings: object) -> keras.Model:
    model = models.build(TOY, 8, 1, 3, 4, seed=0)
    part = trainable(model, TrainingSettings(**settings), steps_per_epoch=10)
    part.optimizer.build(part.trainable_variables)
    return part


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
    part = trainable(model, TrainingSettings(mixed_precision=policy), steps_per_epoch=10)
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 1))
    labels = {"expression": np.arange(6) % 3, "identity": np.arange(6) % 4}
    before = np.array(model.get_layer("expression").kernel)
    # Loss scaling skips steps until its scale is low enough.
    for _ in range(10):
        assert np.isfinite(part.train_on_batch(images, labels)[0])
    assert not np.allclose(model.get_layer("expression").kernel, before)
    assert isinstance(part.optimizer, keras.optimizers.LossScaleOptimizer) == (policy == "mixed_float16")


def test_accuracy_skips_missing_labels() -> None:
    metric = MaskedAccuracy()
    metric.update_state(np.array([0, 1, -1]), np.array([[2.0, 1.0], [2.0, 1.0], [1.0, 2.0]]))
    assert float(metric.result()) == 0.5
    metric.update_state(np.array([-1]), np.array([[2.0, 1.0]]))
    assert float(metric.result()) == 0.5
