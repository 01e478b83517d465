"""A network's figures on held-out examples."""

import logging
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kfer import spec
from kfer.evaluation import reports
from kfer.input_pipeline import Decoded, DecodedPairs
from kfer.pairs import has_pairs, make_pairs
from kfer.settings import EvaluationSettings

_log = logging.getLogger(__name__)
_BATCH_SIZE = 256
_EXAMPLES_TO_SHOW = 24


def evaluate(
    network: keras.Model,
    test: Decoded,
    validation: Decoded,
    pairs: DecodedPairs | None,
    expressions: Sequence[str],
    settings: EvaluationSettings,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Judges every head that the network has.

    Verification is judged on the dataset's own pairs or, without them, on pairs made of the test
    split's people. The threshold for use is chosen on pairs of the validation split's people.

    Args:
        network: Gives "expression" logits, or "embedding", or both.
        test: Judged on, and used for nothing else.
        validation: Held-out people for the threshold.
        pairs: The dataset's own pairs, of people not trained on.
        expressions: Names of the expression classes, in the order of the logits.
        settings: Rates, folds, seed.

    Returns:
        A JSON-able report with "expression", "verification", "identification" and "threshold" (each
        None where its head or its labels are missing), "metrics" (for each head, the figure that a
        blessing depends on) and "examples" (positions in the test split that are worth showing); and the
        predictions on the test split, "probabilities" and "embedding".
    """
    predictions: dict[str, np.ndarray] = {}
    report: dict[str, Any] = dict.fromkeys(("expression", "verification", "identification", "threshold"))
    report["metrics"] = {}
    report["examples"] = {"right": [], "wrong": []}
    outputs = _predict(network, test.images)
    if spec.EXPRESSION in outputs:
        report["metrics"]["expression_accuracy"] = None
        probabilities = _softmax(outputs[spec.EXPRESSION])
        predictions["probabilities"] = probabilities
        if (test.expression >= 0).any():
            report["expression"] = reports.expression_report(test.expression, probabilities, expressions)
            report["metrics"]["expression_accuracy"] = report["expression"]["accuracy"]
            report["examples"] = reports.examples_to_show(
                test.expression, probabilities, _EXAMPLES_TO_SHOW
            )
    if spec.EMBEDDING in outputs:
        embeddings = predictions["embedding"] = outputs[spec.EMBEDDING]
        verification = _verification(network, embeddings, test, pairs, settings)
        report["verification"] = verification
        report["metrics"]["verification_accuracy"] = verification and verification["accuracy"]
        if has_pairs(test.identity):
            report["identification"] = reports.identification_report(embeddings, test.identity)
        report["threshold"] = _threshold(network, validation, settings)
    return report, predictions


def _verification(
    network: keras.Model,
    embeddings: np.ndarray,
    test: Decoded,
    pairs: DecodedPairs | None,
    settings: EvaluationSettings,
) -> dict[str, Any] | None:
    if pairs is not None:
        embeddings_a, embeddings_b = (
            _predict(network, images)[spec.EMBEDDING] for images in (pairs.images_a, pairs.images_b)
        )
        same, folds = pairs.same, pairs.fold if (pairs.fold >= 0).all() else None
        similarities = np.sum(embeddings_a * embeddings_b, axis=1)
    elif has_pairs(test.identity):
        first, second, same = make_pairs(test.identity, settings.max_pairs, settings.seed)
        similarities, folds = np.sum(embeddings[first] * embeddings[second], axis=1), None
    else:
        _log.warning("  the test split has no two images of one person: verification is not judged")
        return None
    return reports.verification_report(
        similarities, same, folds, settings.folds, settings.false_accept_rates
    )


def _threshold(
    network: keras.Model, validation: Decoded, settings: EvaluationSettings
) -> dict[str, float] | None:
    if not has_pairs(validation.identity):
        _log.warning("  the validation split has no two images of one person: no threshold is chosen")
        return None
    labelled = np.flatnonzero(validation.identity >= 0)
    identities = validation.identity[labelled]
    embeddings = _predict(network, validation.images[labelled])[spec.EMBEDDING]
    first, second, same = make_pairs(identities, settings.max_pairs, settings.seed)
    similarities = np.sum(embeddings[first] * embeddings[second], axis=1)
    return reports.choose_threshold(similarities, same, settings.threshold_false_accept_rate)


def _predict(network: keras.Model, images: np.ndarray) -> dict[str, np.ndarray]:
    parts = [
        network.predict_on_batch(np.asarray(images[start : start + _BATCH_SIZE]))
        for start in range(0, len(images), _BATCH_SIZE)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)
