"""What a user can set: one frozen dataclass a stage, with its defaults and allowed values.

This folder imports nothing but the standard library, so that a run whose results are all cached, and
``--help``, never wait for TensorFlow. Each stage's function takes its own dataclass, whether or not a
pipeline runs it.
"""

from kfer.settings.augmentation import AugmentationSettings as AugmentationSettings
from kfer.settings.data import DataSettings as DataSettings
from kfer.settings.data import SourceSettings as SourceSettings
from kfer.settings.evaluation import EvaluationSettings as EvaluationSettings
from kfer.settings.export import ExportSettings as ExportSettings
from kfer.settings.generation import AdversarialSettings as AdversarialSettings
from kfer.settings.generation import DcganSettings as DcganSettings
from kfer.settings.model import ModelSettings as ModelSettings
from kfer.settings.pipeline import PipelineSettings as PipelineSettings
from kfer.settings.sampling import SamplingSettings as SamplingSettings
from kfer.settings.tasks import LabelSettings as LabelSettings
from kfer.settings.tasks import TaskSettings as TaskSettings
from kfer.settings.tasks import active as active
from kfer.settings.tasks import default_tasks as default_tasks
from kfer.settings.tasks import labels_of as labels_of
from kfer.settings.training import FineTuningStage as FineTuningStage
from kfer.settings.training import TrainingSettings as TrainingSettings
from kfer.settings.tuning import MetricSettings as MetricSettings
from kfer.settings.tuning import ParameterSettings as ParameterSettings
from kfer.settings.tuning import TuningSettings as TuningSettings
