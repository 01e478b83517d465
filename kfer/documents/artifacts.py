"""What components hand to each other in JSON, and what studies found."""

from typing import Annotated, Literal

from pydantic import Field

from kfer.documents.fields import Count, Name, Rate
from kfer.documents.models import Alignment, Verification
from kfer.documents.reading import Document

#: What a setting is set to.
Value = str | bool | int | float | None | list[str] | list[int] | list[float]


class Label(Document):
    """What a label's numbers are: as of an output, but names may be unknown yet."""

    kind: Annotated[str, Field(min_length=1)]
    names: list[Name] = []


class ExamplesLabels(Document):
    """`labels.json`: see `kfer.pipeline.artifacts.Examples.labels`."""

    sources: list[Name]
    versions: list[str] | None = None
    labels: dict[Name, Label] = {}
    num_examples: dict[Name, Count] = {}
    num_pairs: Count = 0
    num_identities: Count = 0


class Evaluation(Document):
    """`evaluation.json`, the Evaluator's report: what later components read of it."""

    metrics: dict[Name, float | None]
    judged_on: str | None = None
    threshold: Verification | None = None


class Pushed(Document):
    """`pushed.json`: where the model went, or why it did not go."""

    path: str | None
    reasons: list[str] = []


class AlignedFaces(Document):
    """`alignment.json`: how `kfer align` cut the faces of a folder; see `kfer.inference.folders`.

    An older kfer did not write what it did not have yet.
    """

    crop: Alignment = Alignment()
    size: Annotated[int, Field(ge=8, le=1024)] | None = None
    detector: Name | None = None
    smallest_face: Annotated[float, Field(gt=0)] | None = None
    least_score: Rate | None = None
    weights: str | None = None
    landmarks: Literal["detector", "dense"] = "detector"


class Best(Document):
    """The best trial of a study."""

    values: dict[Name, Value]


class StudyFindings(Document):
    """What `python -m kfer.tuning` writes: the file that `tuning.study` names."""

    best: Best


class BestValues(Document):
    """`best_values.json`, of which each field is a setting."""

    __pydantic_extra__: dict[str, Value]
