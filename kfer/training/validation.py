"""How good the network is after each epoch."""

import logging

import keras
import numpy as np
import tensorflow as tf

from kfer import metrics, spec
from kfer.input_pipeline import Decoded
from kfer.pairs import has_pairs, make_pairs

_BATCH_SIZE = 256
_log = logging.getLogger(__name__)


class Validation:
    """Expression accuracy, and verification of people who are not trained on.

    Args:
        model: A multi-task network.
        examples: The validation split. People whose number is below the network's number of
            identities are trained on, and left out.
        max_pairs: Most pairs that are verified, half of them genuine.
        seed: Seeds the choice of pairs.
    """

    def __init__(self, model: keras.Model, examples: Decoded, max_pairs: int, seed: int) -> None:
        self._model, self._examples = model, examples
        self._labelled = np.zeros(0, np.int64)
        if spec.EXPRESSION in model.output:
            self._labelled = np.flatnonzero(examples.expression >= 0)
            if not len(self._labelled):
                _log.warning("no validation example has an expression label: no accuracy each epoch")
        self._first = self._second = np.zeros(0, np.int64)
        if spec.EMBEDDING in model.output:
            held_out = np.where(
                examples.identity >= model.output[spec.IDENTITY].shape[-1], examples.identity, -1
            )
            if has_pairs(held_out):
                self._first, self._second, _ = make_pairs(held_out, max(2, max_pairs), seed)
            else:
                _log.warning(
                    "the validation split has no two images of one held-out person and one of "
                    "another: no verification accuracy each epoch"
                )
        self._same = examples.identity[self._first] == examples.identity[self._second]
        # The cosines with all people who are trained on are of no use here.
        outputs = {name: output for name, output in model.output.items() if name != spec.IDENTITY}
        self._predict = tf.function(keras.Model(model.input, outputs), reduce_retracing=True)

    def __call__(self) -> dict[str, float]:
        """Returns the figures that the split has labels for.

        They are "val_expression_accuracy", "val_expression_macro_f1" and
        "val_verification_accuracy" (with the threshold that is best on the very pairs: a figure to
        compare epochs and trials by, not to publish).
        """
        needed = np.unique(np.concatenate([self._labelled, self._first, self._second]))
        outputs = self._outputs(needed) if len(needed) else {}
        figures = {}
        if len(self._labelled):
            labels = self._examples.expression[self._labelled]
            logits = outputs[spec.EXPRESSION][np.searchsorted(needed, self._labelled)]
            confusion = metrics.confusion_matrix(labels, logits.argmax(-1), logits.shape[-1])
            figures["val_expression_accuracy"] = float(np.trace(confusion) / confusion.sum())
            figures["val_expression_macro_f1"] = metrics.macro_f1(confusion)
        if len(self._first):
            first, second = (
                outputs[spec.EMBEDDING][np.searchsorted(needed, side)]
                for side in (self._first, self._second)
            )
            similarities = metrics.cosine_similarity(first, second)
            accepted = similarities >= metrics.best_threshold(similarities, self._same)
            figures["val_verification_accuracy"] = float(np.mean(accepted == self._same))
        return figures

    def _outputs(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        batches = []
        for start in range(0, len(indices), _BATCH_SIZE):
            images = self._examples.images[indices[start : start + _BATCH_SIZE]]
            outputs = self._predict(tf.cast(images, tf.float32), training=False)
            batches.append({name: value.numpy() for name, value in outputs.items()})
        return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
