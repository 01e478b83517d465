"""Four tasks of one small dataset: each of CMU's photographs tells who, which expression, pose and eyes.

Command: python -m kfer.pipeline pipelines/cmu_faces_tasks.py --data-dir DIR
Data: DIR/cmu_faces/faces; docs/datasets.md says where to get it. 624 images of 20 people.
Splits: by people. Twelve are trained on, four validated on, four tested on: every figure is of people who
    were never seen, and verification has people to verify.
Slices: every figure again for each pose, and for eyes that are open or behind sunglasses. Of four people
    that is 32 images a pose; the intervals say how little that is.
Time: four minutes on 2 slow cores that did other work too. Memory: 1.1 GB.
Expect: pose 0.86, eyes 0.94, verification accuracy 0.82; expressions 0.30, hardly more than the 0.25 of
    guessing: those of people who were never seen cannot be learnt from twelve. Of four people all this
    is a tendency, no proof.
"""

from kfer.settings import (
    AugmentationSettings,
    DataSettings,
    EvaluationSettings,
    PipelineSettings,
    SourceSettings,
    TaskSettings,
    TrainingSettings,
    TuningSettings,
)

settings = PipelineSettings(
    name="cmu_faces_tasks",
    tasks={
        "expression": TaskSettings(names=("angry", "happy", "neutral", "sad")),
        "identity": TaskSettings("embedding", weight=0.1, loss_arguments={"margin": 0.2, "scale": 24.0}),
        "pose": TaskSettings(names=("left", "right", "straight", "up")),
        "eyes": TaskSettings(names=("open", "sunglasses")),
    },
    data=DataSettings(sources=(SourceSettings("cmu_faces/people"),)),
    # No flip: it makes left of right.
    augmentation=AugmentationSettings(
        flip=0.0, shift=0.06, rotation=0.12, scale=0.08, brightness=0.15, contrast=0.2
    ),
    training=TrainingSettings(epochs=40, learning_rate=2e-3),
    tuning=TuningSettings(trials=0),
    evaluation=EvaluationSettings(slices=("pose", "eyes")),
)
