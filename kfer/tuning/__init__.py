"""Studies of hyperparameters: a search of its own, on one machine or several, and one page of results."""

from kfer.tuning.settings import TuningStudySettings as TuningStudySettings
