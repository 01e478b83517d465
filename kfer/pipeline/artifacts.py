"""What components hand to each other: typed folders, named and laid out as TFX does."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfer import spec
from kfer.files import read_any_json
from kfer.settings import LabelSettings

if TYPE_CHECKING:
    from kfer.documents.artifacts import Pushed
    from kfer.documents.reading import Kind

#: What to do about an artifact that is damaged.
ADVICE = "run the pipeline again with --no-cache"


@dataclass(frozen=True)
class Artifact:
    """A folder that one execution wrote.

    Attributes:
        path: The folder; while its component runs, a temporary one that nobody else sees.
    """

    path: Path

    def read(self, file: str) -> Any:
        """Returns what one of its files of JSON holds.

        Raises:
            DamagedError: It cannot be read.
        """
        return read_any_json(self.path / file, ADVICE)

    def read_as(self, file: str, kind: "type[Kind]") -> "Kind":
        """Returns the same as a model of `kfer.documents.artifacts`.

        Raises:
            DamagedError: It cannot be read, or a field is wrong.
        """
        from kfer import documents

        return documents.read(self.path / file, kind, ADVICE)


class Examples(Artifact):
    """Encoded images with their labels: a folder for each split, and `labels.json`."""

    def split(self, name: str) -> Path:
        """The folder of a split ("train", "validation", "test", "pairs")."""
        return self.path / f"Split-{name}"

    def labels(self) -> dict[str, Any]:
        """What the labels mean.

        Returns:
            "labels" (of each feature its "kind" and "names"), "sources" (their names), "num_identities"
            (people of the training split, whose labels come first), "num_examples" by split,
            "num_pairs", and "left_out" (of each reason its "source", "reason", "count" and "names", the
            first of them).
        """
        from kfer.documents.artifacts import ExamplesLabels

        return self.read_as("labels.json", ExamplesLabels).content()

    def label_settings(self) -> dict[str, LabelSettings]:
        """What each label is, by feature."""
        return {
            feature: LabelSettings(label["kind"], tuple(label["names"]))
            for feature, label in self.labels()["labels"].items()
        }

    def names(self) -> dict[str, tuple[str, ...]]:
        """The names of classes and numbers by feature, and those of the sources under "source"."""
        names = {feature: label.names for feature, label in self.label_settings().items()}
        return {**names, spec.SOURCE: tuple(self.labels()["sources"])}

    def write_labels(self, labels: Mapping[str, Any]) -> None:
        """Writes what `labels` reads."""
        (self.path / "labels.json").write_text(json.dumps(labels, indent=1))


class TransformedExamples(Examples):
    """Decoded images at the network's size, laid out as `Examples`."""


class ExampleStatistics(Artifact):
    """`FeatureStats.pb` and, for people, `summary.json`."""


class Schema(Artifact):
    """`schema.pbtxt`."""


class ExampleAnomalies(Artifact):
    """`SchemaDiff.pb` and, for people, `anomalies.json`."""


class TransformGraph(Artifact):
    """`transform.json`: how an encoded image becomes the network's input."""


class HyperParameters(Artifact):
    """`best_values.json` and, where trials were made, Keras Tuner's `best_hyperparameters.txt`."""

    def best_values(self) -> dict[str, Any]:
        """Dotted names of settings, with the values that the search found best."""
        from kfer.documents.artifacts import BestValues

        return self.read_as("best_values.json", BestValues).content()

    def write_best_values(self, values: Mapping[str, Any]) -> None:
        """Writes what `best_values` reads."""
        (self.path / "best_values.json").write_text(json.dumps(dict(values), indent=1))


class TunerResults(Artifact):
    """`trials.json`: every trial with its values and metrics."""


class Model(Artifact):
    """`Format-Keras/model.keras` and, made from it, `Format-Serving/`."""

    @property
    def keras_file(self) -> Path:
        """The trained network as Keras saves it."""
        return self.path / "Format-Keras" / "model.keras"


class ModelRun(Artifact):
    """`history.csv` and TensorBoard's event files."""


class ModelEvaluation(Artifact):
    """`evaluation.json` and the predictions on the test split."""

    def report(self) -> dict[str, Any]:
        """The Evaluator's report."""
        from kfer.documents.artifacts import Evaluation

        return self.read_as("evaluation.json", Evaluation).content()


class ModelBlessing(Artifact):
    """An empty file `BLESSED` or `NOT_BLESSED`, and `checks.json`."""

    @property
    def blessed(self) -> bool:
        """Whether the model may be pushed."""
        return (self.path / "BLESSED").exists()


class ServingModel(Artifact):
    """The pushable folder: SavedModel, `.tflite` files, `labels.txt`, `model.json`."""


class InfraBlessing(Artifact):
    """An empty file `INFRA_BLESSED` or `INFRA_NOT_BLESSED`, and `parity.json`."""

    @property
    def blessed(self) -> bool:
        """Whether every export loads in a fresh process and agrees with Keras."""
        return (self.path / "INFRA_BLESSED").exists()


class PushedModel(Artifact):
    """`pushed.json`: where the model went, or why it did not go."""

    def record(self) -> "Pushed":
        """Returns what the file says.

        Raises:
            DamagedError: It cannot be read, or a field is wrong.
        """
        from kfer.documents.artifacts import Pushed

        return self.read_as("pushed.json", Pushed)


#: Every kind of artifact by its name, as the metadata store records it.
TYPES: dict[str, type[Artifact]] = {
    kind.__name__: kind
    for kind in (
        Examples,
        TransformedExamples,
        ExampleStatistics,
        Schema,
        ExampleAnomalies,
        TransformGraph,
        HyperParameters,
        TunerResults,
        Model,
        ModelRun,
        ModelEvaluation,
        ModelBlessing,
        ServingModel,
        InfraBlessing,
        PushedModel,
    )
}
