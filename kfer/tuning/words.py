"""What a search found, in sentences."""

import textwrap
from collections.abc import Sequence

from kfer.comparison.words import counted, listed
from kfer.search import Outcome
from kfer.settings.tuning import BAYESIAN, GRID, HYPERBAND, RANDOM
from kfer.study.words import points
from kfer.tuning import retrained
from kfer.tuning.columns import Column, columns, first, has_defaults, short
from kfer.tuning.importance import Importance
from kfer.tuning.results import Results
from kfer.tuning.retrained import Change

_TUNERS = {
    RANDOM: "random search",
    GRID: "a grid",
    HYPERBAND: "Hyperband",
    BAYESIAN: "Bayesian optimisation",
}
#: The share of a range that counts as its end.
_END = 0.05
#: Letters of a reason that have room; the whole is in trials.csv.
_REASON = 160


def searched(results: Results) -> str:
    """What was searched, and how."""
    base, tuning = results.settings.base, results.settings.base.tuning
    sources = listed([source.dataset for source in base.data.sources])
    ended, planned = len(results.trials), tuning.trials
    trials = counted(ended, "trial")
    if ended < planned and tuning.tuner not in (GRID, HYPERBAND):
        trials = f"{ended} of {counted(planned, 'trial')}"
    workers = {trial.worker for trial in results.trials if trial.worker}
    by = f", run by {counted(len(workers), 'worker')}" if workers else ""
    most = " at most" if tuning.patience or tuning.tuner == HYPERBAND else ""
    share = (
        ""
        if tuning.example_share == 1
        else f" on {tuning.example_share:.0%} of the training split an epoch"
    )
    return (
        f"{trials} of {_TUNERS[tuning.tuner]} over {counted(len(columns(results)), 'setting')} of a "
        f"network on {sources}{by}: {base.model.backbone}, {base.data.image_size} x "
        f"{base.data.image_size} px in {'grey' if base.data.channels == 1 else 'RGB'}, each for "
        f"{counted(tuning.epochs, 'epoch')}{most}{share}. What counts is the score on the validation "
        f"split: {results.rule}."
    )


def outcome(results: Results) -> list[str]:
    """What came out: the best trial, what it is better than, and what failed."""
    texts = []
    if results.best is None:
        texts.append("No trial has a score.")
    else:
        best, scored = results.best, len(results.scored)
        of = f"the best of {scored}" if scored > 1 else "the only one"
        texts.append(
            f"Trial {best.trial} is {of} with a score, {best.score:.4f}: {values(results, best)}."
        )
        texts += _beside_what_is_set(results, best)
    if results.failed:
        texts.append(
            f"{len(results.failed)} of {counted(len(results.trials), 'trial')} failed: "
            f"{'; '.join(failures(results))}."
        )
    return texts


def values(results: Results, trial: Outcome) -> str:
    """What a trial tried, "a 1 and b 2"."""
    return listed([f"{column.name} {short(trial.values[column.name])}" for column in columns(results)])


def failures(results: Results) -> list[str]:
    """Each reason why trials failed, with their numbers."""
    reasons: dict[str, list[str]] = {}
    for trial in results.failed:
        reasons.setdefault(reason(trial), []).append(trial.trial)
    return [f"{why} ({_trials(numbers)})" for why, numbers in reasons.items()]


def reason(trial: Outcome) -> str:
    """Why a trial failed, in one line that is not too long."""
    return textwrap.shorten(trial.failure, _REASON, placeholder="\N{HORIZONTAL ELLIPSIS}").rstrip(".")


def whole_trainings(results: Results) -> list[str]:
    """What whole trainings on several seeds say of the best values; nothing where there are none."""
    if results.retrained is None:
        return []
    found = retrained.changes(results.retrained)
    if not found:
        return ["Whole trainings with the best values and with those that are set have not finished yet."]
    seeds = max(change.seeds for change in found)
    text = f"Trained whole with {counted(seeds, 'seed')} each and judged on the test split, "
    return [text + f"{listed([_changed(change) for change in found])}.", _verdict(found)]


def caveats(results: Results, found: Importance) -> list[str]:
    """What the figures do not say.

    Args:
        results: Of the study.
        found: What the score hangs on.
    """
    tuning = results.settings.base.tuning
    texts = []
    if len(results.scored) > 1:
        texts.append(
            f"The best of {len(results.scored)} trials is a lucky one too: it was chosen for its figures "
            "on the validation split, which flatter it. How much, only whole trainings with other seeds "
            "say, on the test split."
        )
    if results.scored:
        texts.append(
            "Each trial has one seed. How far the score of the same values moves with another one was "
            "not measured: small differences between trials may be no more than that."
        )
        texts.append(
            f"A trial is short ({counted(tuning.epochs, 'epoch')}, {tuning.example_share:.0%} of the "
            "training images an epoch): what learns fastest is found first, and need not be what is best "
            "after a whole training."
        )
    if tuning.tuner == HYPERBAND:
        texts.append(
            "Hyperband ends most trials early: their scores are of fewer epochs, and compare with each "
            "other only where epochs are equal. Importance and charts do not allow for that."
        )
    texts += _at_an_end(results)
    smaller = [trial.trial for trial in results.scored if trial.batch_size != _batch_size(results, trial)]
    if smaller:
        texts.append(f"With a smaller batch than was asked for, for want of memory: {_trials(smaller)}.")
    if found.shares:
        texts.append(
            f"Importance is told from {len(results.scored)} trials, by trees that {explained(found)}."
        )
    if results.retrained is not None and len(results.settings.seeds) > 1:
        texts.append(
            f"An interval over {len(results.settings.seeds)} seeds is wide, and does not hold the choice "
            "of test images."
        )
    return texts


def explained(found: Importance) -> str:
    """What the trees know that told the shares."""
    share = f"{found.explained:.0%}"
    return f"explain {share} of the variance of the scores of trials that they were not grown from"


def _beside_what_is_set(results: Results, best: Outcome) -> list[str]:
    start = first(results)
    if start is None:
        return []
    what = "what is set" if has_defaults(results, start) else "what is nearest to what is set"
    if start == best:
        return [] if len(results.trials) == 1 else [f"It is the first trial, which has {what}."]
    if start.score is None:
        return [f"The first trial, which has {what}, failed: there is nothing to compare it with."]
    assert best.score is not None
    text = f"The first trial, which has {what}, has a score of {start.score:.4f}: "
    if best.score == start.score:
        return [text + "the best is no better."]
    return [text + f"the best is {best.score - start.score:.4f} above it."]


def _trials(numbers: Sequence[str]) -> str:
    return f"trial{'' if len(numbers) == 1 else 's'} {listed(numbers)}"


def _changed(change: Change) -> str:
    title, difference = change.figure.title, change.difference
    told = points(difference) if change.seeds > 1 else f"{100 * difference.value + 0.0:+.2f} points"
    return f"{title} goes from {change.as_set:.1%} as set to {change.best:.1%}, {told}"


def _verdict(found: Sequence[Change]) -> str:
    if max(change.seeds for change in found) == 1:
        return "One seed each does not tell a difference from chance."
    better = [change.figure.title for change in found if change.sign > 0]
    worse = [change.figure.title for change in found if change.sign < 0]
    texts = []
    if better:
        texts.append(f"The best values beat those that are set in {listed(better)}")
    if worse:
        texts.append(f"{'but are' if better else 'The best values are'} worse in {listed(worse)}")
    if texts:
        return f"{', '.join(texts)}, by more than chance over seeds explains."
    return "Chance may explain every difference: the best values do not beat those that are set."


def _at_an_end(results: Results) -> list[str]:
    best = results.best
    if best is None:
        return []
    near = [
        f"{column.name} {short(best.values[column.name])} ({_range(column)})"
        for column in columns(results)
        if column.low is not None and not column.of_simplex
        if not _END < column.place(best.values[column.name]) < 1 - _END
    ]
    if not near:
        return []
    return [f"Near an end of what was searched, beyond which better values may lie: {listed(near)}."]


def _range(column: Column) -> str:
    return f"searched from {short(column.low)} to {short(column.high)}"


def _batch_size(results: Results, trial: Outcome) -> int:
    return int(trial.values.get("training.batch_size", results.settings.base.training.batch_size))
