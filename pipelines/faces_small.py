"""The small sister of `faces`, for phones: a compact network that learns both tasks from it.

Command: python -m kfer.pipeline pipelines/faces_small.py --data-dir DIR
Before: python -m kfer.pipeline pipelines/faces.py --data-dir DIR, in the same folder, trains the teacher.
    Another place: --tasks.expression.teachers FILE --tasks.identity.teachers FILE.
Data: as pipelines/fer2013_lfw.py says.
Training: FER2013's training split and all people of LFW who are not in pairsDevTest.txt, less those held
    out for validation. The teacher's embedding and its softened expressions teach from every image,
    FER2013's labels from theirs. The labels of who somebody is are not used.
Time: an epoch took 4 to 10 minutes on two shared cores, most of it for the teacher's answers. It was not
    trained as a whole yet.
Files: int8 1.9 MB, 0.33 ms an image on one core; float16 3.5 MB.
Test: PublicTest and PrivateTest of FER2013, and the pairs of LFW's View 1, whose people were not trained
    on. Those of View 2 were: it says nothing of this network.
"""

import dataclasses
from pathlib import Path

from kfer import spec
from kfer.pipeline.config import load_settings
from kfer.settings import (
    AugmentationSettings,
    DataSettings,
    EvaluationSettings,
    ModelSettings,
    PipelineSettings,
    SourceSettings,
    TaskSettings,
    TrainingSettings,
    TuningSettings,
)

# The newest one that was trained.
TEACHER = "pipeline_output/faces/Trainer/model/*/Format-Keras/model.keras"

teacher: PipelineSettings = load_settings(Path(__file__).with_name("faces.py"))

settings = PipelineSettings(
    name="faces_small",
    tasks={
        "expression": TaskSettings(
            names=spec.EXPRESSIONS,
            loss_arguments={"label_smoothing": 0.1},
            teachers=(TEACHER,),
            distillation_weight=0.5,
            distillation_temperature=2.0,
        ),
        # The teacher's embeddings of two people are alike (a cosine of about 0.9): what tells them apart
        # is in the last tenth of this loss.
        "identity": TaskSettings("embedding", weight=20.0, teachers=(TEACHER,), distillation_weight=1.0),
    },
    data=DataSettings(
        sources=(
            SourceSettings(
                "fer2013",
                weight=0.6,
                splits={"train": "train[:95%]", "validation": "train[95%:]", "test": "validation+test"},
            ),
            SourceSettings(
                "lfw",
                weight=0.4,
                # 112 of 250 pixels, 7 below the middle: the teacher's eyes are there. It tells 98.0 % of
                # View 1's pairs right so, and 92.8 % in the middle.
                central_crop=0.448,
                crop_shift=0.028,
                pairs_dataset="lfw/pairs",
                pairs=("view1_test",),
                # The noisy expression labels that some copies of LFW carry stay out.
                labels={"expression": {"*": ""}},
            ),
        ),
        image_size=64,
        channels=3,
    ),
    augmentation=AugmentationSettings(
        # FER2013's eyes are 0.06 of the side lower than those that inference shows.
        shift=0.09,
        rotation=0.12,
        scale=0.08,
        brightness=0.1,
        contrast=0.15,
        tint=0.2,
        erase=0.0,
    ),
    model=ModelSettings(
        backbone_arguments={"widths": (32, 64, 128, 256), "blocks": 1, "squeeze_excitation": False},
        dropout=0.1,
    ),
    training=TrainingSettings(
        epochs=24,
        batch_size=128,
        learning_rate=4e-3,
        average=0.999,
        mixed_precision="mixed_bfloat16",
    ),
    tuning=TuningSettings(trials=0),
    evaluation=EvaluationSettings(
        slices=("usage",), min_expression_accuracy=0.60, min_verification_accuracy=0.80
    ),
    export=dataclasses.replace(
        teacher.export,
        tflite=("float16", "int8"),
        data_license=(
            "FER2013 and LFW are research data without a clear licence. It also learned from the answers "
            "of `faces`, whose embedding is dlib's (CC0 1.0)"
        ),
        pretrained_on="",
    ),
)
