"""What is measured, for each kind of task, and how sure it is. NumPy, SciPy and scikit-learn.

Labels that are missing never count: -1, or nan where labels are real numbers.
"""

from kfer.metrics.bootstrap import LEVEL as LEVEL
from kfer.metrics.bootstrap import Figures as Figures
from kfer.metrics.bootstrap import Interval as Interval
from kfer.metrics.bootstrap import balanced_accuracy_interval as balanced_accuracy_interval
from kfer.metrics.bootstrap import confusion_intervals as confusion_intervals
from kfer.metrics.bootstrap import share_interval as share_interval
from kfer.metrics.classes import PerClass as PerClass
from kfer.metrics.classes import accuracy as accuracy
from kfer.metrics.classes import confusion_matrix as confusion_matrix
from kfer.metrics.classes import macro_f1 as macro_f1
from kfer.metrics.classes import per_class as per_class
from kfer.metrics.confidence import Calibration as Calibration
from kfer.metrics.confidence import calibration as calibration
from kfer.metrics.confidence import expected_calibration_error as expected_calibration_error
from kfer.metrics.generated import Copies as Copies
from kfer.metrics.generated import copies as copies
from kfer.metrics.generated import frechet_distance as frechet_distance
from kfer.metrics.generated import kernel_distance as kernel_distance
from kfer.metrics.generated import nearest as nearest
from kfer.metrics.generated import spread as spread
from kfer.metrics.generated import variety as variety
from kfer.metrics.identification import rank1 as rank1
from kfer.metrics.intervals import accept_intervals as accept_intervals
from kfer.metrics.intervals import class_figures as class_figures
from kfer.metrics.intervals import class_intervals as class_intervals
from kfer.metrics.intervals import label_intervals as label_intervals
from kfer.metrics.intervals import number_intervals as number_intervals
from kfer.metrics.intervals import pair_figures as pair_figures
from kfer.metrics.intervals import pair_intervals as pair_intervals
from kfer.metrics.multi_label import PerLabel as PerLabel
from kfer.metrics.multi_label import per_label as per_label
from kfer.metrics.regression import PerNumber as PerNumber
from kfer.metrics.regression import per_number as per_number
from kfer.metrics.temperature import as_two_classes as as_two_classes
from kfer.metrics.temperature import fit_temperature as fit_temperature
from kfer.metrics.temperature import negative_log_likelihood as negative_log_likelihood
from kfer.metrics.thresholds import FALSE_ACCEPTS_NEEDED as FALSE_ACCEPTS_NEEDED
from kfer.metrics.thresholds import ThresholdAtRate as ThresholdAtRate
from kfer.metrics.thresholds import thresholds_at_rates as thresholds_at_rates
from kfer.metrics.verification import FoldedAccuracy as FoldedAccuracy
from kfer.metrics.verification import Roc as Roc
from kfer.metrics.verification import auc as auc
from kfer.metrics.verification import best_threshold as best_threshold
from kfer.metrics.verification import cosine_similarity as cosine_similarity
from kfer.metrics.verification import equal_error_rate as equal_error_rate
from kfer.metrics.verification import folds_of as folds_of
from kfer.metrics.verification import roc as roc
from kfer.metrics.verification import tar_at_far as tar_at_far
from kfer.metrics.verification import threshold_at_far as threshold_at_far
from kfer.metrics.verification import verification_accuracy as verification_accuracy
from kfer.metrics.votes import Agreement as Agreement
from kfer.metrics.votes import agreement as agreement
from kfer.metrics.votes import top_class as top_class
