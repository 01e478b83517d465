"""Settings of a generator: what they refuse."""

import dataclasses

import pytest

from kfer.generation.settings import GenerationSettings, MeasureSettings
from kfer.settings import (
    AdversarialSettings,
    DataSettings,
    DcganSettings,
    PipelineSettings,
    SourceSettings,
    TaskSettings,
    TuningSettings,
)

BASE = PipelineSettings(tuning=TuningSettings(trials=0))


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (DcganSettings, {"noise_size": 0}, "noise_size must be in "),
        (
            DcganSettings,
            {"conditions": ()},
            r"conditions must be \('expression',\) or \('expression', 'id",
        ),
        (
            DcganSettings,
            {"conditions": ("identity",)},
            r"or \('expression', 'identity'\); got \('identity'",
        ),
        (DcganSettings, {"generator_widths": ()}, "generator_widths must be at least one width"),
        (DcganSettings, {"upsampling": "bilinear"}, "upsampling must be among transposed, resize"),
        (DcganSettings, {"normalization": "layer"}, "normalization must be among batch, spectral, none"),
        (AdversarialSettings, {"loss": "wasserstein"}, "loss must be among non_saturating, hinge"),
        (AdversarialSettings, {"loss": "hinge", "label_smoothing": 0.1}, "0 with the hinge loss"),
        (AdversarialSettings, {"augmentation": ("flip",)}, "augmentation must be among colour"),
        (AdversarialSettings, {"samples": 1}, "samples must be at least 2"),
        (AdversarialSettings, {"mixed_precision": "mixed_float16"}, "among float32, mixed_bfloat16"),
        (MeasureSettings, {"num_images": 10}, "num_images must be at least 100"),
        (MeasureSettings, {"num_images_each_epoch": 1}, "num_images_each_epoch must be 0, or at least 2"),
        (MeasureSettings, {"features": "vgg"}, "features must be among embedding, inception"),
        (GenerationSettings, {"name": "a b", "base": BASE}, "name must be at most 100 letters"),
        (
            GenerationSettings,
            {
                "name": "a",
                "base": dataclasses.replace(
                    BASE, data=DataSettings((SourceSettings("fer2013", 0.5), SourceSettings("lfw")))
                ),
            },
            "base.data.sources must be sources without a weight: all of their images.*; got '0.5'",
        ),
        (
            GenerationSettings,
            {"name": "a", "base": PipelineSettings(tuning=TuningSettings(trials=1))},
            "base.tuning.trials must be 0",
        ),
        (
            GenerationSettings,
            {
                "name": "a",
                "base": PipelineSettings(
                    tasks={"expression": TaskSettings(names=("sad", "happy"))},
                    tuning=TuningSettings(trials=0),
                ),
                "network": DcganSettings(conditions=("expression", "identity")),
            },
            "base.tasks must be a mapping with expression, identity; got 'expression'",
        ),
    ],
)
def test_what_cannot_be_is_refused(kind, arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**arguments)
