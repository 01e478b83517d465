"""The lines of a recording, which `kfer video --json` writes."""

from typing import Annotated

from pydantic import Field

from kfer.documents.fields import Count, Name, Names, Share, Similarity, TrainedOn
from kfer.documents.reading import Document


class AskedModel(Document):
    """The model that was asked: see `kfer.inference.records.RecordedModel`."""

    name: Name
    fingerprint: Name
    numbers: dict[Name, Names] = {}
    trained_on: TrainedOn = {}


class RecordedFace(Document):
    """A face in a frame: see `kfer.inference.records.face_content`."""

    track: Count
    quality: Share
    expressions: dict[Name, Share]
    name: Name | None
    similarity: Similarity | None
    outputs: dict[Name, list[float | None]] = {}


class RecordedFrame(Document):
    """A line; the first one says the model."""

    frame: Count
    seconds: Annotated[float, Field(ge=0, le=1e9)]
    faces: list[RecordedFace]
    model: AskedModel | None = None
