"""Damages of files: of their bytes, of what is written in them, and of what lies in archives."""

import csv
import gzip
import io
import json
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

Generator = np.random.Generator
Mutation = Callable[[bytes, Generator], bytes]
_EXTREMES = [0, 1, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1]
_TEXTS = [
    "",
    " ",
    "\0",
    "\x1b[2J",
    "../../outside",
    "/etc/passwd",
    "nan",
    "-1",
    "9" * 400,
    "é",
    "\ud800",
    "x" * 70_000,
]
_VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 1e308, float("nan"), float("inf"), 10**30, [], {}, [[]], {"a": 1}),
    *_TEXTS,
]


def damaged_bytes(content: bytes, generator: Generator) -> bytes:
    """Bytes flipped, set, cut, doubled, moved or made up, one to four times."""
    numbers = bytearray(content)
    for _ in range(int(generator.integers(1, 5))):
        if not numbers:
            break
        # Half of the places are near one of the ends, where most formats say what they hold.
        size = len(numbers)
        near = min(size, 512)
        place = int(generator.integers(size))
        if generator.random() < 0.5:
            place = (
                int(generator.integers(near))
                if generator.random() < 0.5
                else size - 1 - int(generator.integers(near))
            )
        length = int(min(2 ** generator.integers(0, 12), size - place))
        match int(generator.integers(9)):
            case 0 | 1:
                numbers[place] ^= 1 << int(generator.integers(8))
            case 2:
                number = _EXTREMES[generator.integers(len(_EXTREMES))]
                width = int(generator.choice([1, 2, 4, 8]))
                order = "little" if generator.random() < 0.5 else "big"
                numbers[place : place + width] = (number % 2 ** (8 * width)).to_bytes(width, order)  # type: ignore[arg-type]
            case 3:
                del numbers[place:]
            case 4:
                del numbers[place : place + length]
            case 5:
                numbers[place:place] = numbers[place : place + length]
            case 6:
                other = int(generator.integers(size))
                block = numbers[place : place + length]
                numbers[place : place + length] = numbers[other : other + length]
                numbers[other : other + length] = block
            case 7:
                numbers[place : place + length] = generator.bytes(length)
            case _:
                numbers[place : place + length] = bytes([int(generator.choice([0, 255, 32]))]) * length
    return bytes(numbers)


def damaged_json(content: bytes, generator: Generator) -> bytes:
    """One to three values of JSON, or of one of its lines, replaced, left out or doubled; else bytes."""
    if generator.random() < 0.4:
        return damaged_bytes(content, generator)
    lines = content.decode().splitlines() if b"\n{" in content else [content.decode()]
    index = int(generator.integers(len(lines)))
    value = json.loads(lines[index])
    for _ in range(int(generator.integers(1, 4))):
        value = _replaced(value, generator)
    if generator.random() < 0.02:
        lines[index] = "[" * 100_000
    else:
        lines[index] = json.dumps(value, ensure_ascii=bool(generator.random() < 0.5))
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _replaced(value: Any, generator: Generator) -> Any:
    if not isinstance(value, dict | list) or not value or generator.random() < 0.15:
        return _VALUES[generator.integers(len(_VALUES))]
    if isinstance(value, dict):
        key = list(value)[generator.integers(len(value))]
        choice = generator.random()
        if choice < 0.15:
            return {name: each for name, each in value.items() if name != key}
        if choice < 0.25:
            return value | {_TEXTS[generator.integers(len(_TEXTS))]: value[key]}
        return value | {key: _replaced(value[key], generator)}
    index = int(generator.integers(len(value)))
    choice = generator.random()
    if choice < 0.15:
        return value[:index] + value[index + 1 :]
    if choice < 0.25:
        return value * 50
    return [*value[:index], _replaced(value[index], generator), *value[index + 1 :]]


def damaged_csv(content: bytes, generator: Generator) -> bytes:
    """One to three cells or rows of a table replaced, left out, doubled or quoted badly; else bytes."""
    if generator.random() < 0.4:
        return damaged_bytes(content, generator)
    rows = [row for row in csv.reader(io.StringIO(content.decode())) if row]
    for _ in range(int(generator.integers(1, 4))):
        row = rows[generator.integers(len(rows))]
        if not row:
            continue
        cell = int(generator.integers(len(row)))
        match int(generator.integers(6)):
            case 0:
                del row[cell]
            case 1:
                row.extend(row)
            case 2:
                row[cell] += '"'
            case 3:
                rows.append(list(row))
            case _:
                row[cell] = _TEXTS[generator.integers(len(_TEXTS))]
    separator = str(generator.choice([",", ";", "\t"], p=[0.8, 0.1, 0.1]))
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows(rows)
    coding = str(generator.choice(["utf-8", "utf-8-sig", "utf-16"], p=[0.8, 0.1, 0.1]))
    return text.getvalue().encode(coding, "surrogatepass")


def damaged_zip(content: bytes, generator: Generator) -> bytes:
    """A member of a zip damaged, so that all checksums fit; else bytes."""
    if generator.random() < 0.4:
        return damaged_bytes(content, generator)
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(written, "w") as new:
        names = old.namelist()
        chosen = names[generator.integers(len(names))]
        for name in names:
            part = old.read(name)
            if name == chosen:
                part = damaged_bytes(part, generator)
                if generator.random() < 0.2:
                    name = ["../outside", "/outside", "a\0b", "x" * 5000, "C:\\outside", "a/" * 300][
                        generator.integers(6)
                    ]
            new.writestr(zipfile.ZipInfo(name), part)
    return written.getvalue()


def damaged_gzip(content: bytes, generator: Generator) -> bytes:
    """What is in a gzip damaged, so that its checksum fits; else bytes."""
    if generator.random() < 0.3:
        return damaged_bytes(content, generator)
    return gzip.compress(damaged_tar(gzip.decompress(content), generator), 1)


def damaged_tar(content: bytes, generator: Generator) -> bytes:
    """Bytes of a tar damaged, and the checksums of its headers mended."""
    numbers = bytearray(damaged_bytes(content, generator))
    if generator.random() < 0.3:
        return bytes(numbers)
    for place in range(0, len(numbers) - 511, 512):
        header = numbers[place : place + 512]
        if header[257:262] == b"ustar":
            total = sum(header) - sum(header[148:156]) + 8 * 32
            numbers[place + 148 : place + 156] = b"%06o\0 " % total
    return bytes(numbers)


def damaged_sums(find: Callable[[bytes], bytes]) -> Mutation:
    """Returns damage of bytes after which, mostly, a file's own checksums are made to fit."""

    def damaged(content: bytes, generator: Generator) -> bytes:
        changed = damaged_bytes(content, generator)
        if generator.random() < 0.3:
            return changed
        try:
            return find(changed)
        except (ValueError, struct.error):
            return changed

    return damaged
