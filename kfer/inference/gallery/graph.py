"""Whether bytes are a graph that usearch can search: it follows every number in them without a look.

The form of usearch 2.17 to 2.26, little-endian: the vectors, as uint32 their number and length and then
int8; a head of 64 bytes; the numbers of nodes, neighbours and levels, and the node where a search begins;
the level of each node as int16; then each node: its key as uint64, its level, and at each level from 0 on
the number of its neighbours and room for the most, uint32.
"""

import struct

import numpy as np

_SHAPE = struct.Struct("<II")
_HEAD = struct.Struct("<7s3H4B3QB22x")
_SIZES = struct.Struct("<5Q")
# Cosine, int8, uint64 and uint32 in usearch's own numbers.
_KINDS = (99, 23, 14, 15)
_MOST_NEIGHBOURS = 1024
# Nodes that are looked at together.
_PART = 65_536


def check(content: memoryview, num_keys: int, embedding_size: int) -> None:
    """Checks that a search in a graph stays within it, and finds keys that there are.

    Args:
        content: usearch's own format.
        num_keys: How many keys there are: 0, 1, 2 ...
        embedding_size: How many numbers an embedding has.

    Raises:
        ValueError: It is no such graph.
    """
    head_at = _SHAPE.size + num_keys * embedding_size
    levels_at = head_at + _HEAD.size + _SIZES.size
    nodes_at = levels_at + 2 * num_keys
    if len(content) < nodes_at or _SHAPE.unpack_from(content) != (num_keys, embedding_size):
        raise ValueError("its vectors are not those of the gallery")
    magic, *numbers = _HEAD.unpack_from(content, head_at)
    if magic != b"usearch" or tuple(numbers[3:7]) != _KINDS:
        raise ValueError("it is of another kind")
    if numbers[7:] != [num_keys, 0, embedding_size, 0]:
        raise ValueError("its head contradicts the gallery")
    size, most_above, most_at_0, top, entry = _SIZES.unpack_from(content, head_at + _HEAD.size)
    levels = np.frombuffer(content, "<i2", num_keys, levels_at).astype(np.int64)
    if size != num_keys or not num_keys or not 0 < most_above <= most_at_0 <= _MOST_NEIGHBOURS:
        raise ValueError("its sizes contradict one another")
    if levels.min() < 0 or levels.max() != top or entry >= size or levels[entry] != top:
        raise ValueError("its levels contradict one another")
    sizes = 8 + 2 + 4 * (1 + most_at_0) + levels * 4 * (1 + most_above)
    starts = nodes_at + np.cumsum(sizes) - sizes
    if len(content) != nodes_at + sizes.sum():
        raise ValueError("its nodes are cut short or grew")
    whole = np.frombuffer(content, np.uint8)
    keys = _numbers(whole, starts, 1, "<u8")[:, 0]
    if not np.array_equal(np.sort(keys), np.arange(num_keys)):
        raise ValueError("its keys are not those of the gallery")
    if not np.array_equal(_numbers(whole, starts + 8, 1, "<i2")[:, 0], levels):
        raise ValueError("its levels contradict one another")
    for level in range(int(top) + 1):
        most = most_above if level else most_at_0
        offset = 10 + (4 * (1 + most_at_0) + (level - 1) * 4 * (1 + most_above) if level else 0)
        chosen = np.flatnonzero(levels >= level)
        for first in range(0, len(chosen), _PART):
            part = chosen[first : first + _PART]
            _check_neighbours(_numbers(whole, starts[part] + offset, 1 + most, "<u4"), levels, level)


def _check_neighbours(lists: np.ndarray, levels: np.ndarray, level: int) -> None:
    """Of lists that begin with their length: they fit their room, and all are of this level."""
    counts, neighbours = lists[:, 0], lists[:, 1:]
    used = np.arange(neighbours.shape[1]) < counts[:, np.newaxis]
    if (counts > neighbours.shape[1]).any() or (neighbours[used] >= len(levels)).any():
        raise ValueError("a node has neighbours that there are not")
    if (levels[neighbours[used]] < level).any():
        raise ValueError("a node has neighbours of lower levels")


def _numbers(whole: np.ndarray, starts: np.ndarray, count: int, kind: str) -> np.ndarray:
    """Numbers that begin anywhere: `[len(starts), count]`."""
    length = count * np.dtype(kind).itemsize
    windows = np.lib.stride_tricks.sliding_window_view(whole, length)
    return np.ascontiguousarray(windows[starts]).view(kind)
