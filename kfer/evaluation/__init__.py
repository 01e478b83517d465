"""How good a network is, and whether it may be used."""

from kfer.evaluation.blessing import Blessing as Blessing
from kfer.evaluation.blessing import bless as bless
from kfer.evaluation.clips import clip_report as clip_report
from kfer.evaluation.identity import choose_threshold as choose_threshold
from kfer.evaluation.identity import identification_report as identification_report
from kfer.evaluation.identity import verification_report as verification_report
from kfer.evaluation.network import evaluate as evaluate
from kfer.evaluation.reports import class_report as class_report
from kfer.evaluation.reports import examples_to_show as examples_to_show
from kfer.evaluation.reports import label_report as label_report
from kfer.evaluation.reports import number_report as number_report
