import itertools

import pytest

from kfer.settings import (
    FineTuningStage,
    MetricSettings,
    ParameterSettings,
    PipelineSettings,
    TaskSettings,
    TrainingSettings,
    TuningSettings,
)
from kfer.settings.space import Space, space, with_values

RATE = "training.learning_rate"
LOG = ParameterSettings(low=1e-4, high=1e-2, scale="log")


def made(parameters: dict[str, ParameterSettings], **changes: object) -> Space:
    tuning = TuningSettings(space=parameters, tuner=str(changes.pop("tuner", "random")))
    return space(PipelineSettings(tuning=tuning, **changes))  # type: ignore[arg-type]


def test_by_default_weights_and_the_rate_are_searched_around_what_is_set():
    found = space(PipelineSettings())
    assert [(each.name, each.default, each.low, each.high, each.log) for each in found.parameters] == [
        ("tasks.expression.weight", 1.0, 0.5, 2.0, True),
        ("tasks.identity.weight", 0.1, 0.05, 0.2, True),
        (RATE, 0.005, 0.0025, 0.01, True),
    ]


def test_the_weight_of_one_task_alone_is_not_searched():
    alone = {"expression": TaskSettings(names=("a", "b"))}
    found = space(PipelineSettings(tasks=alone))
    assert [each.name for each in found.parameters] == [RATE]
    with pytest.raises(ValueError, match="there is one task: nothing is left to search"):
        made({"tasks.*.weight": ParameterSettings(factors=(0.5, 2.0))}, tasks=alone)


def test_a_float_that_is_set_as_a_whole_number_is_searched_in_fractions():
    tasks = {"expression": TaskSettings(names=("a", "b"), weight=1)}
    (weight,) = made(
        {"tasks.expression.weight": ParameterSettings(low=1, high=2)}, tasks=tasks
    ).parameters
    assert not weight.is_integer()
    assert (weight.low, weight.high, weight.default) == (1.0, 2.0, 1.0)


def test_ranges_and_choices_take_the_type_of_their_setting():
    found = made(
        {
            RATE: LOG,
            "training.batch_size": ParameterSettings(low=16, high=128, scale="log", steps=4),
            "training.optimizer": ParameterSettings(values=("sgd", "adamw")),
            "model.dropout": ParameterSettings(low=0.0, high=0.4, steps=5),
            "tasks.identity.loss_arguments.margin": ParameterSettings(low=0.3, high=0.5),
            "tasks.identity.parts_after": ParameterSettings(values=("", "stage3")),
            "augmentation.strength": ParameterSettings(low=0.0, high=2.0),
        }
    )
    rate, batch, optimizer, dropout, margin, parts, _ = found.parameters
    assert (rate.low, rate.high, rate.is_integer()) == (1e-4, 1e-2, False)
    assert (batch.choices, batch.default) == ((16, 32, 64, 128), 32)
    assert (optimizer.choices, optimizer.default) == (("sgd", "adamw"), "adamw")
    assert (dropout.choices, dropout.default) == ((0.0, 0.1, 0.2, 0.3, 0.4), 0.1)
    # What is set, 0.2, lies outside.
    assert margin.default == 0.3
    assert parts.choices == ("", "stage3")


def test_unfreezing_depth_is_that_of_the_last_stage():
    training = TrainingSettings(stages=(FineTuningStage(1), FineTuningStage(2, ("layer4",))))
    depths = ParameterSettings(values=("('layer4',)", "('layer3', 'layer4')", "('all',)"))
    (depth,) = made({"training.stages.1.unfreeze": depths}, training=training).parameters
    assert depth.choices == (("layer4",), ("layer3", "layer4"), ("all",))
    with pytest.raises(ValueError, match="not searched, since trials have the last stage alone"):
        made({"training.stages.0.unfreeze": depths}, training=training)


def test_weights_that_sum_to_one():
    third = {"age": TaskSettings("regression", names=("years",), weight=0.9)}
    tasks = {**PipelineSettings().tasks, **third}
    parameters = {"tasks.*.weight": ParameterSettings(scale="simplex"), RATE: LOG}
    found = made(parameters, tasks=tasks)
    names = [each.name for each in found.parameters]
    assert names == ["share of expression", "share of identity", RATE]
    values = found.settings({each.name: each.default for each in found.parameters})
    # 1.0, 0.1 and 0.9 are set.
    assert values == pytest.approx(
        {
            "tasks.expression.weight": 0.5,
            "tasks.identity.weight": 0.05,
            "tasks.age.weight": 0.45,
            RATE: 0.005,
        }
    )
    grid = [
        found.settings({names[0]: a, names[1]: b}) for a, b in itertools.product((0.1, 0.9), repeat=2)
    ]
    assert all(sum(weights.values()) == pytest.approx(1.0) for weights in grid)
    assert all(weight > 0 for weights in grid for weight in weights.values())


def test_all_simplex_weights_are_equally_likely():
    third = {"age": TaskSettings("regression", names=("years",))}
    found = made(
        {"tasks.*.weight": ParameterSettings(scale="simplex")},
        tasks={**PipelineSettings().tasks, **third},
    )
    steps = [(step + 0.5) / 40 for step in range(40)]
    weights = [
        found.settings({"share of expression": a, "share of identity": b}).values()
        for a, b in itertools.product(steps, repeat=2)
    ]
    for task in zip(*weights, strict=True):
        assert sum(task) / len(task) == pytest.approx(1 / 3, abs=0.002)


def test_values_replace_settings():
    settings = with_values(
        PipelineSettings(), {RATE: 0.5, "tasks.identity.weight": 2.0, "model.dropout": 0.3}
    )
    assert settings.training.learning_rate == 0.5
    assert settings.tasks["identity"].weight == 2.0
    assert settings.model.dropout == 0.3
    assert settings.tuning.trials == 0
    with pytest.raises(ValueError, match=r"did you mean training\.learning_rate"):
        with_values(PipelineSettings(), {"training.learning_rat": 0.5})


@pytest.mark.parametrize(
    ("name", "parameter", "message"),
    [
        ("training.lr", LOG, "space.training.lr: there is no setting 'training.lr'"),
        ("training", LOG, "training is a group of settings"),
        ("data.image_size", LOG, "expected a setting of tasks, augmentation, model, training; got 'data"),
        ("training.seed", LOG, "this is not searched, since the best of several seeds is luck"),
        ("training.epochs", LOG, r"this is not searched, since trials have tuning\.epochs each"),
        ("tasks.expression.names", LOG, "this is not searched, since it says what the labels mean"),
        ("training.optimizer", LOG, "is 'adamw' and no number; give values"),
        (
            "training.optimizer",
            ParameterSettings(values=("sgd", "adam")),
            "must be among sgd.*got 'adam'",
        ),
        ("model.dropout", ParameterSettings(low=0.0, high=1.0), r"dropout must be in \[0, 1\); got 1.0"),
        ("model.dropout", ParameterSettings(low=-0.1, high=0.5), r"must be in \[0, 1\); got -0.1"),
        ("training.weight_decay", ParameterSettings(factors=(0.5, 2.0)), None),
        (
            "training.gradient_clip",
            ParameterSettings(factors=(0.5, 2.0)),
            "which is 0.0; give low and high",
        ),
        ("training.batch_size", ParameterSettings(low=8.2, high=8.9), "must have two whole numbers"),
        ("tasks.identity.loss_arguments.margn", LOG, r"has no 'margn'; it has margin, scale"),
    ],
)
def test_what_cannot_be_searched_is_explained(name, parameter, message):
    if message is None:
        made({name: parameter})
        return
    with pytest.raises(ValueError, match=message):
        made({name: parameter})


def test_a_grid_needs_numbers_to_count():
    with pytest.raises(ValueError, match=r"a grid has a number of values of training\.learning_rate"):
        made({RATE: LOG}, tuner="grid")


def test_a_setting_is_searched_once():
    weights = ParameterSettings(factors=(0.5, 2.0))
    with pytest.raises(ValueError, match=r"names tasks\.identity\.weight twice"):
        made({"tasks.*.weight": weights, "tasks.identity.weight": weights})
    with pytest.raises(ValueError, match=r"names tasks\.identity\.weight twice"):
        made({"tasks.*.weight": ParameterSettings(scale="simplex"), "tasks.identity.weight": weights})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"low": 2.0, "high": 1.0},
            r"low and high must be a lower number and a higher one; got \(2.0, 1.0\)",
        ),
        ({"low": 2.0}, "must be both numbers"),
        ({}, "a parameter has either low and high, or factors, or values"),
        ({"low": 1.0, "high": 2.0, "values": ("1", "2")}, "either low and high, or"),
        ({"factors": (2.0, 0.5)}, "factors must be a lower number and a higher one"),
        ({"low": 0.0, "high": 1.0, "scale": "log"}, "above 0 on the scale log"),
        ({"values": ("1",)}, "two or more"),
        ({"low": 0.0, "high": 1.0, "steps": 1}, "steps must be 0, or at least 2"),
        ({"low": 0.0, "high": 1.0, "scale": "cubic"}, "among linear, log, simplex"),
    ],
)
def test_a_range_that_is_none_is_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        ParameterSettings(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"objective": {"val_loss": MetricSettings()}},
            r"objective\.val_loss must be a metric and no loss",
        ),
        ({"objective": {"val_identity_loss": MetricSettings()}}, "the smallest weight would win"),
        ({"objective": {"expression_accuracy": MetricSettings()}}, "a metric of the validation, val_"),
        ({"objective": {"val_accuracy": MetricSettings(0.0)}}, "one metric with a weight at least"),
        ({"space": {}}, r"space must be at least one setting"),
        ({"space": {RATE: ParameterSettings(scale="simplex")}}, r"simplex for tasks\.\*\.weight alone"),
        ({"tuner": "annealing"}, "among random, grid, hyperband, bayesian"),
        ({"study": "tuning/x.json"}, "empty where trials are searched"),
    ],
)
def test_a_search_that_cannot_be_is_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        TuningSettings(**arguments)


def test_whole_numbers_stand_once():
    blocks = ParameterSettings(low=1, high=4, steps=8)
    (found,) = made({"training.accumulation": blocks}).parameters
    assert found.choices == (1, 2, 3, 4)


def test_an_error_is_not_made_large():
    with pytest.raises(ValueError, match=r"objective\.val_age_mae must be .*lower is better"):
        TuningSettings(objective={"val_age_mae": MetricSettings()})
    TuningSettings(objective={"val_age_mae": MetricSettings(worst=10.0, best=0.0)})
