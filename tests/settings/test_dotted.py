import pytest

from kfer.settings import DataSettings, FineTuningStage, PipelineSettings, SourceSettings, dotted

SETTINGS = PipelineSettings(data=DataSettings(sources=(SourceSettings("fer2013"), SourceSettings("lfw"))))


def test_values_take_the_type_of_their_field():
    settings = dotted.override(
        SETTINGS,
        {
            "name": "mine",
            "training.epochs": "3",
            "training.learning_rate": "1e-3",
            "model.weights": "imagenet",
            "data.sources.1.weight": "0.5",
            "data.sources.1.features": "{'identity': 'label'}",
            "evaluation.false_accept_rates": "0.1,0.01",
            "export.tflite": "int8",
            "tuning.space.training.learning_rate.factors": "(0.25, 2)",
            "tasks.identity.loss_arguments.margin": "0.3",
        },
    )
    assert settings.name == "mine"
    assert settings.training.epochs == 3
    assert settings.training.learning_rate == 1e-3
    assert settings.model.weights == "imagenet"
    assert settings.data.sources[1].weight == 0.5
    assert settings.data.sources[1].features == {"identity": "label"}
    assert settings.data.sources[0] == SETTINGS.data.sources[0]
    assert settings.evaluation.false_accept_rates == (0.1, 0.01)
    assert settings.export.tflite == ("int8",)
    assert settings.tuning.space["training.learning_rate"].factors == (0.25, 2.0)
    assert settings.tasks["identity"].loss_arguments == {"margin": 0.3, "scale": 24.0}
    assert dotted.override(settings, {"model.weights": "none"}).model.weights is None


def test_stages_are_given_whole_or_by_number():
    text = "[{'epochs': 2}, {'epochs': 3, 'unfreeze': ['layer4'], 'learning_rate_factor': 0.3}]"
    settings = dotted.override(SETTINGS, {"training.stages": text, "training.stages.0.epochs": "1"})
    assert settings.training.stages == (FineTuningStage(1), FineTuningStage(3, ("layer4",), 0.3))
    assert settings.training.total_epochs() == 4
    settings = dotted.override(settings, {"training.stages.1.unfreeze": "layer3,layer4"})
    assert settings.training.stages[1].unfreeze == ("layer3", "layer4")
    assert "training.stages.1.learning_rate_factor" in [name for name, *_ in dotted.describe(settings)]
    assert dotted.override(settings, {"training.stages": "()"}).training.stages == ()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "training.epoch",
            "3",
            r"no setting 'training.epoch'; did you mean training.epochs\? training has: ep",
        ),
        ("trainig.epochs", "3", "did you mean training"),
        ("model.epochs", "3", "did you mean training.epochs"),
        ("training.zzz", "3", "no setting 'training.zzz'. training has: epochs, batch_size"),
        ("training.epochs", "three", "training.epochs must be a whole number, such as 10; got 'three'"),
        ("training.epochs", "0", "training.epochs: .*at least 1.*got 0"),
        ("training.epochs", "1.5", "must be a whole number"),
        ("training.optimizer", "adam", r"training.optimizer: .*sgd.*adamw.*got 'adam'"),
        ("training.learning_rate", "-1", "training.learning_rate: .*above 0.*got -1"),
        (
            "data.central_crop",
            "1",
            "no setting 'data.central_crop'; did you mean data.sources.0.central_crop",
        ),
        ("data.sources.2.weight", "1", "data.sources has 2 entries; give a number from 0 to 1"),
        ("data.sources.1.weight", "0", r"weight must be above 0 in at least one.*got \[None, 0\.0\]"),
        ("data.sources.0.central_crop", "1.5", r"central_crop: .*\(0, 1\].*got 1.5"),
        ("training", "3", "training is a group of settings; name one of them, such as training.epochs"),
        ("training.epochs.x", "3", "training.epochs is one value"),
        ("evaluation.false_accept_rates", "x", "must be numbers separated by commas"),
        ("export.tflite", "int9", "export.tflite: .*int8.*got 'int9'"),
        ("data.sources.0.features", "label", "must be a mapping"),
        ("data.sources", "lfw", r"must be a list of mappings, such as \[\{'dataset': ...\}\]; got 'lfw'"),
        ("training.stages", "3", r"must be a list of mappings, such as \[\{'epochs': ...\}\]; got '3'"),
        ("training.stages", "[{'epochs': 0}]", "training.stages: epochs must be at least 1; got 0"),
        ("training.stages", "[{'epochs': 'two'}]", "stages: epochs must be a whole number; got 'two'"),
        ("training.stages", "[{'epoch': 1}]", "expected mappings of epochs, .*, of which epochs must be"),
        ("training.stages.0.epochs", "1", r"training.stages is empty; set it to \[\{'epochs': ...\}\]"),
        ("training.layer_decay", "2", r"layer_decay must be in \(0, 1\]; got 2"),
    ],
)
def test_a_wrong_name_or_value_is_explained(name, text, message):
    with pytest.raises(ValueError, match=message):
        dotted.override(SETTINGS, {name: text})


def test_every_setting_is_described():
    undescribed = [name for name, _, text in dotted.describe(SETTINGS) if not text]
    assert undescribed == []
