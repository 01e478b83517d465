"""From datasets to batches: sources to unified examples, records, decoded images, batches."""

from kfer.input_pipeline.batches import (
    for_evaluation,
    for_training,
    measure_speed,
    steps_per_epoch,
)
from kfer.input_pipeline.decoded import (
    Decoded,
    DecodedPairs,
    load_decoded,
    load_pairs,
    write_decoded,
    write_decoded_pairs,
)

__all__ = [
    "Decoded",
    "DecodedPairs",
    "for_evaluation",
    "for_training",
    "load_decoded",
    "load_pairs",
    "measure_speed",
    "steps_per_epoch",
    "write_decoded",
    "write_decoded_pairs",
]
