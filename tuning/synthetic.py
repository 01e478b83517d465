"""A study to try the command with: loss weights and learning rate, on faces that kfer draws itself.

Command: python -m kfer.tuning tuning/synthetic.py
    Add --workers 2 for two trials at a time, --retrain to train the best values and those that are set
    with three seeds. It needs matplotlib: pip install 'kfer[plots]'.
Space: the weight of identity beside that of expression, and the learning rate, both on a log scale.
Objective: the mean of expression accuracy and verification accuracy on people not trained on.
Time: eight trials of two epochs, about as long as the default pipeline: three minutes on 2 cores.
Expect: tuning/synthetic/study.html, and the best values in tuning/synthetic.json.
"""

from kfer.settings import ParameterSettings, PipelineSettings, TuningSettings
from kfer.tuning import TuningStudySettings

settings = TuningStudySettings(
    name="synthetic",
    base=PipelineSettings(
        name="synthetic",
        tuning=TuningSettings(
            trials=8,
            epochs=2,
            space={
                "tasks.identity.weight": ParameterSettings(low=0.02, high=0.5, scale="log"),
                "training.learning_rate": ParameterSettings(low=1e-3, high=2e-2, scale="log"),
            },
        ),
    ),
)
