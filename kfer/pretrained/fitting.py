"""Checks that the arrays of a file fit a network before any of them is used."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kfer.pretrained.families import family

_SHOWN = 4
_Shape = tuple[int, ...]


@dataclass(frozen=True)
class Fit:
    """How a file's arrays are matched with a network's.

    Args:
        path: The file, for messages.
        layer_of: Gives the name of the layer that a key belongs to.
        class_axis: The axis of the classifier's kernel that counts classes.
        sum_inputs_of: The layer whose kernel may be summed over its inputs.
        ignore: The classifier's layer.
    """

    path: Path
    layer_of: Callable[[str], str]
    class_axis: int
    sum_inputs_of: str = ""
    ignore: str = ""

    def arrays(self, expected: Mapping[str, _Shape], found: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Returns the file's arrays for the network.

        Args:
            expected: Shapes of the network's arrays by key.
            found: The file's arrays by key: NumPy's, or HDF5's, which are read once.

        Returns:
            A float32 array for each expected key, in its shape.

        Raises:
            ValueError: A key is missing, or one too many; a shape, a type or a value does not fit.
        """
        found = {
            key: array
            for key, array in found.items()
            if key in expected or not self.ignore or self.layer_of(key) != self.ignore
        }
        self._check_keys(expected, found)
        self._check_classes(expected, found)
        return self._checked_values(found, self._summed_axes(expected, found))

    def _check_keys(self, expected: Mapping[str, _Shape], found: Mapping[str, Any]) -> None:
        missing = [key for key in expected if key not in found]
        extra = [key for key in found if key not in expected]
        problems = []
        if missing:
            problems.append(
                f"{len(missing)} of the network's {len(expected)} arrays are not in the file: "
                f"{self._first(missing)}"
            )
        if extra:
            problems.append(
                f"{len(extra)} of the file's {len(found)} arrays are not in the network: "
                f"{self._first(extra)}"
            )
        if problems:
            self._refuse(f"{'; '.join(problems)}. {self._advice(list(expected), list(found))}")

    def _advice(self, expected: list[str], found: list[str]) -> str:
        of_file, of_network = (family([*keys, *map(self.layer_of, keys)]) for keys in (found, expected))
        if of_file and of_file != of_network:
            return (
                f"The file looks like {of_file}, the network like {of_network or 'another one'}: build "
                "the file's network, or take another file"
            )
        return "Build the network with the arguments that the file was made with, or take another file"

    def _check_classes(self, expected: Mapping[str, _Shape], found: Mapping[str, Any]) -> None:
        for key, shape in expected.items():
            came = found[key].shape
            if self.layer_of(key) != self.ignore or len(shape) != 2 or len(came) != 2:
                continue
            here, classes = shape[self.class_axis], came[self.class_axis]
            if classes != here:
                self._refuse(
                    f"the classifier {self.ignore!r} has {classes:,} classes in the file and {here:,} in "
                    f"the network. Build the network with num_classes={classes}, or with 0 to load all "
                    "but the classifier"
                )

    def _summed_axes(self, expected: Mapping[str, _Shape], found: Mapping[str, Any]) -> dict[str, int]:
        """The axis of the inputs of the kernel to sum; anything else must have its shape."""
        summed, wrong = {}, []
        for key, shape in expected.items():
            came = tuple(found[key].shape)
            if came == shape:
                continue
            axes = [axis for axis in range(len(shape)) if came[axis : axis + 1] != shape[axis : axis + 1]]
            three_for_one = [(came[axis : axis + 1], shape[axis]) for axis in axes] == [((3,), 1)]
            if self.layer_of(key) == self.sum_inputs_of and len(came) == len(shape) and three_for_one:
                summed[key] = axes[0]
            else:
                wrong.append(f"{self._label(key)}: expected {shape}, got {came}")
        if wrong:
            self._refuse(
                f"{len(wrong)} arrays have another shape. {'; '.join(wrong[:_SHOWN])}. Build the network "
                "with the arguments that the file was made with, or take another file"
            )
        return summed

    def _checked_values(
        self, found: Mapping[str, Any], summed: Mapping[str, int]
    ) -> dict[str, np.ndarray]:
        values, wrong = {}, []
        for key, array in found.items():
            if array.dtype.kind != "f":
                self._refuse(
                    f"{self._label(key)} is {array.dtype}; expected numbers with a fraction. Quantised "
                    "weights cannot be loaded; take the file that they were made from"
                )
            with np.errstate(over="ignore"):
                value = np.asarray(array[...]).astype(np.float32, copy=False)
            if not np.isfinite(value).all():
                wrong.append(key)
            values[key] = value.sum(summed[key], keepdims=True) if key in summed else value
        if wrong:
            self._refuse(
                f"{len(wrong)} arrays hold NaN or infinite values: {self._first(wrong)}. The training "
                "that wrote them has diverged, or the file is damaged; take an earlier one"
            )
        return values

    def _refuse(self, why: str) -> None:
        raise ValueError(f"{self.path} does not fit the network, which is left as it was: {why}")

    def _first(self, keys: list[str]) -> str:
        shown = ", ".join(self._label(key) for key in keys[:_SHOWN])
        return shown + (" ..." if len(keys) > _SHOWN else "")

    def _label(self, key: str) -> str:
        layer = self.layer_of(key)
        return key[:200] if not layer or key.startswith(layer) else f"{layer[:100]} ({key[:100]})"
