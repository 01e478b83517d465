"""Faces that express something, learned from FER2013's training images.

Command: python -m kfer.generation pipelines/dcgan_fer2013.py --data-dir DIR
Data: DIR/fer2013/archive.zip; docs/datasets.md says where to get it.
Before: python -m kfer.pipeline pipelines/fer2013_lfw.py --data-dir DIR, whose model judges the faces.
Time: 80 minutes on 2 cores with bfloat16 instructions, and 3 for the figures. Memory: 1.1 GB in training.
Expect: KID 0.024 (7.1 untrained) and no copies; 0.70 of the faces express what they should to that model,
    which tells 0.56 of real ones right. docs/dcgan.md has all figures and pictures.
"""

from kfer import spec
from kfer.generation.settings import GenerationSettings, MeasureSettings
from kfer.settings import (
    AdversarialSettings,
    DataSettings,
    PipelineSettings,
    SourceSettings,
    TaskSettings,
    TuningSettings,
)

settings = GenerationSettings(
    name="dcgan_fer2013",
    base=PipelineSettings(
        name="dcgan_fer2013",
        tasks={"expression": TaskSettings(names=spec.EXPRESSIONS)},
        data=DataSettings(
            sources=(
                SourceSettings(
                    "fer2013",
                    # The model that judges was trained on all of train: what it has not seen is compared
                    # with. What is left of train validates the networks of pipelines/dcgan_study.py.
                    splits={"train": "train[:95%]", "validation": "validation"},
                ),
            ),
        ),
        tuning=TuningSettings(trials=0),
    ),
    adversarial=AdversarialSettings(epochs=40, mixed_precision="mixed_bfloat16"),
    measures=MeasureSettings(model="saved_models/fer2013_lfw"),
)
