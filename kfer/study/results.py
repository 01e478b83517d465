"""What the variants reached, from their runs' artifacts: the numbers behind page and tables."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kfer import files, spec
from kfer.comparison import runs
from kfer.comparison.statistics import over_seeds
from kfer.metrics import Interval
from kfer.study import differences, recalls, variant
from kfer.study.differences import Expressions, Pairs
from kfer.study.figures import FIGURES, Figure
from kfer.study.settings import StudySettings


@dataclass(frozen=True)
class Run:
    """One variant with one seed.

    Attributes:
        variant: Its name.
        seed: Its seed.
        state: "finished", "failed" or "not finished".
        reason: Why it has no figures, where something is known.
    """

    variant: str
    seed: int
    state: str
    reason: str


@dataclass(frozen=True)
class FinishedRun(Run):
    """One that was judged.

    Attributes:
        figures: By name, with their intervals over test images or pairs; those of what it learnt.
        expressions: What it said; None where it did not learn them, or none is labelled.
        pairs: Likewise.
        history: The figures of each epoch.
        num_parameters: Of the network.
        minutes: Time in training steps, their input included, validation and start not.
        step_ms: Of a training step, input included: the median of the epochs.
        memory_gb: The most that the process that trained held; None where it is not known.
    """

    figures: Mapping[str, Interval]
    expressions: Expressions | None
    pairs: Pairs | None
    history: list[dict[str, float]]
    num_parameters: int
    minutes: float
    step_ms: float
    memory_gb: float | None


#: Of each seed, the run that others are compared with and another one.
_BySeed = Sequence[tuple[FinishedRun, FinishedRun]]


@dataclass(frozen=True)
class Difference:
    """A variant's figure less that of the one that it is compared with, with the same seeds.

    Attributes:
        over_examples: The mean over seeds, with its paired interval over test images or pairs.
        over_seeds: The same mean with Student's t interval over the pairs of runs; None for one seed.
    """

    over_examples: Interval
    over_seeds: Interval | None

    @property
    def sign(self) -> int:
        """1 or -1 where every interval lies above or below 0, else 0: it may be chance."""
        intervals = [self.over_examples, *([self.over_seeds] if self.over_seeds else [])]
        if all(interval.low > 0 for interval in intervals):
            return 1
        return -1 if all(interval.high < 0 for interval in intervals) else 0


@dataclass(frozen=True)
class Row:
    """A variant over its seeds.

    Attributes:
        variant: Its name.
        runs: The finished ones, seed by seed; at least one.
        figures: By name: of one seed with the interval over test images or pairs, of several their
            mean with Student's t interval, as far as it lies in [0, 1].
        differences: By the figure's name, where the variant that others are compared with finished.
    """

    variant: str
    runs: list[FinishedRun]
    figures: Mapping[str, Interval]
    differences: Mapping[str, Difference]

    @property
    def minutes(self) -> float:
        """The mean over seeds."""
        return statistics.fmean(run.minutes for run in self.runs)

    @property
    def step_ms(self) -> float:
        """The median over seeds."""
        return statistics.median(run.step_ms for run in self.runs)

    @property
    def memory_gb(self) -> float | None:
        """The highest of the seeds; None where none is known."""
        return max((run.memory_gb for run in self.runs if run.memory_gb is not None), default=None)


@dataclass(frozen=True)
class Examples:
    """What all variants were judged on.

    Attributes:
        num_examples: By split.
        num_pairs: Verification pairs of the data's own; 0 where pairs are made of the test split.
        num_impostors: Of the pairs that networks were judged on; 0 where none was.
        num_test_people: In the test split, of those whose name is known.
        test_people_are_trained_on: Whether some of them are in the training split too.
    """

    num_examples: Mapping[str, int]
    num_pairs: int
    num_impostors: int
    num_test_people: int
    test_people_are_trained_on: bool


@dataclass(frozen=True)
class Results:
    """A study's figures.

    Attributes:
        settings: What was studied.
        runs: Variant by variant, seed by seed, whatever became of them.
        rows: The variants of which a run finished.
        examples: What they were judged on; None where none finished.
    """

    settings: StudySettings
    runs: list[Run]
    rows: list[Row]
    examples: Examples | None

    @property
    def figures(self) -> list[Figure]:
        """Those that any variant has, but for the recalls."""
        return self._found(FIGURES)

    @property
    def recalls(self) -> list[Figure]:
        """Of each expression that the test split has, where any variant learns them."""
        return self._found(recalls.figures(self.settings))

    def _found(self, figures: Sequence[Figure]) -> list[Figure]:
        return [figure for figure in figures if any(figure.name in row.figures for row in self.rows)]


def collect(settings: StudySettings, output_dir: Path) -> Results:
    """Returns the figures of what is finished.

    Args:
        settings: The study.
        output_dir: Its folder.

    Raises:
        ValueError: Runs that are compared were judged on different images or pairs.
    """
    collected: list[Run] = []
    examples = None
    folders: dict[str, Path] = {}
    for name in settings.variants:
        for seed in settings.seeds:
            run, folder = _run(settings, name, seed, output_dir)
            collected.append(run)
            if isinstance(run, FinishedRun) and folder:
                folders[f"{name}, seed {seed}"] = folder
                if examples is None or run.pairs:
                    examples = _examples(folder, run.pairs)
    _check_alike(folders)
    finished: dict[str, list[FinishedRun]] = {}
    for run in collected:
        if isinstance(run, FinishedRun):
            finished.setdefault(run.variant, []).append(run)
    rows = [
        Row(name, own, _over_seeds(own), _differences(settings, name, finished))
        for name, own in finished.items()
    ]
    return Results(settings, collected, rows, examples)


def _check_alike(folders: Mapping[str, Path]) -> None:
    """Refuses to compare runs whose data changed in between.

    Args:
        folders: Of the transformed examples, by the run.
    """
    digests = {
        run: files.read_json(folder / "labels.json").get("digest") for run, folder in folders.items()
    }
    first = next(iter(digests), None)
    others = [run for run, digest in digests.items() if first and digest != digests[first]]
    if others:
        raise ValueError(
            f"the data changed between {first} and {'; '.join(others)}: run the study without --only, "
            "which trains all on the data as they are now, or give another --output-dir"
        )


def _run(settings: StudySettings, name: str, seed: int, output_dir: Path) -> tuple[Run, Path | None]:
    """A run, and the folder of its transformed examples where it is finished."""
    try:
        result = variant.result(settings, name, seed, output_dir)
    except ValueError as error:
        return Run(name, seed, "not finished", str(error)), None
    if not result:
        reason = runs.failure(runs.folder(output_dir, name, seed))
        return Run(name, seed, "failed" if reason else "not finished", reason), None
    artifacts: dict[str, Path] = result["artifacts"]
    evaluation = files.read_json(artifacts["evaluation"] / "evaluation.json")
    training = files.read_json(artifacts["model_run"] / "training.json")
    history = runs.history(artifacts["model_run"])
    batch_size = settings.variant(name, seed).training.batch_size
    # As `input_pipeline.steps_per_epoch` has it, which would load TensorFlow.
    batches = -(-training["num_examples"] // batch_size)
    seconds = [batches * batch_size / epoch["images_per_second"] for epoch in history]
    with np.load(artifacts["evaluation"] / "predictions.npz") as said:
        expressions = _expressions(settings, said, artifacts["transformed_examples"] / "Split-test")
        pairs = (
            Pairs(said["similarities"], said["same"], said["folds"]) if "similarities" in said else None
        )
    run = FinishedRun(
        name,
        seed,
        "finished",
        "",
        _figures(evaluation["tasks"]) | _recalls(settings, expressions),
        expressions,
        pairs,
        history,
        training["num_parameters"],
        sum(seconds) / 60,
        1000 * statistics.median(seconds) / batches,
        result["memory_gb"],
    )
    return run, artifacts["transformed_examples"]


def _figures(tasks: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Interval]:
    found = {}
    for figure in FIGURES:
        report = tasks.get(figure.task)
        interval = report and report["intervals"].get(figure.key)
        if interval and interval["value"] is not None:
            ends = (np.nan if interval[end] is None else interval[end] for end in ("low", "high"))
            found[figure.name] = Interval(interval["value"], *ends)
    return found


def _recalls(settings: StudySettings, said: Expressions | None) -> dict[str, Interval]:
    if said is None:
        return {}
    found = recalls.intervals(said.labels, said.predictions, said.num_classes)
    return {figure.name: found[figure.key] for figure in recalls.figures(settings) if figure.key in found}


def _expressions(
    settings: StudySettings, said: Mapping[str, np.ndarray], test: Path
) -> Expressions | None:
    if "probabilities" not in said:
        return None
    labels = np.load(test / f"{spec.EXPRESSION}.npy")
    known = labels != spec.MISSING_LABEL
    if not known.any():
        return None
    people = np.load(test / f"{spec.IDENTITY}.npy")
    predictions = said["probabilities"].argmax(axis=1)
    num_classes = len(settings.base.tasks[spec.EXPRESSION].names)
    return Expressions(labels[known], predictions[known], people[known], num_classes)


def _examples(folder: Path, pairs: Pairs | None) -> Examples:
    labels = files.read_json(folder / "labels.json")
    people = np.load(folder / "Split-test" / f"{spec.IDENTITY}.npy")
    known = np.unique(people[people != spec.MISSING_LABEL])
    return Examples(
        labels["num_examples"],
        labels["num_pairs"],
        0 if pairs is None else int(np.sum(~pairs.same)),
        len(known),
        bool((known < labels["num_identities"]).any()),
    )


def _over_seeds(own: Sequence[FinishedRun]) -> dict[str, Interval]:
    if len(own) == 1:
        return dict(own[0].figures)
    means = {
        name: over_seeds([run.figures[name].value for run in own])
        for name in own[0].figures
        if all(name in run.figures for run in own)
    }
    return {
        name: Interval(mean.value, max(mean.low, 0.0), min(mean.high, 1.0))
        for name, mean in means.items()
    }


def _differences(
    settings: StudySettings, name: str, finished: Mapping[str, Sequence[FinishedRun]]
) -> dict[str, Difference]:
    found: dict[str, Difference] = {}
    for task, compare in ((spec.EXPRESSION, _by_expressions), (spec.IDENTITY, _by_pairs)):
        reference = settings.reference(task)
        if reference is None or reference == name or reference not in finished:
            continue
        before = {run.seed: run for run in finished[reference]}
        both = [(before[run.seed], run) for run in finished[name] if run.seed in before]
        intervals = compare(both, settings.resamples)
        for figure in (*FIGURES, *recalls.figures(settings)):
            told = all(figure.name in run.figures for runs_of_seed in both for run in runs_of_seed)
            if figure.task == task and figure.key in intervals and told:
                each = [
                    after.figures[figure.name].value - before.figures[figure.name].value
                    for before, after in both
                ]
                by_seed = over_seeds(each) if len(each) > 1 else None
                found[figure.name] = Difference(intervals[figure.key], by_seed)
    return found


def _by_expressions(both: _BySeed, resamples: int) -> dict[str, Interval]:
    told = [
        (before.expressions, after.expressions)
        for before, after in both
        if before.expressions and after.expressions
    ]
    if not told or len(told) < len(both):
        return {}
    first, second = zip(*told, strict=True)
    return differences.of_expressions(first, second, resamples)


def _by_pairs(both: _BySeed, resamples: int) -> dict[str, Interval]:
    told = [(before.pairs, after.pairs) for before, after in both if before.pairs and after.pairs]
    if not told or len(told) < len(both):
        return {}
    first, second = zip(*told, strict=True)
    return differences.of_pairs(first, second, resamples)
