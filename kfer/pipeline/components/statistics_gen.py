"""StatisticsGen: what the examples look like."""

import json

from kfer.pipeline.artifacts import Examples, ExampleStatistics
from kfer.pipeline.component import Input, Output, component


@component()
def statistics_gen(examples: Input[Examples], statistics: Output[ExampleStatistics]) -> str:
    """Counts and measures every split in one pass."""
    from kfer import data_validation, input_pipeline

    labels, known = examples.label_settings(), examples.labels()
    further = input_pipeline.further(labels)
    splits = {
        split: input_pipeline.iterate_examples(examples.split(split), further)
        for split in known["num_examples"]
    }
    computed = data_validation.compute_statistics(splits, labels, known["sources"])
    data_validation.save_statistics(computed, statistics.path)
    summary = data_validation.summary(computed)
    (statistics.path / "summary.json").write_text(json.dumps(summary, indent=1))
    counts = ", ".join(f"{count:,} {split}" for split, count in known["num_examples"].items())
    return f"{counts} examples"
