"""Faces and voices: clips that kfer draws, of which neither frames nor sound alone tell the class.

Command: python -m kfer.pipeline pipelines/synthetic_clips_fusion.py
With --model.fusion decision, model, frames or sound for the other ways, and for one alone.
"""

from kfer.settings import (
    DataSettings,
    ModelSettings,
    PipelineSettings,
    SourceSettings,
    TaskSettings,
    TrainingSettings,
)

CLASSES = tuple(f"smile_{face}_{voice}" for face in ("comes", "goes") for voice in ("rising", "falling"))

settings = PipelineSettings(
    name="synthetic_clips_fusion",
    tasks={"expression": TaskSettings(names=CLASSES)},
    data=DataSettings(
        sources=(SourceSettings("synthetic_clips", arguments={"voice": "insufficient"}),),
        frames=16,
        sound_seconds=1.0,
    ),
    model=ModelSettings(temporal="gru", fusion="feature"),
    training=TrainingSettings(epochs=12),
)
