"""Random image steps, for training only: batched, and a function of a seed alone."""

from kfer.augmentation.chain import augment, augment_batch
from kfer.augmentation.mixing import MIX, mixed_name

__all__ = ["MIX", "augment", "augment_batch", "mixed_name"]
