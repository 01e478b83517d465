"""ResNet152 with ImageNet's weights, fine-tuned on FER2013 in three stages.

Command: python -m kfer.pipeline pipelines/fine_tune_resnet152.py --data-dir DIR
Data: DIR/fer2013/archive.zip; docs/datasets.md says where to get it.
Weights: torchvision's file of 242 MB, downloaded on first use; docs/fine_tuning.md says how to go on
    without a network, and how to choose stages.
Time: written for a GPU. On 2 CPU cores an epoch of the last stage takes hours: try it there with
    --model.backbone compact --model.weights None --training.stages "()".
Expect: no figure yet: where this was written, neither the weights nor a GPU could be had.
"""

from kfer import spec
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

settings = PipelineSettings(
    name="fine_tune_resnet152",
    tasks={"expression": TaskSettings(names=spec.EXPRESSIONS, loss_arguments={"label_smoothing": 0.1})},
    # Twice the size of FER2013's images: the stem alone divides the size by four.
    data=DataSettings(sources=(SourceSettings("fer2013"),), image_size=96),
    augmentation=AugmentationSettings(
        shift=0.06, rotation=0.12, scale=0.08, brightness=0.1, contrast=0.15, erase=0.2
    ),
    model=ModelSettings("resnet152", weights="imagenet", dropout=0.3),
    training=TrainingSettings(
        batch_size=64,
        optimizer="adamw",
        learning_rate=1e-3,
        warmup_epochs=1.0,
        weight_decay=2e-2,
        stages=(
            FineTuningStage(epochs=2),
            FineTuningStage(epochs=4, unfreeze=("layer4",), learning_rate_factor=0.3),
            FineTuningStage(epochs=12, unfreeze=("all",), learning_rate_factor=0.1),
        ),
        layer_decay=0.7,
    ),
    tuning=TuningSettings(trials=0),
    export=ExportSettings(tflite=("float32", "float16", "int8")),
)
