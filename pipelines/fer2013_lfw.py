"""One network from two datasets: FER2013 gives expressions, LFW gives identities.

Command: python -m kfer.pipeline pipelines/fer2013_lfw.py --data-dir DIR
Data: DIR/fer2013/archive.zip and DIR/lfw/lfw-deepfunneled.tgz with LFW's pairsDevTest.txt and pairs*.txt;
    docs/datasets.md says where to get them.
Training: FER2013's training split; all people of LFW who are not in pairsDevTest.txt, less those held out
    for validation. Nobody of the test pairs is trained on, no test image is tuned on.
Time: 72 minutes on one slow core (AVX2, no GPU), less on two or newer ones. Memory: 1.1 GB.
Expect: 0.632 on FER2013's PrivateTest, 0.865 on LFW View 1 (docs/results.md has all figures).
"""

from kfer import spec
from kfer.settings import (
    AugmentationSettings,
    DataSettings,
    EvaluationSettings,
    ExportSettings,
    ModelSettings,
    PipelineSettings,
    SamplingSettings,
    SourceSettings,
    TaskSettings,
    TrainingSettings,
    TuningSettings,
)

settings = PipelineSettings(
    name="fer2013_lfw",
    tasks={
        "expression": TaskSettings(names=spec.EXPRESSIONS, loss_arguments={"label_smoothing": 0.1}),
        # ArcFace's loss starts at 15, the expressions' at 2: this weight keeps their gradients alike.
        "identity": TaskSettings("embedding", weight=0.1, loss_arguments={"margin": 0.2, "scale": 24.0}),
    },
    data=DataSettings(
        sources=(
            SourceSettings("fer2013", weight=0.6),
            SourceSettings(
                "lfw",
                weight=0.4,
                # The middle 110 of 250 pixels: the face without its surroundings, as FER2013 has it.
                central_crop=0.44,
                pairs_dataset="lfw/pairs",
                pairs=("view1_test",),
                # The noisy expression labels that some copies of LFW carry stay out.
                labels={"expression": {"*": ""}},
            ),
        ),
    ),
    augmentation=AugmentationSettings(
        shift=0.06, rotation=0.12, scale=0.08, brightness=0.1, contrast=0.15, erase=0.0
    ),
    model=ModelSettings(
        backbone_arguments={"widths": (24, 48, 96, 192), "blocks": 1, "squeeze_excitation": False},
        dropout=0.2,
    ),
    training=TrainingSettings(
        epochs=24,
        batch_size=64,
        learning_rate=4e-3,
        average=0.999,
        # Who has one image teaches nothing about how a face varies: seven in ten of LFW's people.
        sampling=SamplingSettings(least_images_per_person=2),
    ),
    tuning=TuningSettings(trials=2, epochs=1, example_share=0.2),
    evaluation=EvaluationSettings(min_expression_accuracy=0.60, min_verification_accuracy=0.75),
    # Where MTCNN finds eyes, nose and mouth in 300 of LFW's training images; in FER2013's they are
    # there too, to 0.01 of the side.
    export=ExportSettings(face_margin=-0.06, face_shift=0.07),
)
