"""SchemaGen: what the training examples promise of all examples."""

from kfer.pipeline.artifacts import ExampleStatistics, Schema
from kfer.pipeline.component import Input, Output, component


@component()
def schema_gen(statistics: Input[ExampleStatistics], schema: Output[Schema]) -> str:
    """Infers the schema from the statistics of the training split."""
    from kfer import data_validation

    inferred = data_validation.infer_schema(data_validation.load_statistics(statistics.path))
    data_validation.save_schema(inferred, schema.path)
    return f"{len(inferred.feature)} features"
