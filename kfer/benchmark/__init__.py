"""How quick and how large exported models are on this machine, side by side."""

from kfer.benchmark.measurement import Measurement as Measurement
from kfer.benchmark.measurement import measure as measure
from kfer.benchmark.settings import BenchmarkSettings as BenchmarkSettings
from kfer.benchmark.tables import table as table
from kfer.benchmark.tables import write as write
