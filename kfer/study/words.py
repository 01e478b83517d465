"""What the figures say, in sentences."""

from kfer import spec
from kfer.comparison.words import counted, listed
from kfer.metrics import Interval
from kfer.study.figures import Figure
from kfer.study.results import Difference, Results, Row
from kfer.study.settings import FALSE_ACCEPT_RATE

#: People of the test split below which intervals are called rough.
_FEW_PEOPLE = 30


def compared(results: Results) -> str:
    """What was compared with what."""
    settings, base = results.settings, results.settings.base
    sources = listed([source.dataset for source in base.data.sources])
    text = (
        f"{counted(len(settings.variants), 'variant')} of one network on {sources}: "
        f"{base.model.backbone}, {base.data.image_size} x {base.data.image_size} px in "
        f"{'grey' if base.data.channels == 1 else 'RGB'}, "
        f"{counted(base.training.total_epochs(), 'epoch')} in batches of {base.training.batch_size}, "
        f"{counted(len(settings.seeds), 'seed')} each."
    )
    if _have_same_batches(results):
        text += " All variants of a seed see the same batches; what differs is what they learn from them."
    if results.examples:
        counts = results.examples.num_examples
        best = f"as it was when {base.training.stop_metric} was best"
        text += (
            f" Trained on {counts[spec.TRAIN]:,} images; each network was judged once, "
            f"{best if base.training.keep_best else 'after its last epoch'}, on {counts[spec.TEST]:,} "
            "images of the test split"
        )
        pairs = results.examples.num_pairs
        text += f" and {pairs:,} verification pairs." if pairs else " and pairs made of them."
    return text


def outcome(results: Results) -> list[str]:
    """What came out, a sentence or two a task."""
    if not results.rows:
        return ["No run has finished yet."]
    return [_outcome(results, figure) for figure in results.figures if figure.key == "accuracy"]


def caveats(results: Results) -> list[str]:
    """What the figures do not say."""
    settings, examples = results.settings, results.examples
    texts = []
    if len(settings.seeds) == 1:
        texts.append(
            "One seed each. An interval over test images or pairs says how much hangs on their choice; "
            "the luck of a seed (weights, order, augmentation) comes on top, also in differences."
        )
    else:
        texts.append(
            f"{len(settings.seeds)} seeds each: an interval over so few is wide, and does not hold the "
            "choice of test images; an interval over test images does not hold the luck of a seed. A "
            "difference is called more than chance where both intervals lie on one side of 0."
        )
    compared = sum(len(row.differences) for row in results.rows)
    if compared > 1:
        texts.append(
            f"There are {compared} differences, each with a 95% interval of its own: where none were "
            "real, up to one in twenty would still be called more than chance."
        )
    texts.append(
        "Learning rate, epochs and the weights that methods start from were chosen once for all "
        "variants: another choice may suit another method better."
    )
    if examples and 0 < examples.num_impostors * FALSE_ACCEPT_RATE < 10:
        allowed = int(examples.num_impostors * FALSE_ACCEPT_RATE)
        texts.append(
            f"The TAR at FAR {FALSE_ACCEPT_RATE:.0%} hangs on the {allowed} most similar of "
            f"{examples.num_impostors:,} impostor pairs, which is few: that figure is rough."
        )
    if examples and 0 < examples.num_test_people < _FEW_PEOPLE:
        texts.append(
            f"The test split has {examples.num_test_people} people. Their images are drawn together, and "
            "pairs share them, which intervals over pairs do not see: from so few people both are rough."
        )
    if examples and examples.test_people_are_trained_on and not examples.num_pairs:
        texts.append(
            "People of the test split are in the training split too: verification is of other images of "
            "known people, which is easier than of strangers."
        )
    single = any(len(settings.learned(name)) == 1 for name in settings.variants)
    if single and _have_same_batches(results) and len(settings.base.data.sources) > 1:
        texts.append(
            "A network that learns one task gets the images of the other source too, and learns nothing "
            "from their labels: its minutes are those of equal batches, not of the fewest that would do."
        )
    if results.rows:
        texts.append("Times and memory are of one machine, with whatever else it did meanwhile.")
    return texts


def points(interval: Interval) -> str:
    """A difference in points, with its interval's ends."""
    return f"{_points(interval.value)} points ({_points(interval.low)} to {_points(interval.high)})"


def _outcome(results: Results, figure: Figure) -> str:
    alone = results.settings.alone(figure.task)
    rows = [row for row in results.rows if figure.name in row.figures]
    single = next((row for row in rows if row.variant == alone), None)
    title = figure.title[0].upper() + figure.title[1:]
    if single is None:
        ranked = sorted(rows, key=lambda row: -row.figures[figure.name].value)
        return f"{title}: {listed([_figure(row, figure) for row in ranked])}."
    text = f"{title} of the task alone: {_figure(single, figure)}. "
    others: list[tuple[Row, Difference]] = [
        (row, row.differences[figure.name]) for row in rows if figure.name in row.differences
    ]
    if not others:
        return text + "No variant that learns it with another task has finished."
    better, worse = (sum(told.sign == sign for _, told in others) for sign in (1, -1))
    highest, told = max(others, key=lambda other: other[1].over_examples.value)
    which = "It differs" if len(others) == 1 else f"The highest, {highest.variant}, differs"
    return (
        f"{text}Of {counted(len(others), 'variant')} that learn it with another task, "
        f"{better} {'is' if better == 1 else 'are'} better and {worse} {'is' if worse == 1 else 'are'} "
        f"worse by more than chance explains. {which} by {points(told.over_examples)}."
    )


def _figure(row: Row, figure: Figure) -> str:
    interval = row.figures[figure.name]
    return f"{row.variant} {interval.value:.1%} ({interval.low:.1%} to {interval.high:.1%})"


def _have_same_batches(results: Results) -> bool:
    changed = {name for changes in results.settings.variants.values() for name in changes}
    return all(
        name.startswith("training.weighting") or (name.startswith("tasks.") and name.endswith(".weight"))
        for name in changed
    )


def _points(value: float) -> str:
    return f"{round(100 * value, 2) + 0.0:+.2f}"
