"""Two small generators that nobody trained, exported."""

from pathlib import Path
from unittest import mock

import keras
import numpy as np

from kfer import spec
from kfer.export import generator as exporting
from kfer.export import write_generator
from kfer.generator.networks import open_network
from kfer.models import dcgan
from kfer.settings.generation import DcganSettings

SIZE, NOISE = 32, 8
PEOPLE = ("Ann", "Bob", "Cem")
CLASSES = {"grey": {"expression": spec.EXPRESSIONS}}
CLASSES["colour"] = {"expression": ("happy", "sad"), "identity": PEOPLE}


def build(name: str, dtype_policy: str = "float32", seed: int = 0) -> keras.Model:
    """Of "grey", transposed convolutions and all expressions; "colour" grows by resizing."""
    settings = DcganSettings(
        noise_size=NOISE,
        conditions=tuple(CLASSES[name]),
        generator_widths=(16, 8),
        upsampling="transposed" if name == "grey" else "resize",
    )
    channels = 1 if name == "grey" else 3
    counts = {condition: len(names) for condition, names in CLASSES[name].items()}
    made = dcgan.generator(settings, SIZE, channels, counts, dtype_policy)
    random = np.random.default_rng(seed)
    for variable in made.trainable_variables:
        # Large enough that noise and classes change what is drawn.
        variable.assign(random.normal(scale=0.3, size=variable.shape))
    return made


def export_all(folder: Path) -> None:
    """Writes `folder`/grey/1 and `folder`/colour/1, which was trained in mixed precision."""
    _export(folder, "grey", "float32")
    # Fresh processes are slow, and one generator in them is enough.
    in_this_process = mock.patch.object(
        exporting, "_drawn_in_fresh_process", lambda place, given: open_network(place)(given)
    )
    with in_this_process:
        _export(folder, "colour", "mixed_bfloat16")


def _export(folder: Path, name: str, dtype_policy: str) -> None:
    write_generator(
        folder / name / "1",
        build(name, dtype_policy),
        name,
        CLASSES[name],
        {"fer2013 (kfer_fer2013/1.0.0)": 28_709},
        {"frechet_distance": {"validation": 31.25}},
    )
