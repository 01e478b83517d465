"""The same question on images that carry both labels: expression and identity of CMU Face Images.

Command: python -m kfer.study pipelines/multitask_study_cmu.py --data-dir DIR
    It needs matplotlib: pip install 'kfer[plots]'.
Data: DIR/cmu_faces/faces; docs/datasets.md says where to get it. 624 images of 20 people, of whom twelve
    are trained on, four validated on, four tested on: figures are of people who were never seen, and of
    four of them they are a tendency, not a proof.
Time: a run takes 3 minutes on one slow core, gradnorm and pcgrad 5, and there are 24.
Expect: study_output/multitask_study_cmu/study.html, and CSV files and pictures beside it. Expressions of
    people who were never seen come out near chance; docs/multitask.md has the figures.
"""

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
from kfer.study import ONE_TASK_OR_BOTH, StudySettings

settings = StudySettings(
    name="multitask_study_cmu",
    base=PipelineSettings(
        name="multitask_study_cmu",
        tasks={
            "expression": TaskSettings(
                names=("angry", "happy", "neutral", "sad"), loss_arguments={"label_smoothing": 0.1}
            ),
            "identity": TaskSettings(
                "embedding", weight=0.1, loss_arguments={"margin": 0.2, "scale": 24.0}
            ),
        },
        data=DataSettings(
            sources=(SourceSettings("cmu_faces/people"),),
            # Faces are small in these portraits.
            image_size=64,
        ),
        augmentation=AugmentationSettings(
            shift=0.06, rotation=0.12, scale=0.08, brightness=0.1, contrast=0.15
        ),
        model=ModelSettings(
            backbone_arguments={"widths": (24, 48, 96, 192), "blocks": 1, "squeeze_excitation": False},
            dropout=0.2,
        ),
        training=TrainingSettings(epochs=60, batch_size=32, learning_rate=4e-3),
        tuning=TuningSettings(trials=0),
    ),
    variants=ONE_TASK_OR_BOTH,
    seeds=(0, 1, 2),
)
