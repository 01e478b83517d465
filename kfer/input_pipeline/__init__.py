"""From datasets to batches: sources to unified examples, records, decoded images, batches."""

from kfer.input_pipeline.batches import (
    batch_describer,
    for_evaluation,
    for_training,
    measure_speed,
    share_with_partner,
    steps_per_epoch,
)
from kfer.input_pipeline.decoded import (
    Decoded,
    DecodedPairs,
    has_sound,
    load_decoded,
    load_pairs,
    write_decoded,
    write_decoded_pairs,
)
from kfer.input_pipeline.frames import Frames
from kfer.input_pipeline.ingestion import decode_source, further, reads, write_sources
from kfer.input_pipeline.records import (
    count_records,
    iterate_examples,
    read_examples,
    read_pairs,
    write_examples,
    write_pairs,
)
from kfer.input_pipeline.sources import assign_identities, read_source, to_global

__all__ = [
    "Decoded",
    "DecodedPairs",
    "Frames",
    "assign_identities",
    "batch_describer",
    "count_records",
    "decode_source",
    "for_evaluation",
    "for_training",
    "further",
    "has_sound",
    "iterate_examples",
    "load_decoded",
    "load_pairs",
    "measure_speed",
    "read_examples",
    "read_pairs",
    "read_source",
    "reads",
    "share_with_partner",
    "steps_per_epoch",
    "to_global",
    "write_decoded",
    "write_decoded_pairs",
    "write_examples",
    "write_pairs",
    "write_sources",
]
