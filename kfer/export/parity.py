"""How far an export is from Keras, and whether that is near enough."""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from kfer import metrics, pairs, spec
from kfer.export.network import output_of
from kfer.settings import ExportSettings, TaskSettings
from kfer.settings.export import variant_of
from kfer.settings.tasks import CLASSES, EMBEDDING, REGRESSION, SOFT_CLASSES, Tasks

SAVED_MODEL = "saved_model"
_FLOAT_EXPORTS = (SAVED_MODEL, "float32")
_INTEGER_EXPORTS = ("int8", "int8_io", "int16")
_CHANGES = ("accuracy", "macro_f1")
_FALSE_ACCEPT_RATE = 0.01
_TAR = f"tar_at_far_{_FALSE_ACCEPT_RATE}"
_MOST_PAIRS = 20_000
_FOLDS = 10
_OF_EXPRESSION = (
    "max_probability_difference",
    "mean_probability_difference",
    "top_class_agreement",
    *(figure for name in _CHANGES for figure in (name, f"reference_{name}", f"{name}_change")),
)
_OF_PAIRS = tuple(
    figure
    for name in ("verification_accuracy", _TAR)
    for figure in (name, f"reference_{name}", f"{name}_change")
)
_OF_EMBEDDING = ("embedding_cosine_min", "embedding_cosine_mean", "num_pairs", *_OF_PAIRS)
# A share of images is compared with a setting that was typed in decimals.
_ROUNDING = 1e-9


def parity_report(
    reference: Mapping[str, np.ndarray],
    outputs: Mapping[str, np.ndarray],
    tasks: Tasks,
    labels: Mapping[str, np.ndarray],
) -> dict[str, Any]:
    """Returns how an export's outputs differ from Keras's on the same images.

    Args:
        reference: What Keras says, from `keras_outputs`.
        outputs: What the export says, of the same names and shapes.
        tasks: What the outputs are, from `exported_tasks`.
        labels: By task; needed of none, and used of classes, int `[n]`, -1 where missing, and of soft
            classes, votes `[n, num_classes]`, a row of nan where missing: the class of most counts; and
            of identity, int `[n]`, -1 where missing, for pairs.

    Returns:
        - "num_images";
        - of the expression, where it is classes or soft classes, "max_probability_difference",
          "mean_probability_difference" and "top_class_agreement", in [0, 1]; on labelled images
          "accuracy", "reference_accuracy" and "accuracy_change" (negative: the export is worse), and the
          same of "macro_f1";
        - of identity "embedding_cosine_min" and "embedding_cosine_mean", the cosines between each
          image's two embeddings as they come (an export that does not normalise is seen); of "num_pairs"
          pairs of labelled people, as many genuine ones as others, the same three of
          "verification_accuracy", both at the threshold that is best for Keras on nine tenths of the
          pairs, judged on the last tenth, each in turn, and of "tar_at_far_0.01";
        - "tasks", of every other one by name: "kind", and of classes and soft classes what an expression
          has; of several labels the differences of probabilities; of a regression "max_difference" and
          "mean_difference" of its numbers, and "largest_number", the largest size of one in Keras.

        A figure whose task or labels are missing is None.

    Raises:
        ValueError: Names or shapes differ, or there are no images.
    """
    _check_comparable(reference, outputs)
    report: dict[str, Any] = {"num_images": len(next(iter(reference.values())))}
    report |= dict.fromkeys((*_OF_EXPRESSION, *_OF_EMBEDDING))
    report["tasks"] = {}
    for name, task in tasks.items():
        output = output_of(name, task)
        figures = _compare(task, reference[output], outputs[output], labels.get(name))
        is_expression = name == spec.EXPRESSION and task.kind in (CLASSES, SOFT_CLASSES)
        if is_expression or task.kind == EMBEDDING:
            report |= figures
        else:
            report["tasks"][name] = {"kind": task.kind, **figures}
    return report


def check_parity(reports: Mapping[str, Mapping[str, Any]], settings: ExportSettings) -> list[str]:
    """Returns why the exports are not near enough to Keras; empty where they are.

    The SavedModel and float32 TFLite must keep every probability and every embedding's cosine within
    `max_probability_difference`, and the numbers of a regression too: where Keras gives any above 1,
    within that share of the largest. Integer variants must keep their accuracies on labelled images
    within `max_accuracy_drop`: that of the expression or, where it has none, of the first task of classes
    that has, and that of verification. Other variants are only reported.

    Args:
        reports: The `parity_report` of each export, under "saved_model" or the TFLite file's name.
        settings: The limits.
    """
    reasons = [
        f"{name}: {reason} (export.max_probability_difference)"
        for name, report in reports.items()
        if variant_of(name) in _FLOAT_EXPORTS
        for task, figures in _by_task(report)
        for reason in _too_far(task, figures, settings.max_probability_difference)
    ]
    for name, report in reports.items():
        if variant_of(name) not in _INTEGER_EXPORTS:
            continue
        falls = {"verification_accuracy": report.get("verification_accuracy_change")}
        for task, figures in _by_task(report):
            if figures.get("accuracy_change") is not None:
                falls[f"accuracy of {task}"] = figures["accuracy_change"]
                break
        reasons += [
            f"{name}: the {figure.replace('_', ' ')} falls by {-change:.4f}; at most "
            f"{settings.max_accuracy_drop:g} is allowed (export.max_accuracy_drop); more calibration "
            "images may help"
            for figure, change in falls.items()
            if change is not None and not -change <= settings.max_accuracy_drop + _ROUNDING
        ]
    return reasons


def is_slow(export: str) -> bool:
    """Whether LiteRT has no fast kernels for what an export computes in: ResNet152 takes 0.2 s."""
    return variant_of(export) == "int16"


def _by_task(report: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The figures of each task; those of the embedding come with the expression's, first."""
    yield spec.EXPRESSION, report
    yield from report.get("tasks", {}).items()


def _too_far(task: str, figures: Mapping[str, Any], limit: float) -> Iterator[str]:
    probability, number = figures.get("max_probability_difference"), figures.get("max_difference")
    cosine = figures.get("embedding_cosine_min")
    # "not <=" also catches what is not a number.
    if probability is not None and not probability <= limit:
        yield (
            f"a probability of {task} differs from Keras by {probability:.2g}; at most {limit:g} is "
            "allowed"
        )
    if number is not None:
        largest = figures["largest_number"]
        allowed = limit * max(1.0, largest)
        if not number <= allowed:
            yield (
                f"a number of {task} differs from Keras by {number:.2g}; at most {allowed:.2g} is "
                f"allowed, with {largest:.4g} as the largest"
            )
    if cosine is not None and not abs(1 - cosine) <= limit:
        yield f"an embedding's cosine with Keras's is {cosine:.6g}; at most {limit:g} from 1 is allowed"


def _compare(
    task: TaskSettings, reference: np.ndarray, outputs: np.ndarray, labels: np.ndarray | None
) -> dict[str, Any]:
    if task.kind == EMBEDDING:
        cosines = np.sum(reference * outputs, axis=-1)
        figures = {
            "embedding_cosine_min": float(cosines.min()),
            "embedding_cosine_mean": float(cosines.mean()),
        }
        return figures | _compare_pairs(reference, outputs, labels)
    differences = np.abs(reference - outputs)
    largest, mean = float(differences.max()), float(differences.mean())
    if task.kind == REGRESSION:
        size = float(np.abs(reference).max())
        return {"max_difference": largest, "mean_difference": mean, "largest_number": size}
    report: dict[str, Any] = {
        "max_probability_difference": largest,
        "mean_probability_difference": mean,
    }
    if task.kind in (CLASSES, SOFT_CLASSES):
        report |= _compare_top_classes(
            reference.argmax(axis=-1), outputs.argmax(axis=-1), labels, outputs.shape[-1]
        )
    return report


def _compare_pairs(
    reference: np.ndarray, outputs: np.ndarray, identity: np.ndarray | None
) -> dict[str, float | None]:
    if identity is None or not pairs.has_pairs(identity) or not np.isfinite(outputs).all():
        return dict.fromkeys(("num_pairs", *_OF_PAIRS))
    first, second, _ = pairs.make_pairs(identity, _MOST_PAIRS, seed=0)
    same = identity[first] == identity[second]
    expected, found = (
        metrics.cosine_similarity(said[first], said[second]) for said in (reference, outputs)
    )
    # A threshold that is best on the very pairs would be Keras's own luck: any change would be a loss.
    folds = np.arange(len(same)) % _FOLDS
    thresholds = np.zeros(len(same))
    for fold in range(min(_FOLDS, len(same))):
        others = folds != fold
        thresholds[~others] = metrics.best_threshold(expected[others], same[others])
    return {
        "num_pairs": len(same),
        **_change(
            "verification_accuracy",
            lambda said: float(np.mean((said >= thresholds) == same)),
            *(found, expected),
        ),
        **_change(
            _TAR,
            lambda said: metrics.tar_at_far(metrics.roc(said, same), _FALSE_ACCEPT_RATE),
            *(found, expected),
        ),
    }


def _compare_top_classes(
    expected: np.ndarray, found: np.ndarray, labels: np.ndarray | None, num_classes: int
) -> dict[str, float | None]:
    report: dict[str, float | None] = {"top_class_agreement": float(np.mean(expected == found))}
    report |= dict.fromkeys(
        figure for name in _CHANGES for figure in (name, f"reference_{name}", f"{name}_change")
    )
    if labels is None:
        return report
    single = labels if labels.ndim == 1 else metrics.top_class(labels)
    labelled = single != spec.MISSING_LABEL
    if labelled.any():
        known, said, wanted = single[labelled], found[labelled], expected[labelled]
        report |= _change("accuracy", functools.partial(metrics.accuracy, known), said, wanted)
        report |= _change(
            "macro_f1",
            lambda classes: metrics.macro_f1(metrics.confusion_matrix(known, classes, num_classes)),
            *(said, wanted),
        )
    return report


def _change(
    name: str, measure: Callable[[np.ndarray], float], found: np.ndarray, expected: np.ndarray
) -> dict[str, float | None]:
    """A figure of the export, of Keras, and the first less the second."""
    value, reference = float(measure(found)), float(measure(expected))
    return {name: value, f"reference_{name}": reference, f"{name}_change": value - reference}


def _check_comparable(reference: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]) -> None:
    expected = {name: array.shape for name, array in reference.items()}
    found = {name: array.shape for name, array in outputs.items()}
    if expected != found:
        raise ValueError(f"Keras gives {expected}; the export gives {found}: they must be the same")
    if not expected or not all(shape[0] for shape in expected.values()):
        raise ValueError("there are no images to compare on")
