"""The FlatBuffer of TFLite's metadata as dictionaries: what kfer needs of metadata_schema.fbs.

TensorFlow ships no code for this schema. Field numbers and enumerators are those of its version 1.5.0;
they never change under one file identifier.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import flatbuffers
from flatbuffers import number_types
from flatbuffers.table import Table

_IDENTIFIER = b"M001"
_ROOT = "ModelMetadata"
_TEXT, _COUNT, _NUMBERS = "string", "uint", "[float]"


@dataclass(frozen=True)
class _Enum:
    names: tuple[str, ...]


@dataclass(frozen=True)
class _Union:
    """One of several tables: a field for which it is, counted from 1, and the next for the table."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class _Many:
    table: str


_FILE_TYPE = _Enum(
    (
        "UNKNOWN",
        "DESCRIPTIONS",
        "TENSOR_AXIS_LABELS",
        "TENSOR_VALUE_LABELS",
        "TENSOR_AXIS_SCORE_CALIBRATION",
        "VOCABULARY",
        "SCANN_INDEX_FILE",
    )
)
_COLOR_SPACE = _Enum(("UNKNOWN", "RGB", "GRAYSCALE"))
_CONTENT_PROPERTIES = _Union(
    ("FeatureProperties", "ImageProperties", "BoundingBoxProperties", "AudioProperties")
)
_PROCESS_UNIT_OPTIONS = _Union(
    (
        "NormalizationOptions",
        "ScoreCalibrationOptions",
        "ScoreThresholdingOptions",
        "BertTokenizerOptions",
        "SentencePieceTokenizerOptions",
        "RegexTokenizerOptions",
    )
)
# Of each table the fields by name: their number, and what they are; a bare name is a table's.
_TABLES: dict[str, dict[str, tuple[int, Any]]] = {
    _ROOT: {
        "name": (0, _TEXT),
        "description": (1, _TEXT),
        "version": (2, _TEXT),
        "subgraph_metadata": (3, _Many("SubGraphMetadata")),
        "author": (4, _TEXT),
        "license": (5, _TEXT),
        "associated_files": (6, _Many("AssociatedFile")),
        "min_parser_version": (7, _TEXT),
    },
    "SubGraphMetadata": {
        "name": (0, _TEXT),
        "description": (1, _TEXT),
        "input_tensor_metadata": (2, _Many("TensorMetadata")),
        "output_tensor_metadata": (3, _Many("TensorMetadata")),
        "associated_files": (4, _Many("AssociatedFile")),
    },
    "TensorMetadata": {
        "name": (0, _TEXT),
        "description": (1, _TEXT),
        "content": (3, "Content"),
        "process_units": (4, _Many("ProcessUnit")),
        "stats": (5, "Stats"),
        "associated_files": (6, _Many("AssociatedFile")),
    },
    "AssociatedFile": {
        "name": (0, _TEXT),
        "description": (1, _TEXT),
        "type": (2, _FILE_TYPE),
        "locale": (3, _TEXT),
    },
    "Content": {"content_properties": (0, _CONTENT_PROPERTIES)},
    "ImageProperties": {"color_space": (0, _COLOR_SPACE), "default_size": (1, "ImageSize")},
    "ImageSize": {"width": (0, _COUNT), "height": (1, _COUNT)},
    "ProcessUnit": {"options": (0, _PROCESS_UNIT_OPTIONS)},
    "NormalizationOptions": {"mean": (0, _NUMBERS), "std": (1, _NUMBERS)},
    "Stats": {"max": (0, _NUMBERS), "min": (1, _NUMBERS)},
}


def packed(metadata: Mapping[str, Any]) -> bytes:
    """Returns the FlatBuffer of a model's metadata.

    Args:
        metadata: The fields of a ModelMetadata by the schema's names: text, numbers, lists of float,
            tables as dictionaries, vectors of tables as lists, enumerators by name, and a union as a
            dictionary from the one table's name to its fields.
    """
    builder = flatbuffers.Builder(1024)
    builder.Finish(_write(builder, _ROOT, metadata), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def unpacked(content: bytes) -> dict[str, Any]:
    """Returns a model's metadata as `packed` takes it; fields that kfer does not know are left out.

    Raises:
        ValueError: It is no FlatBuffer of this schema.
    """
    found = content[4:8]
    if found != _IDENTIFIER:
        raise ValueError(f"TFLite metadata has {_IDENTIFIER!r} as its bytes 4 to 8; got {found!r}")
    (position,) = number_types.UOffsetTFlags.packer_type.unpack_from(content)
    return _read(Table(content, position), _ROOT)


def _write(builder: flatbuffers.Builder, table: str, values: Mapping[str, Any]) -> int:
    fields = _TABLES.get(table, {})
    # What a table refers to is written in front of it.
    offsets: dict[int, int] = {}
    numbers: list[tuple[int, Any, int]] = []
    for name, value in values.items():
        slot, kind = fields[name]
        match kind:
            case _Union(names):
                ((member, member_fields),) = value.items()
                numbers.append((slot, builder.PrependUint8Slot, 1 + names.index(member)))
                offsets[slot + 1] = _write(builder, member, member_fields)
            case _Enum(names):
                numbers.append((slot, builder.PrependInt8Slot, names.index(value)))
            case _ if kind == _COUNT:
                numbers.append((slot, builder.PrependUint32Slot, value))
            case _Many(item):
                offsets[slot] = _write_vector(builder, [_write(builder, item, each) for each in value])
            case _ if kind == _TEXT:
                offsets[slot] = builder.CreateString(value)
            case _ if kind == _NUMBERS:
                builder.StartVector(4, len(value), 4)
                for number in reversed(value):
                    builder.PrependFloat32(number)
                offsets[slot] = builder.EndVector()
            case _:
                offsets[slot] = _write(builder, kind, value)
    slots = [*offsets, *(slot for slot, _, _ in numbers)]
    builder.StartObject(max(slots, default=-1) + 1)
    for slot, prepend, number in numbers:
        prepend(slot, number, 0)
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    return builder.EndObject()


def _write_vector(builder: flatbuffers.Builder, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def _read(table: Table, name: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field, (slot, kind) in _TABLES.get(name, {}).items():
        offset = _offset(table, slot)
        if not offset:
            continue
        place = table.Pos + offset
        match kind:
            case _Union(names):
                member = names[table.Get(number_types.Uint8Flags, place) - 1]
                inner = table.Pos + _offset(table, slot + 1)
                values[field] = {member: _read(Table(table.Bytes, table.Indirect(inner)), member)}
            case _Enum(names):
                values[field] = names[table.Get(number_types.Int8Flags, place)]
            case _ if kind == _COUNT:
                values[field] = table.Get(number_types.Uint32Flags, place)
            case _Many(item):
                values[field] = [
                    _read(Table(table.Bytes, table.Indirect(start)), item)
                    for start in _starts(table, offset)
                ]
            case _ if kind == _TEXT:
                values[field] = table.String(place).decode()
            case _ if kind == _NUMBERS:
                values[field] = [
                    table.Get(number_types.Float32Flags, start) for start in _starts(table, offset)
                ]
            case _:
                values[field] = _read(Table(table.Bytes, table.Indirect(place)), kind)
    return values


def _offset(table: Table, slot: int) -> int:
    """Where a field is, from the table's start; 0 where it is not there."""
    return table.Offset(4 + 2 * slot)


def _starts(table: Table, offset: int) -> range:
    """Where the items of a vector, of 4 bytes each, are."""
    start = table.Vector(offset)
    return range(start, start + 4 * table.VectorLen(offset), 4)
