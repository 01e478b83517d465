"""What lies beside an export: `model.json`, `thresholds.json` and `generator.json`."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from kfer import knowledge, spec
from kfer.documents.fields import (
    Count,
    Digest,
    FolderName,
    Name,
    Names,
    PathWithin,
    Rate,
    Share,
    Similarity,
    Size,
    TrainedOn,
)
from kfer.documents.reading import Document


class Output(Document):
    """What an output of an export is.

    Attributes:
        kind: Of its numbers.
        names: Of its numbers; none of an embedding's.
        temperature: What fits its probabilities to its accuracy.
    """

    kind: Literal["classes", "soft_classes", "multi_label", "regression", "embedding"]
    names: Names = []
    temperature: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _classes_have_names(self) -> Self:
        if self.kind not in ("regression", "embedding") and not self.names:
            raise ValueError(f"expected names of the {self.kind}; got none")
        return self


class Verification(Document):
    """The threshold that the Evaluator chose: see `kfer.inference.Threshold`."""

    threshold: Similarity
    false_accept_rate: Share | None = None
    measured_false_accept_rate: Share | None = None
    true_accept_rate: Share | None = None


class Alignment(Document):
    """What an export's images show around a face: see `kfer.inference.Crop`."""

    # An unknown one would show faces otherwise than the network was trained on.
    model_config = ConfigDict(extra="forbid")

    margin: Annotated[float, Field(ge=-0.3, le=2)] = 0.0
    shift: Annotated[float, Field(ge=-0.5, le=0.5)] = 0.0


class Clip(Document):
    """Of a network of clips: the frames that it takes at once, and the numbers in its state."""

    frames: Size
    state_size: Size | None = None


class Figure(Document):
    """A figure of the Evaluator's with its interval."""

    task: Name
    figure: Name
    value: float
    low: float | None = None
    high: float | None = None
    on: str = ""


class Parity(Document):
    """How an export compares with the network."""

    top_class_agreement: Share | None = None
    accuracy_change: float | None = None
    verification_accuracy_change: float | None = None
    embedding_cosine_min: float | None = None


class PushedFile(Document):
    """A file of an export."""

    sha256: Digest
    bytes: Count


class ModelDescription(Document):
    """`model.json`: what a user of an export must know; see `kfer.export.write_model_json`."""

    name: FolderName
    weights: Name
    tasks: dict[Name, Output]
    kfer_version: str | None = None
    commit: str | None = None
    image_size: Size | None = None
    channels: Literal[1, 3] | None = None
    expressions: Names = []
    embedding_size: Size | None = None
    alignment: Alignment = Alignment()
    training_images: dict[Name, Count] = {}
    trained_on: TrainedOn = {}
    datasets: dict[Name, str] = {}
    license: str = ""
    data_license: str = ""
    pretrained_on: str = ""
    limits: str = ""
    intended_use: str = ""
    verification: Verification | None = None
    metrics: dict[Name, float | None] = {}
    figures: list[Figure] = []
    parity: dict[Name, Parity] = {}
    clip: Clip | None = None
    files: dict[PathWithin, PushedFile] = {}

    @property
    def kinds(self) -> dict[str, float]:
        """The share of each kind of training images; an older kfer said only what the sources were."""
        return self.trained_on or knowledge.trained_on(self.training_images, self.datasets)

    @field_validator("tasks")
    @classmethod
    def _says_something(cls, tasks: dict[str, Output]) -> dict[str, Output]:
        if not tasks:
            raise ValueError("expected at least one task; got none")
        return tasks

    @model_validator(mode="after")
    def _expressions_agree(self) -> Self:
        task = self.tasks.get(spec.EXPRESSION)
        if self.expressions and (task is None or task.names != self.expressions):
            raise ValueError(
                f"expressions: expected the names of tasks.{spec.EXPRESSION}, "
                f"{[] if task is None else task.names}; got {self.expressions}"
            )
        return self


class Interval(Document):
    """A figure and where 95 % of its resamples are."""

    value: float
    low: float | None = None
    high: float | None = None


class ThresholdInterval(Interval):
    """That of a threshold; its ends may be beyond [-1, 1] where no pair is."""

    value: Similarity


class ShareInterval(Interval):
    """That of a share."""

    value: Share


class CalibratedThreshold(Document):
    """A threshold that `kfer calibrate` found for a false accept rate."""

    false_accept_rate: Rate
    threshold: ThresholdInterval
    true_accept_rate: ShareInterval
    measured_false_accept_rate: ShareInterval
    reliable: bool = True


class Calibration(Document):
    """`thresholds.json`: the thresholds of a model on its user's pairs, the preferred one first."""

    weights: Name
    thresholds: Annotated[list[CalibratedThreshold], Field(min_length=1)]
    num_genuine: Count | None = None
    num_impostor: Count | None = None
    pairs: str | None = None


class GeneratorDescription(Document):
    """`generator.json`: see `kfer.generator.Description`."""

    name: FolderName
    weights: Name
    image_size: Size
    channels: Literal[1, 3]
    noise_size: Size
    classes: dict[Name, Annotated[Names, Field(min_length=1)]]
    files: dict[PathWithin, PushedFile]
