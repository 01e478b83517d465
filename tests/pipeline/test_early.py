"""What settings name is looked up before the first component runs, and without TensorFlow."""

import ast
import dataclasses
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow_datasets as tfds

from kfer import backbones, datasets
from kfer.backbones import stages as backbone_stages
from kfer.pipeline import declared, early
from kfer.settings import (
    DataSettings,
    EvaluationSettings,
    FineTuningStage,
    ModelSettings,
    PipelineSettings,
    SourceSettings,
    TaskSettings,
    TrainingSettings,
    dotted,
)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("model.backbone", "resnet9000", "no backbone is called 'resnet9000'; did you mean resnet50?"),
        (
            "model.backbone_arguments",
            "{'width': 3}",
            "compact has no argument 'width'; did you mean widths?",
        ),
        ("model.weights", "nowhere.pth", "there is no file of weights nowhere.pth"),
        ("model.weights", "imagenett", "must be imagenet, imagenet-v2, dlib or a file"),
        ("data.sources.0.dataset", "synthetik", "is called 'synthetik'; did you mean synthetic?"),
        ("data.sources.0.arguments", "{'num_identitys': 3}", "did you mean num_identities?"),
        ("data.sources.0.arguments", "{'num_identities': 2.5}", "num_identities must be a whole number"),
        (
            "data.sources.0.arguments",
            "{'num_identities': -1}",
            "num_identities must be at least 0; got -1",
        ),
        ("tasks.identity.loss_arguments", "{'margn': 1}", "arcface takes margin, scale; got 'margn'"),
        (
            "tasks.identity.loss_arguments",
            "{'margin': -1}",
            "margin of arcface must be at least 0; got -1",
        ),
        ("tasks.identity.teachers", "nowhere*.keras", "there is no file nowhere*.keras"),
        (
            "data.sources.0.dataset",
            "fer2013/sixclass",
            "has no config 'sixclass'; did you mean six_class?",
        ),
        ("data.sources.0.dataset", "synthetic/big", "has no config 'big'. It has none, but arguments"),
        ("data.sources.0.arguments", "{'config': 'six_class'}", "synthetic has no argument 'config'"),
        (
            "data.sources.0.splits",
            "{'train': 'train+trian[:9%]'}",
            "splits.train: synthetic has no split 'trian'; did you mean train? It has train, validation",
        ),
        ("data.sources.0.features", "{'identity': 'idnetity'}", "did you mean identity?"),
        ("evaluation.slices", "('expresion',)", "called 'expresion'; did you mean expression?"),
        ("evaluation.slices", "('head_pose',)", "are called 'head_pose'. There are expression"),
        ("evaluation.slices", "('identity',)", "are called 'identity'"),
        ("training.sampling.balance", "('identitty',)", "'identitty'; did you mean identity?"),
        ("training.sampling.balance", "('pose',)", "There are expression, identity, source"),
        (
            "training.stages",
            "[{'epochs': 1}, {'epochs': 1, 'unfreeze': ('stag4',)}]",
            "stages.1.unfreeze: the backbone compact has no stage 'stag4'; did you mean stage4?",
        ),
        ("training.stages", "[{'epochs': 1, 'unfreeze': 'heads'}]", "or all; () trains the heads alone"),
        ("tasks.expression.parts_after", "stage5", "has no stage 'stage5'; did you mean stage"),
        ("training.stop_metric", "val_expresion_accuracy", "did you mean val_expression_accuracy?"),
        ("tuning.objective", "{'val_expression_acc': {}}", "did you mean val_expression_accuracy?"),
    ],
)
def test_a_name_that_is_unknown_is_refused_with_the_nearest(name, value, message, tmp_path):
    settings = dotted.override(PipelineSettings(), {name: value, "serving_dir": str(tmp_path)})
    with pytest.raises((ValueError, FileNotFoundError), match=re.escape(message)) as error:
        early.check(settings, tmp_path)
    where = ".".join(name.split(".")[:2])
    assert where in str(error.value)


def test_what_there_is_is_found(tmp_path):
    early.check(PipelineSettings(serving_dir=str(tmp_path)), tmp_path / "a" / "b")
    for name in ("MobileNetV3Small", "densenet161", "RESNET152"):
        early.check_backbone(ModelSettings(backbone=name), "model")
    early.check_backbone(ModelSettings("ResNet50", {"pooling": "avg"}), "model")


def test_the_files_name_what_the_packages_have():
    own, of_keras = early._own_backbones(), early._applications()
    assert set(own) == set(backbones._own())
    assert set(of_keras) == set(backbones._applications())
    assert set(early._datasets()) == set(datasets._own_names())
    for name, function in backbones._applications().items():
        if name in of_keras:
            taken = early._parameters(*of_keras[name])
            assert "**" in taken or set(taken) <= set(inspect.signature(function).parameters)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("compact", {}),
        ("compact", {"widths": (4, 6)}),
        ("resnet152", {"blocks": (1, 1), "width": 4, "num_classes": 2}),
        ("densenet161", {"blocks": (1, 1, 1), "growth_rate": 2, "stem_filters": 4, "num_classes": 2}),
        ("dlib_resnet", {"widths": (4, 4), "blocks": (1, 1)}),
    ],
)
def test_the_stages_are_those_of_the_network(name, arguments):
    network = backbones.build(name, (96, 96, 1), **arguments)
    assert declared.stages(name, arguments) == list(backbone_stages.stages(network))


def test_the_stage_that_a_branch_ends_after_is_looked_up():
    tasks = {"expression": TaskSettings(names=("a", "b"), parts_after="stage2", ends_after="stag3")}
    with pytest.raises(
        ValueError, match=r"expression.ends_after: .*no stage 'stag3'; did you mean stage3"
    ):
        early._check_stages(PipelineSettings(tasks=tasks))


def test_stages_that_only_a_network_of_keras_knows_pass():
    stages = (FineTuningStage(1, ("stage7", "conv5", "all")),)
    settings = PipelineSettings(
        model=ModelSettings("MobileNetV3Small"), training=TrainingSettings(stages=stages)
    )
    early.check_names(settings)
    stages = (FineTuningStage(1, ("layer4",)),)
    settings = dataclasses.replace(settings, training=TrainingSettings(stages=stages))
    with pytest.raises(ValueError, match="MobileNetV3Small has no stage 'layer4'"):
        early.check_names(settings)


def test_the_features_and_configs_are_those_of_the_builders(tmp_path):
    for name in ("fer2013", "lfw", "cmu_faces", "orl", "vggface2", "ravdess", "crema_d", "synthetic"):
        kind = datasets._builder_class(name)
        assert declared.configs(name) == tuple(kind.builder_configs)
        found = declared.features(name)
        of_any = {}
        for config in declared.configs(name) or ("",):
            builder = datasets.builder(f"{name}/{config}".rstrip("/"), tmp_path)
            for key, feature in builder.info.features.items():
                of_any[key] = isinstance(feature, tfds.features.ClassLabel | tfds.features.Text)
        assert {key: found[key] for key in of_any} == of_any, name
        assert found.keys() == of_any.keys(), name
    for name in ("image_folder", "clip_folder", "synthetic_clips"):
        assert {"expression", "identity"} <= declared.features(name).keys()
    # Its classes are those of the generator that it is told.
    assert declared.features("generated") == {}


@pytest.mark.parametrize(
    "made", ["{'image': Image(), **more()}", "{name: Text() for name in NAMES}", "{NAME: Text()}"]
)
def test_features_whose_names_are_computed_are_not_guessed(made):
    written = "def _info(self):\n    return FeaturesDict({'usage': Text()})\n"
    assert declared._features(ast.parse(written)) == {"usage": True}
    assert declared._features(ast.parse(f"{written}def features(self):\n    return {made}\n")) is None


def test_the_splits_of_a_folder_are_the_folders_in_it(tmp_path):
    for name in ("train", "val", ".cache"):
        (tmp_path / "own" / name).mkdir(parents=True)
    arguments = {"path": str(tmp_path / "own"), "task": "expression"}
    splits = {"train": "train[:90%]+train[95%:]", "validation": "val", "test": "all"}
    source = SourceSettings("image_folder", splits=splits, arguments=arguments)
    early.check_names(PipelineSettings(data=DataSettings((source,))))
    source = dataclasses.replace(source, splits={"validation": "valid"})
    with pytest.raises(ValueError, match=r"splits.validation: .*'valid'; did you mean val\?"):
        early.check_names(PipelineSettings(data=DataSettings((source,))))


def test_the_splits_of_pairs_are_looked_up_too():
    source = SourceSettings("lfw", pairs=("view1_test", "view2"), pairs_dataset="lfw/pairs")
    early.check_names(PipelineSettings(data=DataSettings((source,))))
    source = dataclasses.replace(source, pairs=("test",))
    with pytest.raises(ValueError, match=r"sources.0.pairs: lfw/pairs has no split 'test'"):
        early.check_names(PipelineSettings(data=DataSettings((source,))))


def test_features_of_a_dataset_of_tfds_are_not_guessed():
    source = SourceSettings("tfds:mnist", splits={"train": "train"}, features={"expression": "label"})
    settings = PipelineSettings(
        data=DataSettings((source,)), evaluation=EvaluationSettings(slices=("anything",))
    )
    early._check_features(settings)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    settings = PipelineSettings(serving_dir=str(tmp_path / "file" / "models"))
    with pytest.raises(NotADirectoryError, match="serving_dir must be a folder"):
        early.check(settings, tmp_path)
    if os.geteuid():
        (tmp_path / "locked").mkdir(mode=0o500)
        settings = PipelineSettings(serving_dir=str(tmp_path / "locked"))
        with pytest.raises(PermissionError, match=r"serving_dir: .*locked cannot be written"):
            early.check(settings, tmp_path)


@pytest.mark.parametrize(
    ("root", "serving", "name"),
    [
        ("mine/runs", "models", "pipeline_root"),
        ("runs", "mine/models", "serving_dir"),
        ("mine", "m", "p"),
    ],
)
def test_what_is_written_never_lies_in_a_folder_of_images(root, serving, name, tmp_path):
    (tmp_path / "mine/train/happy").mkdir(parents=True)
    source = SourceSettings(
        "image_folder",
        splits={"train": "train"},
        arguments={"path": str(tmp_path / "mine"), "task": "expression"},
    )
    data = DataSettings(sources=(source,))
    settings = PipelineSettings(data=data, serving_dir=str(tmp_path / serving))
    with pytest.raises(ValueError, match=rf"^{name}.* lies in .*mine, whose files are read"):
        early.check(settings, tmp_path / root)
    early.check(dataclasses.replace(settings, serving_dir=str(tmp_path)), tmp_path / "mine" / ".runs")


def test_it_loads_no_tensorflow(tmp_path):
    code = (
        "import sys; from pathlib import Path; from kfer.pipeline import early; "
        "from kfer.settings import PipelineSettings; early.check(PipelineSettings(), Path('.')); "
        "print(*{'tensorflow', 'keras', 'tensorflow_datasets'} & set(sys.modules))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert process.stdout == "\n", process.stderr


def test_the_command_refuses_before_the_first_component(tmp_path):
    command = [
        sys.executable,
        "-m",
        "kfer.pipeline",
        "--pipeline-root",
        "root",
        "--model.backbone",
        "resnet9",
    ]
    process = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert process.returncode == 2
    assert process.stderr.count("\n") == 1 and "model.backbone" in process.stderr
    assert list(Path(tmp_path).iterdir()) == []


def test_a_loss_and_its_arguments_are_set_one_after_the_other():
    settings = dotted.override(
        PipelineSettings(), {"tasks.identity.loss": "adacos", "tasks.identity.loss_arguments": "{}"}
    )
    early.check_names(settings)
    assert settings.tasks["identity"] == TaskSettings("embedding", loss="adacos", weight=0.1)
