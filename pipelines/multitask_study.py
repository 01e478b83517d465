"""Expression alone, identity alone, and both with each way of weighing them: FER2013 and LFW.

Command: python -m kfer.study pipelines/multitask_study.py --data-dir DIR
    It needs matplotlib: pip install 'kfer[plots]'. Add --report-only to see what is finished so far,
    --only VARIANT to train some alone, --seeds 0,1,2 for intervals over seeds.
Data: DIR/fer2013/archive.zip and DIR/lfw/lfw-deepfunneled.tgz with LFW's pairsDevTest.txt and pairs*.txt;
    docs/datasets.md says where to get them. Splits are those of pipelines/fer2013_lfw.py: PrivateTest and
    View 1's pairs, of people whom nobody trains on, are used once a run, when its training has ended.
Fair: networks of one seed see the same batches, three quarters of them FER2013 and one quarter LFW; one
    that learns a task alone gets no loss from the other's labels.
Time: a run has as many epochs as pipelines/fer2013_lfw.py, and there are eight; gradnorm and pcgrad may
    take twice as long as the others. A study that was stopped goes on where it was.
Expect: study_output/multitask_study/study.html, and CSV files and pictures beside it; docs/multitask.md
    says what they mean.
"""

from kfer import spec
from kfer.settings import (
    AugmentationSettings,
    DataSettings,
    ModelSettings,
    PipelineSettings,
    SourceSettings,
    TaskSettings,
    TrainingSettings,
    TuningSettings,
)
from kfer.study import StudySettings

settings = StudySettings(
    name="multitask_study",
    base=PipelineSettings(
        name="multitask_study",
        tasks={
            "expression": TaskSettings(names=spec.EXPRESSIONS, loss_arguments={"label_smoothing": 0.1}),
            # ArcFace's loss starts at 15, the expressions' at 2. Every method starts from these weights.
            "identity": TaskSettings(
                "embedding", weight=0.1, loss_arguments={"margin": 0.2, "scale": 24.0}
            ),
        },
        data=DataSettings(
            sources=(
                SourceSettings("fer2013", weight=0.75),
                SourceSettings(
                    "lfw",
                    weight=0.25,
                    central_crop=0.52,
                    pairs_dataset="lfw/pairs",
                    pairs=("view1_test",),
                    labels={"expression": {"*": ""}},
                ),
            ),
        ),
        augmentation=AugmentationSettings(
            shift=0.06, rotation=0.12, scale=0.08, brightness=0.1, contrast=0.15
        ),
        model=ModelSettings(
            backbone_arguments={"widths": (24, 48, 96, 192), "blocks": 1, "squeeze_excitation": False},
            dropout=0.2,
        ),
        training=TrainingSettings(epochs=16, batch_size=32, learning_rate=4e-3),
        tuning=TuningSettings(trials=0),
    ),
    variants={
        "expression_only": {"tasks.identity.weight": "0"},
        "identity_only": {"tasks.expression.weight": "0"},
        "fixed": {},
        "uncertainty": {"training.weighting": "uncertainty"},
        "dynamic_average": {"training.weighting": "dynamic_average"},
        "gradnorm": {"training.weighting": "gradnorm"},
        "uw_so": {"training.weighting": "uw_so"},
        "pcgrad": {"training.weighting": "pcgrad"},
    },
    seeds=(0,),
)
