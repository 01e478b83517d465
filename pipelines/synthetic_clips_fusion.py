"""Faces and voices: clips that kfer draws, of which neither frames nor sound alone tell the class.

Command: python -m kfer.pipeline pipelines/synthetic_clips_fusion.py
With --model.fusion decision, model, frames or sound for the other ways, and for one alone.
Time: about 5 minutes on 2 slow cores. Memory: 1.5 GB.
Expect: expression accuracy above 0.9 of at most 0.941; with frames or sound alone, below 0.6.
"""

from kfer.settings import (
    DataSettings,
    ExportSettings,
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
    # Drawn images show more than ArcFace's square: the whole head.
    export=ExportSettings(face_margin=0.24, face_shift=-0.04),
)
