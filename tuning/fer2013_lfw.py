"""How to weigh expression and identity, and how fast to learn: FER2013 and LFW.

Command: python -m kfer.tuning tuning/fer2013_lfw.py --data-dir DIR
    It needs matplotlib: pip install 'kfer[plots]'. What is stopped goes on where it was; --workers 2 runs
    two trials at a time, --retrain then trains the best values and those that are set with three seeds.
Data: DIR/fer2013/archive.zip and DIR/lfw/lfw-deepfunneled.tgz with LFW's pairsDevTest.txt and pairs*.txt;
    docs/datasets.md says where to get them. All else is as in pipelines/fer2013_lfw.py.
Space: the weight of identity beside that of expression, and the learning rate, both on a log scale.
Objective: the mean of expression accuracy on PublicTest and verification accuracy on people of LFW who
    are held out for validation. PrivateTest and View 1 are for --retrain alone.
Time: 67 minutes for 24 trials of four epochs of half of the images, two at a time on 2 slow cores that
    did other work too; an hour more for --retrain with --training.epochs 8.
Expect: tuning/fer2013_lfw/study.html, and the best values in tuning/fer2013_lfw.json: identity's weight
    0.035 and a rate of 0.013, which gain 2.4 points of expression accuracy and may cost verification.
"""

import dataclasses
from pathlib import Path

from kfer.pipeline.config import load_settings
from kfer.settings import EvaluationSettings, ParameterSettings, PipelineSettings, TuningSettings
from kfer.tuning import TuningStudySettings

pipeline: PipelineSettings = load_settings(
    Path(__file__).parent.with_name("pipelines") / "fer2013_lfw.py"
)

settings = TuningStudySettings(
    name="fer2013_lfw",
    base=dataclasses.replace(
        pipeline,
        tuning=TuningSettings(
            trials=24,
            epochs=4,
            example_share=0.5,
            space={
                "tasks.identity.weight": ParameterSettings(low=0.01, high=1.0, scale="log"),
                "training.learning_rate": ParameterSettings(low=5e-4, high=2e-2, scale="log"),
            },
        ),
        evaluation=EvaluationSettings(),
    ),
)
