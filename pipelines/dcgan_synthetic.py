"""Drawn faces that express something, learned from the faces that kfer draws itself.

Command: python -m kfer.generation pipelines/dcgan_synthetic.py
Before: python -m kfer.pipeline, whose model judges the faces.
"""

from kfer.generation.settings import GenerationSettings, MeasureSettings
from kfer.settings import AdversarialSettings, PipelineSettings, TuningSettings

settings = GenerationSettings(
    name="dcgan_synthetic",
    base=PipelineSettings(name="dcgan_synthetic", tuning=TuningSettings(trials=0)),
    adversarial=AdversarialSettings(epochs=30, mixed_precision="mixed_bfloat16"),
    measures=MeasureSettings(model="saved_models/synthetic", num_images=2000),
)
