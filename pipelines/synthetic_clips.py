"""Expressions in time: clips that kfer draws, whose class lies in the order of their frames.

Command: python -m kfer.pipeline pipelines/synthetic_clips.py
"""

from kfer.settings import (
    DataSettings,
    ModelSettings,
    PipelineSettings,
    SourceSettings,
    TaskSettings,
    TrainingSettings,
)

CLASSES = (
    "smile_comes",
    "smile_goes",
    "surprise_comes",
    "surprise_goes",
    "smile_then_surprise",
    "surprise_then_smile",
)

settings = PipelineSettings(
    name="synthetic_clips",
    tasks={"expression": TaskSettings(names=CLASSES)},
    data=DataSettings(sources=(SourceSettings("synthetic_clips"),), frames=16),
    model=ModelSettings(temporal="gru"),
    training=TrainingSettings(epochs=16),
)
