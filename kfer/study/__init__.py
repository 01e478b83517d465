"""One pipeline in several variants and with several seeds, compared on one page."""

from kfer.study.settings import ONE_TASK_OR_BOTH as ONE_TASK_OR_BOTH
from kfer.study.settings import StudySettings as StudySettings
