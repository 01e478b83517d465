"""A network's figures on held-out examples."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kfer import metrics, spec
from kfer.evaluation import identity, reports
from kfer.evaluation.answers import Answers
from kfer.evaluation.calibration import calibration_report
from kfer.evaluation.faces import Faces, Pairs, similarities_of
from kfer.evaluation.slices import Attribute, as_dict, slice_reports, worst_slices
from kfer.input_pipeline import Decoded, DecodedPairs
from kfer.pairs import has_pairs
from kfer.settings import EvaluationSettings, TaskSettings
from kfer.settings.tasks import CLASSES, EMBEDDING, PRETRAINED, SOFT_CLASSES, is_of_frames

_log = logging.getLogger(__name__)
_BATCH_SIZE = 256
_EXAMPLES_TO_SHOW = 24


def evaluate(
    network: keras.Model,
    test: Decoded,
    validation: Decoded,
    pairs: DecodedPairs | None,
    tasks: Mapping[str, TaskSettings],
    names: Mapping[str, Sequence[str]],
    settings: EvaluationSettings,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Judges every task that the network has an output for.

    Verification is judged on the dataset's own pairs or, without them, on pairs made of the test
    split's people. The threshold for use and the temperatures are chosen on the validation split: nothing
    is chosen on what the network is judged by.

    Args:
        network: Gives logits or numbers by the name of the task, and "embedding" for identity.
        test: Judged on, and used for nothing else.
        validation: Held-out examples and people, for the threshold and the temperatures.
        pairs: The dataset's own pairs, of people not trained on.
        tasks: What the outputs are; one that the network has no output for is left out.
        names: Of the sources, under "source", and of the values of each attribute in `settings.slices`,
            by feature. Without names of the sources there are no slices of them.
        settings: Rates, folds, slices, resamples, seed.

    Returns:
        The predictions on the test split, "probabilities" of the expressions and "embedding", and of
        the verification pairs "similarities", "same" and "folds", after a JSON-able report of

        - "expression", "verification", "identification" and "threshold", each None where its output or
          its labels are missing;
        - "metrics", the figures that a blessing depends on, "expression_accuracy" and
          "verification_accuracy": None where one could not be measured, absent without its output, and
          of an identity that was not trained (loss "pretrained") also without people to judge it on;
        - "examples", positions in the test split that are worth showing;
        - "tasks", by name: "kind", what the report of its kind has (of identity the main figures),
          and "intervals", of figures their `value`, `low` and `high`, the ends of the 95 % interval from
          drawing "num_drawn" of what "drawn" says ("people", "examples", "pairs"). None without labels;
        - "calibration", by name, as `calibration_report` has it;
        - "slices" and "worst_slices", as `slice_reports` and `worst_slices` have them.

    Raises:
        ValueError: The examples lack a label, an attribute to slice by is none of classes with names, or
            an output is not finite.
    """
    tasks = {name: task for name, task in tasks.items() if _output_of(name, task) in network.output}
    attributes = _attributes(test, tasks, names, settings)
    answers, faces = _said(network, test, np.arange(len(test)), tasks, settings)
    # Of validation, only what is needed: its images may be many.
    held_out, held_out_faces = _said(network, validation, _labelled(validation, tasks), tasks, settings)
    report: dict[str, Any] = dict.fromkeys(("expression", "verification", "identification", "threshold"))
    report |= {"metrics": {}, "examples": {"right": [], "wrong": []}}
    report["tasks"] = {name: _task_report(name, task, settings) for name, task in answers.items()}
    predictions: dict[str, np.ndarray] = {}
    expression = answers.get(spec.EXPRESSION)
    if expression and expression.task.kind in (CLASSES, SOFT_CLASSES):
        predictions["probabilities"] = expression.probabilities().astype(np.float32)
        report["metrics"]["expression_accuracy"] = None
        if expression.counts.any():
            report["expression"] = expression.report()
            report["metrics"]["expression_accuracy"] = report["expression"]["accuracy"]
            report["examples"] = reports.examples_to_show(
                expression.single_labels, predictions["probabilities"], _EXAMPLES_TO_SHOW
            )
    # Slices are of clips, not of their frames.
    judged: dict[str, Answers | Faces] = {
        name: answer for name, answer in answers.items() if not is_of_frames(name, tasks[name])
    }
    if faces is not None:
        predictions["embedding"] = faces.embeddings
        report["threshold"] = _threshold(held_out_faces, settings)
        judged[spec.IDENTITY] = faces.accepted_from(report["threshold"])
        told = _own_pairs(network, pairs, settings) or faces.pairs
        predictions |= vars(told) if told else {}
        report |= _identity_reports(faces, told, settings)
        if report["verification"] or tasks[spec.IDENTITY].loss != PRETRAINED:
            report["metrics"]["verification_accuracy"] = (
                report["verification"] and report["verification"]["accuracy"]
            )
        report["tasks"][spec.IDENTITY] = report.pop(spec.IDENTITY)
    report["calibration"] = _calibration(held_out, answers) if settings.calibrate else {}
    report["slices"] = slice_reports(attributes, judged, settings)
    report["worst_slices"] = worst_slices(report["slices"])
    return report, predictions


def _output_of(name: str, task: TaskSettings) -> str:
    return spec.EMBEDDING if task.kind == EMBEDDING else name


def _attributes(
    test: Decoded,
    tasks: Mapping[str, TaskSettings],
    names: Mapping[str, Sequence[str]],
    settings: EvaluationSettings,
) -> dict[str, Attribute]:
    """By what the test examples are sliced: source, classes of tasks, and what the settings name."""
    named: dict[str, Sequence[str]] = {}
    if spec.SOURCE in names:
        named[spec.SOURCE] = names[spec.SOURCE]
    for name, task in tasks.items():
        if task.kind == CLASSES and not is_of_frames(name, task):
            named[task.feature or name] = task.names
    for attribute in settings.slices:
        if not names.get(attribute) and attribute not in named:
            raise ValueError(
                f"evaluation.slices: expected attributes whose values have names; {attribute!r} has none"
            )
        named.setdefault(attribute, names.get(attribute, ()))
    attributes = {}
    for feature, values in named.items():
        labels = test.label(feature)
        if labels.dtype.kind != "i":
            raise ValueError(
                f"evaluation.slices: expected attributes whose labels are classes; {feature!r} has an "
                f"array of {labels.dtype} {list(labels.shape)}"
            )
        attributes[feature] = Attribute(labels, values)
    return attributes


def _labelled(examples: Decoded, tasks: Mapping[str, TaskSettings]) -> np.ndarray:
    """Positions of the examples that have a label of any task."""
    labelled = np.zeros(len(examples), bool)
    for name, task in tasks.items():
        labels = examples.label(task.feature or name)
        if is_of_frames(name, task):
            labelled |= (labels >= 0).any(axis=1)
        else:
            labelled |= labels >= 0 if labels.ndim == 1 else ~np.isnan(labels).all(axis=1)
    return np.flatnonzero(labelled)


def _said(
    network: keras.Model,
    examples: Decoded,
    positions: np.ndarray,
    tasks: Mapping[str, TaskSettings],
    settings: EvaluationSettings,
) -> tuple[dict[str, Answers], Faces | None]:
    """What the network says of the examples at these positions."""
    if not len(positions):
        return {}, None
    outputs = _predict(network, examples.inputs, positions)
    people = examples.label(spec.IDENTITY)[positions]
    answers, faces = {}, None
    for name, task in tasks.items():
        labels = examples.label(task.feature or name)[positions]
        if task.kind == EMBEDDING:
            faces = Faces(labels, outputs[spec.EMBEDDING], settings)
        elif is_of_frames(name, task):
            frames = np.repeat(people, labels.shape[1])
            told = outputs[name].reshape(-1, outputs[name].shape[-1])
            answers[name] = Answers(task, labels.reshape(-1), told, frames)
        else:
            answers[name] = Answers(task, labels, outputs[name], people)
    return answers, faces


def _task_report(name: str, answers: Answers, settings: EvaluationSettings) -> dict[str, Any] | None:
    if not answers.counts.any():
        _log.warning("  no test example has a label for %s: it is not judged", name)
        return None
    intervals = answers.intervals(settings.resamples, settings.seed)
    return {
        "kind": answers.task.kind,
        **answers.report(),
        "intervals": {figure: as_dict(interval) for figure, interval in intervals.items()},
        **answers.drawn(),
    }


def _calibration(
    validation: Mapping[str, Answers], test: Mapping[str, Answers]
) -> dict[str, dict[str, Any]]:
    found = {}
    for name, judged in test.items():
        if name not in validation or not (validation[name].counts.any() and judged.counts.any()):
            continue
        report = calibration_report(validation[name], judged)
        if report is not None:
            found[name] = report
            if report["temperature"] is None:
                _log.warning("  the validation split determines no temperature for %s", name)
    return found


def _threshold(validation: Faces | None, settings: EvaluationSettings) -> dict[str, float] | None:
    if validation is None or validation.pairs is None:
        _log.warning("  the validation split has too few people to make pairs of: no threshold is chosen")
        return None
    made = validation.pairs
    return identity.choose_threshold(made.similarities, made.same, settings.threshold_false_accept_rate)


def _own_pairs(
    network: keras.Model, pairs: DecodedPairs | None, settings: EvaluationSettings
) -> Pairs | None:
    if pairs is None:
        return None
    first, second = (
        _predict(network, images.__getitem__, np.arange(len(pairs)))[spec.EMBEDDING]
        for images in (pairs.images_a, pairs.images_b)
    )
    folds = metrics.folds_of(pairs.same, pairs.fold, settings.folds)
    return Pairs(similarities_of(first, second), pairs.same, folds)


def _identity_reports(faces: Faces, pairs: Pairs | None, settings: EvaluationSettings) -> dict[str, Any]:
    """The reports "verification" and "identification", and what "tasks" has of "identity"."""
    found: dict[str, Any] = dict.fromkeys(("verification", "identification", spec.IDENTITY))
    if has_pairs(faces.identities):
        found["identification"] = identity.identification_report(faces.embeddings, faces.identities)
    if pairs is None:
        _log.warning("  the test split has too few people to make pairs of: verification is not judged")
        return found
    rates, told = settings.false_accept_rates, (pairs.similarities, pairs.same, pairs.folds)
    verification = found["verification"] = identity.verification_report(*told, settings.folds, rates)
    intervals = metrics.pair_intervals(*told, rates, settings.resamples, settings.seed)
    figures = ("num_pairs", "num_genuine", "accuracy", "auc", "eer", "tar_at_far")
    found[spec.IDENTITY] = {
        "kind": EMBEDDING,
        **{figure: verification[figure] for figure in figures},
        "rank1": found["identification"] and found["identification"]["rank1"],
        "intervals": {figure: as_dict(interval) for figure, interval in intervals.items()},
        "drawn": "pairs",
        "num_drawn": len(pairs),
    }
    return found


def _predict(
    network: keras.Model,
    inputs: Callable[[np.ndarray], np.ndarray | dict[str, np.ndarray]],
    positions: np.ndarray,
) -> dict[str, np.ndarray]:
    """The outputs for what the network takes of these positions, but the cosines with people trained on.

    Raises:
        ValueError: An output is not finite.
    """
    parts: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(positions), _BATCH_SIZE):
        batch = network.predict_on_batch(inputs(positions[start : start + _BATCH_SIZE]))
        for name, output in batch.items():
            # Nothing here needs them, and there may be thousands an image.
            if name != spec.IDENTITY:
                parts.setdefault(name, []).append(output)
    outputs = {name: np.concatenate(part) for name, part in parts.items()}
    for name, output in outputs.items():
        if not np.isfinite(output).all():
            raise ValueError(
                f"expected finite outputs; {name!r} has nan or inf: has the network diverged?"
            )
    return outputs
