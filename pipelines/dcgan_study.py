"""What generated faces of rare expressions are worth: FER2013 with and without them, three seeds.

Command: python -m kfer.study pipelines/dcgan_study.py --data-dir DIR
    It needs matplotlib: pip install 'kfer[plots]'. Add --report-only to see what is finished so far.
Data: DIR/fer2013/archive.zip; docs/datasets.md says where to get it.
Time: 11 minutes a run, 9 runs, on 2 cores with bfloat16 instructions. Memory: 1 GB.
Expect: disgust's recall +16 points with generated faces and +32 with oversampling, accuracy as without;
    macro F1 rises with oversampling alone (+1.7). docs/dcgan.md has all figures.
Before: python -m kfer.generation pipelines/dcgan_fer2013.py --data-dir DIR, whose generator draws the
    faces.
Test: PublicTest and PrivateTest together, used once a run, when its training has ended. The generator has
    seen none of their images.
Fair: networks of one seed see as many images; without generated ones, each real one so much more often.
    "oversampled" shows the real images of rare classes more often instead.
"""

from kfer import spec
from kfer.settings import (
    AugmentationSettings,
    DataSettings,
    EvaluationSettings,
    PipelineSettings,
    SourceSettings,
    TaskSettings,
    TrainingSettings,
    TuningSettings,
)
from kfer.study import StudySettings

_WITHOUT = {"data.sources.1.weight": "0"}

settings = StudySettings(
    name="dcgan_study",
    base=PipelineSettings(
        name="dcgan_study",
        tasks={"expression": TaskSettings(names=spec.EXPRESSIONS)},
        data=DataSettings(
            sources=(
                SourceSettings(
                    "fer2013",
                    weight=0.87,
                    splits={
                        "train": "train[:95%]",
                        "validation": "train[95%:]",
                        "test": "validation+test",
                    },
                ),
                SourceSettings(
                    "generated",
                    weight=0.13,
                    splits={"train": "train"},
                    arguments={
                        "generator": "saved_models/dcgan_fer2013",
                        # Real ones: 412 and 3,019; happy, the most frequent, has 6,860.
                        "counts": {"disgust": 3000, "surprise": 1000},
                        "seed": 0,
                    },
                ),
            ),
        ),
        augmentation=AugmentationSettings(shift=0.06, rotation=0.2, scale=0.1, contrast=0.2),
        training=TrainingSettings(epochs=20, batch_size=64, mixed_precision="mixed_bfloat16"),
        tuning=TuningSettings(trials=0),
        evaluation=EvaluationSettings(),
    ),
    variants={
        "without": _WITHOUT,
        "generated": {},
        "oversampled": {
            **_WITHOUT,
            "training.sampling.balance": "('expression',)",
            "training.sampling.balance_power": "0.5",
        },
    },
    seeds=(0, 1, 2),
    baseline="without",
)
