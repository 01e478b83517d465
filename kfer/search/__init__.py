"""Searches of settings with Keras Tuner: which values serve best, by metrics of the validation."""

from kfer.search.search import Found as Found
from kfer.search.search import outcomes as outcomes
from kfer.search.search import search as search
from kfer.search.trial import Outcome as Outcome
from kfer.search.trial import Train as Train
