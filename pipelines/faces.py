"""Who a face is and what it expresses: dlib's network of face recognition, and a branch for expressions.

Command: python -m kfer.pipeline pipelines/faces.py --data-dir DIR
Data: DIR/fer2013/archive.zip; docs/datasets.md says where to get it.
Weights: dlib's (public domain, CC0), from the extra kfer[faces], or as docs/fine_tuning.md says.
Training: who somebody is, dlib's weights say; nothing of that is trained. The branch for expressions
    parts after stage1 and ends after stage4, starts from the same weights, and learns from 95 % of
    FER2013's training split.
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
            names=spec.EXPRESSIONS,
            loss_arguments={"label_smoothing": 0.1},
            parts_after="stage1",
            # The last stage has a fifth of the weights, and FER2013's images of 48 pixels need no more.
            ends_after="stage4",
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
        stages=(FineTuningStage(epochs=40, unfreeze=("stage2", "stage3", "stage4")),),
        layer_decay=0.9,
        mixed_precision="mixed_bfloat16",
    ),
    tuning=TuningSettings(trials=0),
    evaluation=EvaluationSettings(slices=("usage",), min_expression_accuracy=0.65),
    export=ExportSettings(
        tflite=("float16", "int8"),
        # dlib's eyes are at (0.318, 0.314) and (0.669, 0.314).
        face_margin=-0.05,
        face_shift=0.132,
        license="Apache-2.0",
        data_license="FER2013 is research data without a clear licence",
        pretrained_on=(
            "dlib's face recognition network (dlib_face_recognition_resnet_model_v1.dat, by Davis "
            "King, CC0 1.0). Its author says that it learned from about 3 million faces of 7,485 "
            "people: FaceScrub, the VGG face set, and pictures that he collected from the web, with "
            "the people of LFW avoided. The embedding is that network's, unchanged; the branch for "
            "expressions started from its weights"
        ),
        limits=(
            "Expressions were learned and measured on FER2013: small grey pictures that were found by "
            "searching the web for words of emotions, with many wrong labels. Identity was measured "
            "on LFW: photographs of the news, with few women, hardly any children or old people, and "
            "few people of many ethnicities. How well it serves groups that these sets hardly show "
            "was not measured, but it takes people from East Asia for one another more often than "
            "others. It may confuse twins and relatives, and miss a person in photographs that are "
            "many years apart."
        ),
        intended_use=(
            "Research, and products that tell who consented to it which expression a face shows or "
            "whether two pictures show one person, where somebody checks what follows from it. Not "
            "for identifying people in public or without their knowledge, not for decisions about "
            "work, school, credit, insurance, borders, policing or health, and not for guessing "
            "feelings, honesty or character: an expression is not a feeling. A similarity above the "
            "threshold is no proof of identity."
        ),
    ),
)
