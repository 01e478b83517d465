"""Your own faces: expressions of your own from a network that knows faces, in minutes on two cores.

Command: kfer align PHOTOS FACES --margin -0.05 --shift 0.132 --size 150
    python -m kfer.pipeline pipelines/own_faces.py --data.sources.0.arguments "{'path': 'FACES', ...}"
Data: FACES/labels.csv has the columns filename, split (train, validation, test), expression and
    identity; an empty field is a missing label. A few hundred faces will do: docs/fine_tuning.md.
Weights: dlib's (public domain, CC0), from the extra kfer[faces], or as docs/fine_tuning.md says.
Training: who somebody is, the weights say already, of people whom they never saw: enroll yours (kfer
    enroll). What their faces express is learned by a branch that starts from the same weights. So
    verification does not change, whatever is learned.
Time: five minutes on 2 cores with bfloat16 instructions for 400 faces. Memory: 1.5 GB.
"""

from kfer.settings import (
    AugmentationSettings,
    DataSettings,
    ExportSettings,
    FineTuningStage,
    ModelSettings,
    PipelineSettings,
    SourceSettings,
    TaskSettings,
    TrainingSettings,
    TuningSettings,
)

EXPRESSIONS = ("angry", "happy", "neutral", "sad")

settings = PipelineSettings(
    name="own_faces",
    tasks={
        "expression": TaskSettings(
            names=EXPRESSIONS, loss_arguments={"label_smoothing": 0.1}, parts_after="stage3"
        ),
        "identity": TaskSettings("embedding", loss="pretrained"),
    },
    data=DataSettings(
        sources=(
            SourceSettings(
                "image_folder",
                arguments={"path": "own_faces", "labels": "labels.csv", "expressions": EXPRESSIONS},
            ),
        ),
        image_size=150,
        channels=3,
    ),
    # No flip where a task tells left from right.
    augmentation=AugmentationSettings(
        shift=0.06, rotation=0.12, scale=0.1, brightness=0.15, contrast=0.2, tint=0.1, erase=0.2
    ),
    model=ModelSettings("dlib_resnet", {"normalization": "batch"}, weights="dlib", dropout=0.3),
    training=TrainingSettings(
        batch_size=32,
        learning_rate=1e-3,
        weight_decay=0.05,
        average=0.98,
        # The branch's copy alone: what identity uses is frozen in any case.
        stages=(FineTuningStage(epochs=15, unfreeze=("stage4", "stage5")),),
        layer_decay=0.8,
        mixed_precision="mixed_bfloat16",
    ),
    tuning=TuningSettings(trials=0),
    # As kfer align was told to cut them.
    export=ExportSettings(face_margin=-0.05, face_shift=0.132),
)
