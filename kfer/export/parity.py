"""How far an export is from Keras, and whether that is near enough."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from kfer import spec
from kfer.settings import ExportSettings

SAVED_MODEL = "saved_model"
_FLOAT_EXPORTS = (SAVED_MODEL, "float32")
# A share of images is compared with a setting that was typed in decimals.
_ROUNDING = 1e-9


def parity_report(
    reference: Mapping[str, np.ndarray],
    outputs: Mapping[str, np.ndarray],
    labels: np.ndarray | None,
) -> dict[str, int | float | None]:
    """Returns how an export's outputs differ from Keras's on the same images.

    Args:
        reference: `keras_outputs`: "expression" probabilities `[n, num_expressions]`, "embedding"
            L2-normalised `[n, embedding_size]`, either or both.
        outputs: The export's, of the same names and shapes.
        labels: Expression labels, int `[n]`, -1 where missing; None where there are none.

    Returns:
        "num_images"; of the probabilities "max_probability_difference",
        "mean_probability_difference" and "top_class_agreement", in [0, 1]; on labelled images
        "accuracy", "reference_accuracy" and "accuracy_change" (negative: the export is worse); of
        the embeddings "embedding_cosine_min" and "embedding_cosine_mean", the cosines between each
        image's two embeddings as they come (an export that does not normalise is seen). A figure
        whose task or labels are missing is None.

    Raises:
        ValueError: Names or shapes differ, or there are no images.
    """
    _check_comparable(reference, outputs)
    report: dict[str, int | float | None] = dict.fromkeys(
        (
            "num_images",
            "max_probability_difference",
            "mean_probability_difference",
            "top_class_agreement",
            "accuracy",
            "reference_accuracy",
            "accuracy_change",
            "embedding_cosine_min",
            "embedding_cosine_mean",
        )
    )
    report["num_images"] = len(next(iter(reference.values())))
    if spec.EXPRESSION in reference:
        report |= _compare_probabilities(reference[spec.EXPRESSION], outputs[spec.EXPRESSION], labels)
    if spec.EMBEDDING in reference:
        cosines = np.sum(reference[spec.EMBEDDING] * outputs[spec.EMBEDDING], axis=-1)
        report["embedding_cosine_min"] = float(cosines.min())
        report["embedding_cosine_mean"] = float(cosines.mean())
    return report


def check_parity(reports: Mapping[str, Mapping[str, Any]], settings: ExportSettings) -> list[str]:
    """Returns why the exports are not near enough to Keras; empty where they are.

    The SavedModel and float32 TFLite must keep every probability and every embedding's cosine
    within `max_probability_difference`; int8 must keep its accuracy on labelled images within
    `max_accuracy_drop`. Other variants are only reported.

    Args:
        reports: The `parity_report` of each export, under "saved_model" or the TFLite variant.
        settings: The limits.
    """
    limit = settings.max_probability_difference
    reasons = []
    for name in _FLOAT_EXPORTS:
        report = reports.get(name, {})
        difference = report.get("max_probability_difference")
        cosine = report.get("embedding_cosine_min")
        # "not <=" also catches what is not a number.
        if difference is not None and not difference <= limit:
            reasons.append(
                f"{name}: a probability differs from Keras by {difference:.2g}; at most {limit:g} "
                "is allowed (export.max_probability_difference)"
            )
        if cosine is not None and not abs(1 - cosine) <= limit:
            reasons.append(
                f"{name}: an embedding's cosine with Keras's is {cosine:.6g}; at most {limit:g} "
                "from 1 is allowed (export.max_probability_difference)"
            )
    change = reports.get("int8", {}).get("accuracy_change")
    if change is not None and not -change <= settings.max_accuracy_drop + _ROUNDING:
        reasons.append(
            f"int8: the accuracy falls by {-change:.4f}; at most {settings.max_accuracy_drop:g} is "
            "allowed (export.max_accuracy_drop); more calibration images may help"
        )
    return reasons


def _compare_probabilities(
    reference: np.ndarray, probabilities: np.ndarray, labels: np.ndarray | None
) -> dict[str, int | float | None]:
    differences = np.abs(reference - probabilities)
    expected, found = reference.argmax(axis=-1), probabilities.argmax(axis=-1)
    report: dict[str, int | float | None] = {
        "max_probability_difference": float(differences.max()),
        "mean_probability_difference": float(differences.mean()),
        "top_class_agreement": float(np.mean(expected == found)),
    }
    labelled = np.zeros(len(found), bool) if labels is None else labels != spec.MISSING_LABEL
    if labels is not None and labelled.any():
        accuracy = float(np.mean(found[labelled] == labels[labelled]))
        reference_accuracy = float(np.mean(expected[labelled] == labels[labelled]))
        report["accuracy"] = accuracy
        report["reference_accuracy"] = reference_accuracy
        report["accuracy_change"] = accuracy - reference_accuracy
    return report


def _check_comparable(reference: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]) -> None:
    expected = {name: array.shape for name, array in reference.items()}
    found = {name: array.shape for name, array in outputs.items()}
    if expected != found:
        raise ValueError(f"Keras gives {expected}; the export gives {found}: they must be the same")
    if not expected or not all(shape[0] for shape in expected.values()):
        raise ValueError("there are no images to compare on")
