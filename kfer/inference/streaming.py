"""Runs an exported network of clips frame by frame; its caller keeps the state of what it has seen."""

import abc
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kfer import forks, spec
from kfer.documents.models import ModelDescription
from kfer.inference import proof, runtime

#: Beside the TFLite files of a network of clips, which make features of a frame: what goes from there on.
STEP_FILE = f"{spec.STEP}.tflite"


@dataclass(frozen=True, eq=False)
class State:
    """What a network of clips has seen so far.

    Attributes:
        values: float32 `[n, state_size]`.
        model: The fingerprint of the network whose state it is.
    """

    values: np.ndarray
    model: str


class Stream(runtime.Runner):
    """A loaded network of clips. Called with images, it takes each for a clip of one frame.

    Attributes:
        state_size: Numbers in a state.
        fingerprint: The same of all exports of one network.
    """

    state_size: int
    fingerprint: str
    _batch_size = 64

    def _run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        return self.step(images, self.start(len(images)))[0]

    def start(self, number: int = 1) -> State:
        """Returns the state of so many clips before their first frame."""
        return State(np.zeros((number, self.state_size), np.float32), self.fingerprint)

    def step(self, images: np.ndarray, state: State) -> tuple[dict[str, np.ndarray], State]:
        """Returns what the network says of clips up to a frame of each, and the state behind it.

        Where a face was not found there is no frame: make no step with one.

        Args:
            images: RGB uint8 `[n, height, width, 3]`, the next frame of each clip, or one for all.
            state: From `start` or the step before.

        Returns:
            float32 `[n, k]` by the output's name, as `kfer.inference.Runner` gives them, and the state.

        Raises:
            ValueError: The images have another type or shape than the network takes, or the state is of
                another number of clips or of another network.
        """
        self.check_process()
        if state.model != self.fingerprint or state.values.shape[1:] != (self.state_size,):
            raise ValueError(
                f"expected a state of this network, [n, {self.state_size}]; got one of "
                f"{list(state.values.shape)} of "
                + ("this one" if state.model == self.fingerprint else "another network")
                + ": begin with start()"
            )
        if len(images) not in (1, len(state.values)):
            raise ValueError(
                f"expected a frame of each of the state's {len(state.values)} clips; got {len(images)}"
            )
        outputs, values = self._step(images, state.values)
        return outputs, State(values, self.fingerprint)

    def of_clip(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        """Returns what the network says of a clip, float32 `[k]` by the output's name.

        Args:
            frames: RGB uint8 `[frames, height, width, 3]`; those of 0 alone are none.

        Raises:
            ValueError: No frame is one.
        """
        state, outputs = self.start(), None
        for frame in frames:
            if frame.any():
                outputs, state = self.step(frame[np.newaxis], state)
        if outputs is None:
            raise ValueError("expected a clip with at least one frame that is not all 0; it has none")
        return {name: values[0] for name, values in outputs.items()}

    @abc.abstractmethod
    def _step(self, images: np.ndarray, state: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """The outputs and the next state."""


def load_stream(path: Path | str) -> Stream:
    """Returns the network of clips in a SavedModel's folder, or of a TFLite file with step.tflite beside.

    Raises:
        FileNotFoundError: There is nothing at this path, or no step.tflite beside the file.
        ValueError: What is there is no network of clips that kfer exported.
    """
    path = Path(path)
    runtime.check_kind(path)
    step = None if path.is_dir() else path.with_name(STEP_FILE)
    if step and not step.exists():
        raise FileNotFoundError(f"{path} is no network of clips, or its {STEP_FILE} is missing beside it")
    described = proof.checked(path, step)
    stream = open_checked(path, described)
    runtime.check_fits(path, described, stream)
    return stream


def open_checked(path: Path, described: ModelDescription | None = None) -> Stream:
    """Returns the same network of an export that is known to be whole: damaged ones may end Python."""
    return (_SavedModelStream if path.is_dir() else _TFLiteStream)(path, described)


class _SavedModelStream(Stream):
    def __init__(self, path: Path, described: ModelDescription | None) -> None:
        forks.check_tensorflow()
        import tensorflow as tf

        try:
            self._model, self._signature = runtime.load_signature(path, spec.STEP)
        except ValueError as error:
            raise ValueError(
                f"{path} cannot be asked frame by frame, nor about pictures; a network that hears sound, "
                f"or needs frames that come later, takes whole clips: {error}"
            ) from error
        self._to_tensor = tf.constant
        self.image_size = None
        names = set(self._signature.structured_outputs) - {spec.STATE}
        self.output_names = tuple(sorted(names))
        outputs = self._signature.structured_outputs
        self.output_sizes = {name: outputs[name].shape[-1] for name in names}
        self.state_size = int(self._signature.structured_input_signature[1][spec.STATE].shape[1])
        self.fingerprint = _fingerprint(described, path / "variables" / "variables.index")

    def _step(self, images: np.ndarray, state: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        shown = np.broadcast_to(images, (len(state), *images.shape[1:]))
        said = self._signature(images=self._to_tensor(shown), state=self._to_tensor(state))
        outputs = {name: said[name].numpy() for name in self.output_names}
        return outputs, said[spec.STATE].numpy()


class _TFLiteStream(Stream):
    def __init__(self, path: Path, described: ModelDescription | None) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._encoder = runtime.open_checked(path)
        if self._encoder.output_names != (spec.FEATURES,):
            raise ValueError(
                f"{path} makes no features of frames, but {', '.join(self._encoder.output_names)}: it is "
                "no network of clips"
            )
        beside = path.with_name(STEP_FILE)
        # Held: the signature's tensors live in it.
        self._interpreter = Interpreter(model_content=beside.read_bytes())
        self._signature = self._interpreter.get_signature_runner(spec.STEP)
        details: Mapping[str, Any] = self._signature.get_input_details()
        self.image_size = self._encoder.image_size
        outputs = self._signature.get_output_details()
        self.output_names = tuple(sorted(set(outputs) - {spec.STATE}))
        self.output_sizes = {name: int(outputs[name]["shape"][-1]) for name in self.output_names}
        self.state_size = int(details[spec.STATE]["shape"][1])
        self.fingerprint = _fingerprint(described, beside)

    def _step(self, images: np.ndarray, state: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        features = self._encoder(images)[spec.FEATURES]
        features = np.broadcast_to(features, (len(state), *features.shape[1:]))
        said = [
            self._signature(features=one[np.newaxis], state=held[np.newaxis])
            for one, held in zip(features, state, strict=True)
        ]
        outputs = {name: np.concatenate([each[name] for each in said]) for name in self.output_names}
        return outputs, np.concatenate([each[spec.STATE] for each in said])


def _fingerprint(described: ModelDescription | None, file: Path) -> str:
    """Of the weights, as model.json says; else of a file that no other network has."""
    return hashlib.sha256(file.read_bytes()).hexdigest() if described is None else described.weights
