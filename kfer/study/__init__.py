"""Multi-task learning studied: one pipeline in several variants, several seeds, one page."""

from kfer.study.settings import ONE_TASK_OR_BOTH as ONE_TASK_OR_BOTH
from kfer.study.settings import StudySettings as StudySettings
