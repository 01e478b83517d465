"""Drawn faces that express something, learned from the faces that kfer draws itself.

Command: python -m kfer.generation pipelines/dcgan_synthetic.py
Before: python -m kfer.pipeline, whose model judges the faces.
Time: 17 minutes on 2 cores with bfloat16 instructions. Memory: 1.1 GB.
Expect: more than 0.9 of the faces express what they should; docs/dcgan.md.
"""

from kfer.generation.settings import GenerationSettings, MeasureSettings
from kfer.settings import AdversarialSettings, PipelineSettings, TuningSettings

settings = GenerationSettings(
    name="dcgan_synthetic",
    base=PipelineSettings(name="dcgan_synthetic", tuning=TuningSettings(trials=0)),
    adversarial=AdversarialSettings(epochs=50, mixed_precision="mixed_bfloat16"),
    measures=MeasureSettings(model="saved_models/synthetic", num_images=2000),
)
