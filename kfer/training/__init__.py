"""From an untrained network and batches to a trained network and its history."""

from kfer.training.devices import connect as connect
from kfer.training.features import FeatureCache as FeatureCache
from kfer.training.fit import SCORE as SCORE
from kfer.training.fit import MakeBatches as MakeBatches
from kfer.training.fit import train as train
from kfer.training.labels import check_labels as check_labels
from kfer.training.labels import class_counts as class_counts
from kfer.training.stages import ParameterCounts as ParameterCounts
from kfer.training.stages import parameter_counts as parameter_counts
from kfer.training.stopping import best_epoch as best_epoch
from kfer.training.validation import validation_figures as validation_figures
