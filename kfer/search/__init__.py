"""Searches of settings with Keras Tuner: which values serve best, by metrics of the validation."""

from kfer.search.claim import check_settings as check_settings
from kfer.search.cluster import Cluster as Cluster
from kfer.search.search import AllFailedError as AllFailedError
from kfer.search.search import Found as Found
from kfer.search.search import begin as begin
from kfer.search.search import histories as histories
from kfer.search.search import judged_by as judged_by
from kfer.search.search import outcomes as outcomes
from kfer.search.search import search as search
from kfer.search.search import wait_for_chief as wait_for_chief
from kfer.search.search import work as work
from kfer.search.trial import Outcome as Outcome
from kfer.search.trial import Train as Train
