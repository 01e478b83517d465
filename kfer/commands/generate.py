"""Draws faces of nobody with a trained generator.

OUT/<expression>/<seed>_<number>.png are the faces, of the same noise in every expression; each file says
that it is generated, and by what. OUT/grid.png shows the first of each expression, and OUT/generated.json
says how all were drawn. The same generator, seed and expression draw the same faces, whatever their
number. Nothing is replaced: OUT must be new or empty.
"""

import argparse
import itertools
import sys
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

import kfer
from kfer import generator as generators
from kfer import spec
from kfer.arguments import whole
from kfer.commands import YES, counted
from kfer.console import after_the_deed
from kfer.files import new_folder, remove_leftovers, write_json
from kfer.generator import Description, Generator
from kfer.media import png
from kfer.media.grids import grid

_LITERT, _SAVED_MODEL = Path(generators.TFLITE).stem, "saved_model"
# Of the pictures of many faces.
_COLUMNS, _ROWS, _STEPS = 16, 8, 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of this command."""
    parser.add_argument(
        "generator",
        nargs="?",
        metavar="MODEL",
        help="a name in saved_models/, a folder, or a .tflite file [the generator that was pushed last]",
    )
    parser.add_argument(
        "--variant",
        choices=(_LITERT, _SAVED_MODEL),
        help="which export of it: generator, for LiteRT, starts at once; saved_model, for TensorFlow, is "
        "quicker from some 3,000 faces on [generator]",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="OUT", help="the folder that the faces go to"
    )
    parser.add_argument(
        "--expression", action="append", metavar="NAME", help="what they show; may be repeated [all]"
    )
    parser.add_argument(
        "--count", type=whole("at least 1"), default=64, metavar="N", help="of each expression [64]"
    )
    parser.add_argument(
        "--seed", type=whole("at least 0"), default=0, help="another one draws other faces [0]"
    )
    parser.add_argument(
        "--identity",
        metavar="NAME",
        help="whom they are drawn after, where the generator is told people [others, at random]",
    )
    parser.add_argument(
        "--interpolate",
        metavar="A,B[,C]",
        help="draw OUT/interpolation.png too, from one expression to the next",
    )


def run(parsed: argparse.Namespace) -> int:
    """Runs it."""
    description = _description(parsed)
    expressions = _expressions(description, parsed.expression)
    between = parsed.interpolate.split(",") if parsed.interpolate else []
    if len(between) == 1:
        raise ValueError(f"--interpolate goes between expressions, A,B; got {parsed.interpolate!r} alone")
    for name in between:
        description.check_class(spec.EXPRESSION, name)
    if parsed.identity is not None:
        description.check_class(spec.IDENTITY, parsed.identity)
    generators.check_room(parsed.out, description, parsed.count, len(expressions))
    _check_new(parsed.out)
    parsed.out.absolute().parent.mkdir(parents=True, exist_ok=True)
    with new_folder(parsed.out.absolute()) as folder:
        loaded = generators.load(description.place)
        start = time.monotonic()
        _draw(loaded, folder, expressions, parsed)
        seconds = time.monotonic() - start
        if between:
            _draw_between(loaded, folder, between, parsed)
    total = parsed.count * len(expressions)
    with after_the_deed():
        print(
            f"{counted(total, 'face')} of {counted(len(expressions), 'expression')} by "
            f"{description.name} in {parsed.out}: {seconds:.1f} s, {total / seconds:,.0f} a second"
        )
    return YES


def _description(parsed: argparse.Namespace) -> Description:
    found = generators.read(generators.find(parsed.generator))
    if found.place.is_dir():
        variant = parsed.variant or _LITERT
        return found if variant == _SAVED_MODEL else generators.read(found.place / generators.TFLITE)
    if parsed.variant:
        raise ValueError(f"{found.place} is one export already; it has no variant {parsed.variant!r}")
    return found


def _expressions(description: Description, asked: list[str] | None) -> list[str]:
    names = list(dict.fromkeys(asked or description.expressions))
    if not names:
        raise ValueError(
            f"the generator {description.name} is told no expressions, and none can be asked for"
        )
    for name in names:
        description.check_class(spec.EXPRESSION, name)
        if Path(name).name != name:
            raise ValueError(f"the expression {name!r} cannot be the name of a folder")
    return names


def _check_new(place: Path) -> None:
    remove_leftovers(place.absolute().parent)
    if place.exists() and not (place.is_dir() and not any(place.iterdir())):
        raise FileExistsError(f"{place} exists and is no empty folder; name another one, or delete it")


def _draw(generator: Generator, folder: Path, expressions: list[str], parsed: argparse.Namespace) -> None:
    shown: dict[str, list[np.ndarray]] = {}
    files: dict[str, list[str]] = {}
    people = generator.people(parsed.count, parsed.seed, parsed.identity)
    with tqdm(total=parsed.count * len(expressions), unit="face", file=sys.stderr) as bar:
        for expression in expressions:
            (folder / expression).mkdir()
            files[expression] = []
            batches = generator.iterate(expression, parsed.count, parsed.seed, people or None)
            for number, image in enumerate(itertools.chain.from_iterable(batches)):
                file = f"{expression}/{parsed.seed}_{number:05d}.png"
                marks = generator.description.marks(parsed.seed) | {"expression": expression}
                marks |= {"identity": people[number]} if people else {}
                (folder / file).write_bytes(png.encoded(image, marks | {"number": str(number)}))
                files[expression].append(file)
                if number < _COLUMNS:
                    shown.setdefault(expression, []).append(image)
                bar.update()
    picture = grid({name: np.stack(images) for name, images in shown.items()}, columns=_COLUMNS)
    (folder / "grid.png").write_bytes(png.encoded(picture, _marks(generator, parsed)))
    write_json(
        folder / "generated.json",
        {
            "generated": True,
            "generator": generator.name,
            "digest": generator.digest,
            "kfer_version": kfer.__version__,
            "seed": parsed.seed,
            "count": parsed.count,
            "identity": parsed.identity,
            "files": files,
        },
    )


def _draw_between(
    generator: Generator, folder: Path, names: list[str], parsed: argparse.Namespace
) -> None:
    drawn = generator.interpolate(names, _STEPS, parsed.seed, _ROWS, parsed.identity)
    # Rows are called as the files of the same noise.
    rows = {f"{parsed.seed}_{number:05d}": images for number, images in enumerate(drawn)}
    headings = {number * _STEPS: name for number, name in enumerate(names)}
    picture = grid(rows, columns=drawn.shape[1], headings=headings)
    (folder / "interpolation.png").write_bytes(png.encoded(picture, _marks(generator, parsed)))


def _marks(generator: Generator, parsed: argparse.Namespace) -> dict[str, str]:
    told = generator.description.marks(parsed.seed)
    return told | ({"identity": parsed.identity} if parsed.identity else {})
