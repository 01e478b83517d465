"""What networks that know real faces say of generated ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from kfer import backbones, preprocessing, spec
from kfer.inference import pushed, runtime
from kfer.settings.tasks import CLASSES

#: From images, uint8 [n, size, size, 1 or 3], to features, float32 [n, d].
Features = Callable[[np.ndarray], np.ndarray]

_CHUNK = 512
_INCEPTION, _INCEPTION_SIZE, _INCEPTION_BATCH = "inceptionv3", 299, 32


@dataclass(frozen=True)
class Reading:
    """What a reader says of images.

    Attributes:
        embeddings: float32 [n, d], of length 1.
        probabilities: float32 [n, classes] of the expressions.
    """

    embeddings: np.ndarray
    probabilities: np.ndarray


class Reader:
    """A model of kfer that says of images who they show and what expression.

    Attributes:
        name: What the model is called, with its version.
        fingerprint: Of its weights.
        classes: The expressions in the order of the probabilities.
    """

    def __init__(self, model: Path | str, classes: Sequence[str], folder: Path = pushed.FOLDER) -> None:
        """Loads it.

        Args:
            model: As `kfer.inference.pushed.find` takes it: a version's folder or the folder of a model's
                versions, a `.tflite` file, or a name in `folder` or of a model that ships.
            classes: The expressions in the order that probabilities shall have.
            folder: Where models are pushed to.

        Raises:
            FileNotFoundError: There is no model.
            ValueError: It has learned no identity, other expressions, or clips in place of images.
        """
        try:
            found = pushed.find(model, folder=folder)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"{error}. Generated faces are judged by a model that has learned expressions and "
                "identity: run `python -m kfer.pipeline pipelines/fer2013_lfw.py --data-dir DIR` first"
            ) from error
        self.name, self.fingerprint = found.name, found.fingerprint
        if found.clip_frames:
            raise ValueError(f"expected a model of images; {found.name} takes clips")
        task = found.tasks.get(spec.EXPRESSION, {})
        if task.get("kind") != CLASSES or sorted(task["names"]) != sorted(classes):
            raise ValueError(
                f"expected a model of the generator's expressions, {', '.join(classes)}; {found.name} "
                f"has {', '.join(found.expressions) or 'none'}"
            )
        self.classes = tuple(classes)
        self._columns = [found.expressions.index(name) for name in classes]
        self._runner = runtime.load(found.path)
        if spec.EMBEDDING not in self._runner.output_names:
            raise ValueError(
                f"{found.name} gives no embedding, only {', '.join(self._runner.output_names)}: expected "
                "a model with the task identity, such as pipelines/fer2013_lfw.py trains"
            )

    def __call__(self, images: np.ndarray) -> Reading:
        """Returns what the model says of images.

        Args:
            images: uint8 [n, size, size, 1 or 3] with n > 0; maybe mapped from disk.
        """
        parts = []
        for start in range(0, len(images), _CHUNK):
            rgb = _as_rgb(images[start : start + _CHUNK])
            if self._runner.image_size is not None:
                rgb = np.asarray(preprocessing.resize(rgb, self._runner.image_size))
            parts.append(self._runner(rgb))
        embeddings, probabilities = (
            np.concatenate([part[name] for part in parts]) for name in (spec.EMBEDDING, spec.EXPRESSION)
        )
        return Reading(embeddings, probabilities[:, self._columns])


def scaled(embeddings: np.ndarray) -> np.ndarray:
    """Returns embeddings times the root of their size: their squares are then 1 on average.

    The kernel of `kfer.metrics.kernel_distance` divides products by the size; of embeddings of length 1
    nothing would remain.

    Args:
        embeddings: float [n, d], of length 1.
    """
    return embeddings * np.float32(np.sqrt(embeddings.shape[1]))


def inception(weights: str | None = "imagenet") -> Features:
    """Returns a function from images to the pooled features of Inception v3, float32 [n, 2048].

    Images are scaled to 299 x 299 pixels, bilinear, and from 0..255 to [-1, 1]. The weights are those of
    `keras.applications`: papers use others, so that distances compare with theirs only roughly.

    Args:
        weights: "imagenet", which Keras downloads where it is not there; a file that
            `kfer.pretrained.load_weights` reads; or None for random ones, which tests need.

    Raises:
        FileNotFoundError: The weights are neither there nor can they be downloaded, or there is no such
            file.
        ValueError: The file is damaged or of another network.
    """
    shape = (_INCEPTION_SIZE, _INCEPTION_SIZE, 3)
    try:
        network = backbones.application(_INCEPTION, shape, weights, pooling="avg")
    except Exception as error:
        # Keras raises Exception itself where a download fails.
        if type(error) is not Exception:
            raise
        raise FileNotFoundError(
            f"Inception's weights are not here and cannot be downloaded ({error}): copy their file to "
            "where Keras keeps downloads (~/.keras/models), or set measures.features to embedding, a "
            "model's own, which needs no download"
        ) from error
    predict = tf.function(network, reduce_retracing=True)

    def features(images: np.ndarray) -> np.ndarray:
        found = []
        for start in range(0, len(images), _INCEPTION_BATCH):
            rgb = tf.cast(_as_rgb(images[start : start + _INCEPTION_BATCH]), tf.float32)
            resized = tf.image.resize(rgb, shape[:2], method="bilinear", antialias=True)
            found.append(predict(resized / 127.5 - 1, training=False).numpy())
        return np.concatenate(found)

    return features


def _as_rgb(images: np.ndarray) -> np.ndarray:
    return np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else np.asarray(images)
