"""How good a network is, and whether it may be used."""

from kfer.evaluation.network import evaluate as evaluate
from kfer.evaluation.reports import Blessing as Blessing
from kfer.evaluation.reports import bless as bless
from kfer.evaluation.reports import choose_threshold as choose_threshold
from kfer.evaluation.reports import examples_to_show as examples_to_show
from kfer.evaluation.reports import expression_report as expression_report
from kfer.evaluation.reports import identification_report as identification_report
from kfer.evaluation.reports import verification_report as verification_report
