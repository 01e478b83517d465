"""ResNet152, DenseNet161 and compact on six expressions of FER2013, from scratch, on equal terms.

Command: python -m kfer.comparison pipelines/compare_backbones.py --data-dir DIR
    It needs matplotlib: pip install 'kfer[plots]'. Add --report-only to see what is finished so far.
Data: DIR/fer2013/archive.zip; docs/datasets.md says where to get it. An epoch is chosen on a tenth of the
    training split; the 7,067 images of PublicTest and PrivateTest are the test split, used once.
Time: about two and a half hours on 2 cores whose processor knows bfloat16 (AVX-512 BF16), with
    --training.mixed_precision mixed_bfloat16; five on slow ones (AVX2). A run that was stopped goes on
    where it was. Memory: 3 GB.
Expect: comparison_output/compare_backbones/comparison.html, and CSV files and pictures beside it;
    docs/results.md has the figures.
"""

from kfer import spec
from kfer.comparison import ComparisonSettings
from kfer.settings import (
    AugmentationSettings,
    DataSettings,
    ModelSettings,
    SourceSettings,
    TaskSettings,
    TrainingSettings,
)

settings = ComparisonSettings(
    name="compare_backbones",
    candidates={
        # Each residual branch starts at zero: 50 blocks learn from the first step.
        "resnet152": ModelSettings("resnet152", {"zero_scale": True}, dropout=0.2),
        "densenet161": ModelSettings("densenet161", dropout=0.2),
        "compact": ModelSettings(
            backbone_arguments={"widths": (24, 48, 96, 192), "blocks": 1}, dropout=0.2
        ),
    },
    expression=TaskSettings(
        names=tuple(name for name in spec.EXPRESSIONS if name != "disgust"),
        loss_arguments={"label_smoothing": 0.1},
    ),
    data=DataSettings(
        sources=(
            SourceSettings(
                "fer2013/six_class",
                splits={
                    "train": "train[:90%]",
                    "validation": "train[90%:]",
                    "test": "validation+test",
                },
            ),
        ),
    ),
    augmentation=AugmentationSettings(
        shift=0.06, rotation=0.12, scale=0.08, brightness=0.1, contrast=0.15
    ),
    training=TrainingSettings(
        epochs=8,
        batch_size=64,
        learning_rate=1e-3,
        weight_decay=1e-2,
    ),
    # Public notebooks on the same six classes, with ImageNet weights and a GPU. Their DenseNet161 was
    # 32.5 % in the end: its head was not attached, and its test images were resized unlike the others.
    references={
        "ResNet152 with ImageNet weights, a published notebook": 0.534,
        "DenseNet161 likewise, its best epoch": 0.437,
    },
)
