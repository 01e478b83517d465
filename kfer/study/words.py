"""What the figures say, in sentences."""

from kfer import spec
from kfer.comparison.words import counted, listed
from kfer.metrics import Interval
from kfer.study.figures import FIGURES, Figure
from kfer.study.results import Difference, Results, Row
from kfer.study.settings import FALSE_ACCEPT_RATE, StudySettings

#: People of the test split below which intervals are called rough.
_FEW_PEOPLE = 30


def compared(results: Results) -> str:
    """What was compared with what."""
    settings, base = results.settings, results.settings.base
    sources = listed(list(dict.fromkeys(source.dataset for source in base.data.sources)))
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
        images = f"{counts[spec.TRAIN]:,} images"
        text += (
            f" The sources have {images} to train on together"
            if _weigh_sources(settings)
            else f" Trained on {images}"
        )
        text += (
            "; each network was judged once, "
            f"{best if base.training.keep_best else 'after its last epoch'}, on {counts[spec.TEST]:,} "
            "images of the test split"
        )
        pairs = results.examples.num_pairs
        if spec.IDENTITY in base.tasks:
            text += f" and {pairs:,} verification pairs" if pairs else " and pairs made of them"
        text += "."
    return text


def reference(settings: StudySettings) -> str:
    """What the variant is that others are compared with."""
    return "the baseline" if settings.baseline else "the task alone"


def drawn(settings: StudySettings) -> str:
    """What intervals are over that are not over seeds."""
    return " or ".join(
        dict.fromkeys(figure.drawn for figure in FIGURES if figure.task in settings.base.tasks)
    )


def outcome(results: Results) -> list[str]:
    """What came out, a sentence or two a task."""
    if not results.rows:
        return ["No run has finished yet."]
    return [_outcome(results, figure) for figure in results.figures if figure.key == "accuracy"]


def caveats(results: Results) -> list[str]:
    """What the figures do not say."""
    settings, examples = results.settings, results.examples
    have_pairs, images_or_pairs = spec.IDENTITY in settings.base.tasks, drawn(settings)
    texts = []
    if len(settings.seeds) == 1:
        texts.append(
            f"One seed each. An interval over test {images_or_pairs} says how much hangs on their "
            "choice; the luck of a seed (weights, order, augmentation) comes on top, also in differences."
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
    several = any(len(settings.learned(name)) > 1 for name in settings.variants)
    chosen = (
        "Learning rate, epochs and the weights that methods start from"
        if several
        else "Learning rate and epochs"
    )
    texts.append(
        f"{chosen} were chosen once for all variants: another choice may suit another variant better."
    )
    if _weigh_sources(settings):
        texts.append(
            "Variants give sources other shares of a batch, and an epoch has as many batches in all, by "
            "the images of all sources: where one has a smaller share, the others' come more often."
        )
    if examples and 0 < examples.num_impostors * FALSE_ACCEPT_RATE < 10:
        allowed = int(examples.num_impostors * FALSE_ACCEPT_RATE)
        texts.append(
            f"The TAR at FAR {FALSE_ACCEPT_RATE:.0%} hangs on the {allowed} most similar of "
            f"{examples.num_impostors:,} impostor pairs, which is few: that figure is rough."
        )
    if examples and 0 < examples.num_test_people < _FEW_PEOPLE:
        rough = (
            ", and pairs share them, which intervals over pairs do not see: from so few people both are "
            "rough."
            if have_pairs
            else ": from so few people intervals are rough."
        )
        people = f"The test split has {examples.num_test_people} people."
        texts.append(f"{people} Their images are drawn together{rough}")
    if have_pairs and examples and examples.test_people_are_trained_on and not examples.num_pairs:
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
    named = results.settings.reference(figure.task)
    rows = [row for row in results.rows if figure.name in row.figures]
    compared_with = next((row for row in rows if row.variant == named), None)
    title = figure.title[0].upper() + figure.title[1:]
    if compared_with is None:
        ranked = sorted(rows, key=lambda row: -row.figures[figure.name].value)
        return f"{title}: {listed([_figure(row, figure) for row in ranked])}."
    text = f"{title} of {reference(results.settings)}: {_figure(compared_with, figure)}. "
    which = "" if results.settings.baseline else " that learn it with another task"
    others: list[tuple[Row, Difference]] = [
        (row, row.differences[figure.name]) for row in rows if figure.name in row.differences
    ]
    if not others:
        return f"{text}None of the other variants{which} has finished."
    better, worse = (sum(told.sign == sign for _, told in others) for sign in (1, -1))
    highest, told = max(others, key=lambda other: other[1].over_examples.value)
    differs = f"differs by {points(told.over_examples)}"
    if len(others) == 1:
        sure = "which is more than chance explains" if told.sign else "which chance may explain"
        return f"{text}{highest.variant} {differs}, {sure}."
    return (
        f"{text}Of {len(others)} other variants{which}, "
        f"{better} {'is' if better == 1 else 'are'} better and {worse} {'is' if worse == 1 else 'are'} "
        f"worse by more than chance explains. The highest, {highest.variant}, {differs}."
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


def _weigh_sources(settings: StudySettings) -> bool:
    # Of the data, a variant may change nothing else.
    return any(name.startswith("data.") for changes in settings.variants.values() for name in changes)


def _points(value: float) -> str:
    return f"{round(100 * value, 2) + 0.0:+.2f}"
