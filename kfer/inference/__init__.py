"""Running an exported model."""

from kfer.inference.runtime import Runner as Runner
from kfer.inference.runtime import load as load
