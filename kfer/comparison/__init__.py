"""Backbones compared fairly: one data set, one schedule, one budget, several seeds, one page."""

from kfer.comparison.settings import ComparisonSettings as ComparisonSettings
