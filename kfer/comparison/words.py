"""What the figures say, in sentences."""

import itertools
from collections.abc import Sequence

import numpy as np

from kfer import spec
from kfer.comparison.results import FinishedRun, Results, Test
from kfer.metrics import Interval


def compared(results: Results) -> str:
    """What was compared with what."""
    settings = results.settings
    data, training = settings.data, settings.training
    counts = results.finished[0].result["num_examples"] if results.finished else {}

    def images(split: str) -> str:
        return f"{counts[split]:,} images" if counts else "the images"

    seeds = len(settings.seeds)
    return (
        f"{listed(list(settings.candidates))} on {len(settings.expressions)} expressions of "
        f"{data.sources[0].dataset}: {_start(results)}, trained on {images(spec.TRAIN)} of "
        f"{data.image_size} x {data.image_size} px in {'grey' if data.channels == 1 else 'RGB'} for "
        f"{counted(training.total_epochs(), 'epoch')} with the same order, augmentation, schedule and "
        f"batches of {training.batch_size}, {counted(seeds, 'seed')} each. The epoch that was best on "
        f"{images(spec.VALIDATION)} of validation was judged once, on {images(spec.TEST)} of the test "
        "split."
    )


def outcome(results: Results) -> str:
    """What came out: who is right how often, and whether the differences are more than chance."""
    if not results.finished:
        return "No candidate has finished yet."
    ranked = ranking(results)
    parts = [_figure(results, name, accuracy) for name, accuracy in ranked]
    text = f"Right on the test split: {listed(parts)}. "
    for (better, _), (worse, _) in itertools.pairwise(ranked):
        text += _verdict(results, better, worse)
    return text + _constant_answer(results)


def ranking(results: Results) -> list[tuple[str, Interval]]:
    """The candidates that finished, the most accurate first: the mean over seeds, or the only one."""
    accuracies = {run.candidate: run.score.accuracy for run in results.finished} | results.over_seeds
    return sorted(accuracies.items(), key=lambda item: -item[1].value)


def caveats(results: Results) -> list[str]:
    """What the figures do not say."""
    settings, finished = results.settings, results.finished
    texts = []
    if not any(model.weights for model in settings.candidates.values()):
        texts.append(
            "All networks started from random weights. Figures of networks that started from ImageNet, "
            "published ones among them, answer another question."
        )
    last = [run for run in finished if run.result["best_epoch"] == run.result["epochs"]]
    if last:
        names = listed(list(dict.fromkeys(run.candidate for run in last)))
        texts.append(
            f"The best epoch was the last one of {names}: with more epochs these figures might "
            "change, and who is before whom."
        )
    texts.append(
        "One schedule for all is fair in effort, not in fit: it was not tuned for each network, and "
        "another one may suit another network better."
    )
    if len(settings.seeds) == 1:
        texts.append(
            "One seed each. An interval over images and McNemar's test say how much hangs on the choice "
            "of test images; the luck of a seed (weights, order, augmentation) comes on top."
        )
    else:
        texts.append(
            f"{len(settings.seeds)} seeds each: an interval over so few is wide, and an interval over "
            "images does not hold the luck of a seed."
        )
    if results.duplicates["matches"]:
        texts.append(
            "Some test images are in another split too; the figures without them are the honest ones."
        )
    if results.costs:
        texts.append("Times and memory were measured once, on one machine; others differ.")
    return texts


def duplicates(results: Results) -> str:
    """How many test images are in another split."""
    total = results.duplicates["num_test_images"]
    repeated = len({match["position"] for match in results.duplicates["matches"]})
    if not repeated:
        return (
            f"None of the {total:,} test images is in the training or validation split, pixel by pixel."
        )
    text = (
        f"{repeated:,} of the {total:,} test images ({repeated / total:.1%}) are in the training or "
        "validation split too, pixel by pixel."
    )
    unseen = [
        f"{run.candidate} {run.score_without_duplicates.accuracy.value:.1%} instead of "
        f"{run.score.accuracy.value:.1%}"
        for run in results.finished
        if run.score_without_duplicates and run.seed == results.settings.seeds[0]
    ]
    return f"{text} Without them: {listed(unseen)}." if unseen else text


def costs(results: Results) -> list[str]:
    """How the costs were measured."""
    measured = list(results.costs.values())
    if not measured:
        return []
    one = measured[0]
    texts = [
        "Multiply-adds count convolutions and dense layers. A training step is the median of "
        f"{one['timed_steps']} with {one['batch_size']} images each, input included; memory is the most "
        "that the training process held. Milliseconds are the median of "
        f"{one['timed_images']} single images, from RGB pixels to probabilities, in a fresh process: "
        f"SavedModel with TensorFlow's own threads ({_cores(measured, 'saved_model')}), int8 TFLite with "
        f"LiteRT's ({_cores(measured, 'int8')}). int8 was calibrated on {one['calibration_images']} "
        f"training images, and its accuracy compared with Keras's on {one['int8_images']:,} test images.",
        f"Machine: {listed(list(dict.fromkeys(cost['machine'] for cost in measured)))}.",
    ]
    for name, cost in results.costs.items():
        if cost["uncounted"]:
            texts.append(f"* {name}: the count leaves out {listed(cost['uncounted'])}.")
    unmeasured = [name for name in results.settings.candidates if name not in results.costs]
    if unmeasured:
        texts.append(f"Not measured: {listed(unmeasured)}.")
    return texts


def p_value(value: float) -> str:
    """A p value as it is written: no more digits than it is good for."""
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}" if value < 0.01 else f"{value:.2f}"


def _start(results: Results) -> str:
    weights = {name: model.weights for name, model in results.settings.candidates.items()}
    if not any(weights.values()):
        return "from scratch"
    return listed([f"{name} from {text or 'random weights'}" for name, text in weights.items()])


def _figure(results: Results, name: str, accuracy: Interval) -> str:
    several = f"mean of {len(results.of(name))} seeds, " if name in results.over_seeds else ""
    ends = f"{accuracy.low:.1%} to {accuracy.high:.1%}"
    return f"{name} for {accuracy.value:.1%} ({several}95% interval {ends})"


def _verdict(results: Results, better: str, worse: str) -> str:
    tests = [test for test in results.tests if {test.first, test.second} == {better, worse}]
    ahead = [test for test in tests if test.adjusted < 0.05 and _is_ahead(test, better)]
    if len(tests) > 1:
        return (
            f"{better} is before {worse} by more than chance explains in {len(ahead)} of {len(tests)} "
            "seeds (McNemar's test). "
        )
    if not tests:
        return ""
    sign = p_value(tests[0].adjusted)
    told = f"McNemar's test, p {sign if sign.startswith('<') else '= ' + sign}"
    told += " after Holm" if len(results.tests) > 1 else ""
    if ahead:
        return f"The difference between {better} and {worse} is more than chance explains ({told}). "
    return f"That {better} is before {worse} may be chance ({told}). "


def _is_ahead(test: Test, name: str) -> bool:
    difference = test.outcome.only_first - test.outcome.only_second
    return difference > 0 if name == test.first else difference < 0


def _constant_answer(results: Results) -> str:
    run: FinishedRun = results.finished[0]
    support = run.confusion.sum(axis=1)
    most = int(np.argmax(support))
    name = results.settings.expressions[most]
    return f"Always answering {name!r} would be right for {support[most] / support.sum():.1%}."


def _cores(measured: Sequence[dict[str, float]], kind: str) -> str:
    busy = [cost[f"{kind}_cores"] for cost in measured]
    low, high = f"{min(busy):.1f}", f"{max(busy):.1f}"
    return f"{low if low == high else f'{low} to {high}'} cores busy"


def counted(count: int, what: str) -> str:
    """ "1 seed" or "3 seeds"."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def listed(items: Sequence[str]) -> str:
    """ "a", "a and b" or "a, b and c"."""
    return " and ".join(filter(None, (", ".join(items[:-1]), items[-1] if items else "")))
