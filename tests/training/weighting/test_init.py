import numpy as np
import pytest
import tensorflow as tf

from kfer.settings import TaskSettings, TrainingSettings
from kfer.settings.training import WEIGHTING_ARGUMENTS
from kfer.training import weighting

EXPRESSION = {"expression": TaskSettings(names=("happy", "sad"), weight=2.0)}
TASKS = EXPRESSION | {"pose": TaskSettings("regression", ("yaw",), weight=0.5)}


def made(method: str, **arguments: float) -> weighting.Weighting:
    return weighting.for_settings(
        TrainingSettings(weighting=method, weighting_arguments=arguments), TASKS
    )


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("fixed", weighting.Weighting),
        ("uncertainty", weighting.Uncertainty),
        ("dynamic_average", weighting.DynamicAverage),
        ("gradnorm", weighting.GradNorm),
        ("uw_so", weighting.SoftOptimalUncertainty),
        ("pcgrad", weighting.PCGrad),
    ],
)
def test_a_name_makes_a_method_with_the_fixed_weights(method: str, kind: type) -> None:
    found = made(method)
    assert type(found) is kind
    assert found.fixed == {"expression": 2.0, "pose": 0.5}
    assert method in WEIGHTING_ARGUMENTS


def test_fixed_weights_multiply_the_losses() -> None:
    parts = {"expression": tf.constant(3.0), "pose": tf.constant(4.0)}
    assert float(made("fixed").total(parts, parts, share=1.0)) == 2.0 * 3.0 + 0.5 * 4.0
    assert made("fixed").variables == []


def test_uncertainty_knows_the_regressions() -> None:
    losses = {"expression": tf.constant(1.0), "pose": tf.constant(1.0)}
    weights = made("uncertainty").weights(losses)
    assert {task: float(weight) for task, weight in weights.items()} == {"expression": 2.0, "pose": 0.25}


@pytest.mark.parametrize(
    ("method", "argument", "value"),
    [
        ("dynamic_average", "temperature", 1e9),
        ("uw_so", "temperature", 1e9),
        ("gradnorm", "learning_rate", 1e-9),
        ("gradnorm", "alpha", 0.0),
    ],
)
def test_arguments_reach_the_method(method: str, argument: str, value: float) -> None:
    def weights(found: weighting.Weighting) -> np.ndarray:
        for number in (1.0, 2.0, 4.0):
            losses = {"expression": tf.constant(number), "pose": tf.constant(7.0)}
            if found.needs_task_gradients:
                kernels = {"expression": [tf.constant([[3.0]])], "pose": [tf.constant([[9.0]])]}
                found.combine(kernels, losses)
            found.end_epoch({task: float(loss) for task, loss in losses.items()})
        return np.array([float(weight) for weight in found.weights(losses).values()])

    assert np.abs(weights(made(method, **{argument: value})) - weights(made(method))).max() > 1e-3


@pytest.mark.parametrize("method", sorted(WEIGHTING_ARGUMENTS))
def test_state_is_float32(method: str) -> None:
    found = made(method)
    assert {str(variable.dtype) for variable in found.variables} <= {"float32"}
    assert all(any(own is each for each in found.variables) for own in found.trainable_variables)


@pytest.mark.parametrize("method", sorted(set(WEIGHTING_ARGUMENTS) - {"fixed"}))
def test_one_task_cannot_be_weighed(method: str) -> None:
    settings = TrainingSettings(weighting=method)
    message = rf"weighting '{method}' needs at least two tasks; got expression\. Give another task"
    with pytest.raises(ValueError, match=message):
        weighting.for_settings(settings, EXPRESSION)


def test_one_task_may_have_a_fixed_weight() -> None:
    assert weighting.for_settings(TrainingSettings(), EXPRESSION).fixed == {"expression": 2.0}


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("adaptive", {}, "weighting must be among fixed, uncertainty, .*; got 'adaptive'"),
        ("fixed", {"alpha": 1}, "weighting_arguments must be empty for weighting fixed; got 'alpha'"),
        (
            "gradnorm",
            {"temperature": 1},
            "weighting_arguments must be among alpha, learning_rate for weighting gradnorm; got 'temper",
        ),
        ("gradnorm", {"alpha": -1}, "alpha of gradnorm must be at least 0; got -1"),
        ("uw_so", {"temperature": 0}, "temperature of uw_so must be above 0; got 0"),
        ("uw_so", {"temperature": "2"}, "temperature of uw_so must be a finite number above 0; got '2'"),
        (
            "uw_so",
            {"temperature": True},
            "temperature of uw_so must be a finite number above 0; got True",
        ),
    ],
)
def test_settings_that_are_not_allowed_are_named(method: str, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainingSettings(weighting=method, weighting_arguments=arguments)
