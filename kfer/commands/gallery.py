"""Lists the people of a gallery, or deletes one: no byte of them stays in the file."""

import argparse
from pathlib import Path

from kfer.commands import YES, counted, options, print_json, print_table
from kfer.console import after_the_deed
from kfer.inference.gallery import Gallery


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of this command."""
    options.add_gallery(parser)
    parser.add_argument("--remove", metavar="NAME", help="delete this person")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(parsed: argparse.Namespace) -> int:
    """Runs it."""
    path = Path(parsed.gallery)
    gallery = Gallery.load(path)
    if parsed.remove is not None:
        with Gallery.edit(path, gallery.model, gallery.embedding_size) as changed:
            try:
                count = changed.remove(parsed.remove)
            except KeyError as error:
                raise ValueError(error.args[0]) from None
        with after_the_deed():
            print(f"{parsed.remove}: {counted(count, 'template')} deleted")
        return YES
    if parsed.json:
        print_json({"model": gallery.model, "people": gallery.templates})
    elif gallery.names:
        print_table(["name", "templates"], [[name, str(n)] for name, n in gallery.templates.items()])
    else:
        print(f"nobody is enrolled in {path}")
    return YES
