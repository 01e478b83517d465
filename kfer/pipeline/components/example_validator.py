"""ExampleValidator: what is wrong with the examples."""

import json
from collections.abc import Mapping

from kfer.pipeline.artifacts import ExampleAnomalies, ExampleStatistics, Schema
from kfer.pipeline.component import Input, Output, component
from kfer.settings import DataSettings, TaskSettings


@component()
def example_validator(
    statistics: Input[ExampleStatistics],
    schema: Input[Schema],
    anomalies: Output[ExampleAnomalies],
    data: DataSettings,
    tasks: Mapping[str, TaskSettings],
) -> str:
    """Compares the statistics with the schema; stops the run at errors.

    Raises:
        ValueError: There are anomalies of severity ERROR; the message lists them.
    """
    from kfer import data_validation

    found = data_validation.validate(
        data_validation.load_statistics(statistics.path),
        data_validation.load_schema(schema.path),
        data.max_bad_image_share,
        tasks,
    )
    data_validation.save_anomalies(found, anomalies.path)
    rows = data_validation.anomaly_rows(found)
    (anomalies.path / "anomalies.json").write_text(json.dumps(rows, indent=1))
    errors = [row["description"] for row in rows if row["severity"] == "ERROR"]
    if errors:
        raise ValueError("the examples cannot be trained on: " + "; ".join(errors))
    return f"{len(rows)} anomalies" + "".join(f"\n         {row['description']}" for row in rows[:5])
