"""ResNet152 on FER2013 and LFW: what pipelines/fer2013_lfw_student.py learns from.

Command: python -m kfer.pipeline pipelines/fer2013_lfw_large.py --data-dir DIR
    DenseNet161 instead: --name fer2013_lfw_densenet161 --model.backbone densenet161
    --model.backbone_arguments "{}".
Data: as pipelines/fer2013_lfw.py says.
Time: written for a GPU. An epoch takes half an hour on one slow core (AVX2); with --training.epochs 2
    both networks learn enough to compare their exports with.
Expect: docs/results.md has what its exports lose.
"""

import dataclasses
from pathlib import Path

from kfer.pipeline.config import load_settings
from kfer.settings import EvaluationSettings, ModelSettings, PipelineSettings, TuningSettings

small: PipelineSettings = load_settings(Path(__file__).with_name("fer2013_lfw.py"))

settings = dataclasses.replace(
    small,
    name="fer2013_lfw_large",
    # Each residual branch starts at zero: 50 blocks learn from the first step.
    model=ModelSettings("resnet152", {"zero_scale": True}, dropout=0.2),
    training=dataclasses.replace(small.training, learning_rate=1e-3, average=0.99),
    tuning=TuningSettings(trials=0),
    evaluation=EvaluationSettings(),
)
