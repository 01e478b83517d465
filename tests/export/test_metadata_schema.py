import flatbuffers
import pytest
from flatbuffers import number_types
from flatbuffers.table import Table

from kfer.export import metadata_schema

METADATA = {
    "name": "faces",
    "description": "zeigt Gefühle",
    "version": "3",
    "subgraph_metadata": [
        {
            "input_tensor_metadata": [
                {
                    "name": "image",
                    "content": {
                        "content_properties": {
                            "ImageProperties": {
                                "color_space": "RGB",
                                "default_size": {"width": 48, "height": 64},
                            }
                        }
                    },
                    "process_units": [
                        {"options": {"NormalizationOptions": {"mean": [0.0, 1.5, 2.0], "std": [1.0]}}}
                    ],
                    "stats": {"max": [255.0], "min": [0.0]},
                }
            ],
            "output_tensor_metadata": [
                {
                    "name": "expression",
                    "description": "probabilities",
                    "content": {"content_properties": {"FeatureProperties": {}}},
                    "associated_files": [
                        {
                            "name": "labels.txt",
                            "description": "names",
                            "type": "TENSOR_AXIS_LABELS",
                            "locale": "de",
                        }
                    ],
                },
                {"name": "embedding"},
            ],
            "associated_files": [{"name": "read.me", "type": "DESCRIPTIONS"}],
        },
        {},
    ],
    "author": "them",
    "license": "Apache-2.0",
    "associated_files": [{"name": "more.txt"}],
    "min_parser_version": "1.0.0",
}


def place(table, field):
    """Where the field of that number is, by FlatBuffers' own format; the test fails without it."""
    offset = table.Offset(4 + 2 * field)
    assert offset
    return table.Pos + offset


def text(table, field):
    return table.String(place(table, field)).decode()


def inner(table, field):
    return Table(table.Bytes, table.Indirect(place(table, field)))


def items(table, field):
    offset = place(table, field) - table.Pos
    starts = [table.Vector(offset) + 4 * index for index in range(table.VectorLen(offset))]
    return [Table(table.Bytes, table.Indirect(start)) for start in starts]


def numbers(table, field):
    offset = place(table, field) - table.Pos
    return table.GetVectorAsNumpy(number_types.Float32Flags, offset).tolist()


def test_what_was_packed_is_unpacked():
    content = metadata_schema.packed(METADATA)
    assert metadata_schema.unpacked(content) == METADATA
    assert metadata_schema.packed(METADATA) == content


# Field numbers and enumerators from the schema file that MediaPipe publishes, read without kfer's tables.
def test_fields_are_where_the_schema_has_them():
    content = metadata_schema.packed(METADATA)
    assert flatbuffers.util.BufferHasIdentifier(content, 0, b"M001")
    (position,) = number_types.UOffsetTFlags.packer_type.unpack_from(content)
    model = Table(content, position)
    assert [text(model, field) for field in (0, 1, 2, 4, 5, 7)] == [
        *("faces", "zeigt Gefühle", "3", "them", "Apache-2.0", "1.0.0")
    ]
    assert text(items(model, 6)[0], 0) == "more.txt"
    graph, empty = items(model, 3)
    assert [empty.Offset(4 + 2 * field) for field in range(10)] == [0] * 10
    (image,), (expression, embedding) = items(graph, 2), items(graph, 3)
    assert text(items(graph, 4)[0], 0) == "read.me"
    assert [text(tensor, 0) for tensor in (image, expression, embedding)] == [
        *("image", "expression", "embedding")
    ]
    assert text(expression, 1) == "probabilities"

    picture = inner(image, 3)
    assert picture.Get(number_types.Uint8Flags, place(picture, 0)) == 2
    properties = inner(picture, 1)
    assert properties.Get(number_types.Int8Flags, place(properties, 0)) == 1
    size = inner(properties, 1)
    assert [size.Get(number_types.Uint32Flags, place(size, field)) for field in (0, 1)] == [48, 64]
    (unit,) = items(image, 4)
    assert unit.Get(number_types.Uint8Flags, place(unit, 0)) == 1
    options = inner(unit, 1)
    assert (numbers(options, 0), numbers(options, 1)) == ([0.0, 1.5, 2.0], [1.0])
    assert (numbers(inner(image, 5), 0), numbers(inner(image, 5), 1)) == ([255.0], [0.0])

    feature = inner(expression, 3)
    assert feature.Get(number_types.Uint8Flags, place(feature, 0)) == 1
    (labels,) = items(expression, 6)
    assert [text(labels, field) for field in (0, 1, 3)] == ["labels.txt", "names", "de"]
    assert labels.Get(number_types.Int8Flags, place(labels, 2)) == 2


def test_another_flatbuffer_is_refused():
    content = bytearray(metadata_schema.packed(METADATA))
    content[4:8] = b"TFL3"
    with pytest.raises(ValueError, match=r"b'M001' as its bytes 4 to 8; got b'TFL3'"):
        metadata_schema.unpacked(bytes(content))
