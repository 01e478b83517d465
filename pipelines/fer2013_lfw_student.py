"""A small network for phones that learns from a large one as well as from the labels.

Command: python -m kfer.pipeline pipelines/fer2013_lfw_student.py --data-dir DIR
Before: python -m kfer.pipeline pipelines/fer2013_lfw_large.py --data-dir DIR, in the same folder, trains
    the teacher. Any other network that kfer trained on these tasks and images of this size will do:
    --tasks.expression.teachers FILE --tasks.identity.teachers FILE.
Data: as pipelines/fer2013_lfw.py says. The teacher's answers also teach from images without a label.
Time: an epoch of pipelines/fer2013_lfw.py (3 minutes on one slow core) and the teacher's answers to its
    images (ResNet152: half an hour there).
Expect: the outputs and the size of pipelines/fer2013_lfw.py: TFLite files from
    1 MB (int8) to 3.7 MB (float32).
"""

import dataclasses
from pathlib import Path

from kfer.pipeline.config import load_settings
from kfer.settings import PipelineSettings, TuningSettings

# The newest one that was trained.
TEACHER = "pipeline_output/fer2013_lfw_large/Trainer/model/*/Format-Keras/model.keras"

alone: PipelineSettings = load_settings(Path(__file__).with_name("fer2013_lfw.py"))

settings = dataclasses.replace(
    alone,
    name="fer2013_lfw_student",
    tasks={
        name: dataclasses.replace(
            task, teachers=(TEACHER,), distillation_weight=0.5, distillation_temperature=2.0
        )
        for name, task in alone.tasks.items()
    },
    tuning=TuningSettings(trials=0),
)
