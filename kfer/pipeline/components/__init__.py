"""The ten components: thin shells over kfer's modules, one function each.

Their files import nothing heavy before the function runs.
"""

from kfer.pipeline.components.evaluator import evaluator
from kfer.pipeline.components.example_gen import example_gen
from kfer.pipeline.components.example_validator import example_validator
from kfer.pipeline.components.infra_validator import infra_validator
from kfer.pipeline.components.pusher import pusher
from kfer.pipeline.components.schema_gen import schema_gen
from kfer.pipeline.components.statistics_gen import statistics_gen
from kfer.pipeline.components.trainer import trainer
from kfer.pipeline.components.transform import transform
from kfer.pipeline.components.tuner import tuner

__all__ = [
    "evaluator",
    "example_gen",
    "example_validator",
    "infra_validator",
    "pusher",
    "schema_gen",
    "statistics_gen",
    "trainer",
    "transform",
    "tuner",
]
