import dataclasses

import pytest
from toy_tuning import ACCURACY, RATE, SIZE, make_results, retrained, scored_by

from kfer.settings import ParameterSettings
from kfer.tuning import words
from kfer.tuning.importance import Importance, importance


def caveats(results) -> str:
    return " ".join(words.caveats(results, importance(results)))


def with_failure(results, reason: str):
    trials = tuple(
        dataclasses.replace(trial, failure=reason) if trial.score is None else trial
        for trial in results.trials
    )
    return dataclasses.replace(results, trials=trials)


def test_what_was_searched_is_said(results):
    said = words.searched(results)
    assert said.startswith("14 trials of random search over 5 settings of a network on synthetic")
    assert "run by 2 workers: compact, 32 x 32 px in grey" in said
    assert "each for 3 epochs on 40% of the training split an epoch" in said and ACCURACY in said
    fewer = words.searched(dataclasses.replace(results, trials=results.trials[:5]))
    assert fewer.startswith("5 of 14 trials")
    early = words.searched(make_results(2, (), patience=1, example_share=1.0, tuner="bayesian"))
    assert "Bayesian optimisation" in early and "3 epochs at most. " in early


def test_the_outcome_names_the_best_beside_what_is_set(results):
    first, second, failed = words.outcome(results)
    best, start = results.best, results.trials[0]
    assert first.startswith(f"Trial {best.trial} is the best of 12 with a score, {best.score:.4f}: ")
    assert f"{SIZE} {best.values[SIZE]}" in first and f"{RATE} {best.values[RATE]:.4g}" in first
    assert second == (
        f"The first trial, which has what is set, has a score of {start.score:.4f}: the best is "
        f"{best.score - start.score:.4f} above it."
    )
    assert failed == "2 of 14 trials failed: the loss is nan after 12 steps of epoch 1 (trials 3 and 8)."


def test_a_first_trial_that_is_best_or_failed_or_none_is_said(results):
    by_number = scored_by(results, lambda trial: -float(trial.trial))
    assert "It is the first trial, which has what is set." in words.outcome(by_number)
    alike = scored_by(results, lambda trial: 0.5)
    assert words.outcome(dataclasses.replace(alike, best=alike.trials[1]))[1].endswith(
        "the best is no better."
    )
    assert "failed: there is nothing to compare it with" in words.outcome(make_results(9, (0,)))[1]
    later = dataclasses.replace(results, trials=results.trials[1:])
    assert "first trial" not in " ".join(words.outcome(later))


def test_what_lies_outside_the_space_is_only_near():
    # 0.005 as set is in no range.
    made = make_results(9, (), space={RATE: ParameterSettings(low=0.01, high=0.1, scale="log")})
    assert "The first trial, which has what is nearest to what is set" in words.outcome(made)[1]


def test_one_trial_or_none_is_said():
    (only,) = words.outcome(make_results(1, ()))
    assert only.startswith("Trial 0 is the only one with a score, ")
    nothing, failed = words.outcome(make_results(3, range(3)))
    assert nothing == "No trial has a score." and "(trials 0, 1 and 2)" in failed
    assert words.outcome(make_results(0)) == ["No trial has a score."]


def test_a_long_reason_is_cut(results):
    said = words.outcome(with_failure(results, "out of memory.\n" * 99))[-1]
    assert len(said) < 260 and "\N{HORIZONTAL ELLIPSIS}" in said and "\n" not in said


def test_luck_and_short_trials_are_caveats(results):
    said = caveats(results)
    assert "The best of 12 trials is a lucky one too" in said and "Each trial has one seed." in said
    assert "A trial is short (3 epochs, 40% of the training images an epoch)" in said
    assert "Importance is told from 12 trials" in said and "Hyperband" not in said
    assert "Hyperband ends most trials early" in caveats(make_results(tuner="hyperband"))
    assert "lucky" not in caveats(make_results(1, ()))
    assert caveats(make_results(3, range(3))) == ""


def test_a_best_value_at_an_end_of_its_range_is_a_caveat(results):
    values = {**results.best.values, SIZE: 255}
    near = dataclasses.replace(results, best=dataclasses.replace(results.best, values=values))
    assert f"{SIZE} 255 (searched from 16 to 256)" in caveats(near)
    inside = {**values, SIZE: 100, RATE: 0.01}
    amid = dataclasses.replace(results, best=dataclasses.replace(results.best, values=inside))
    assert "Near an end" not in caveats(amid)


def test_smaller_batches_are_a_caveat(results):
    trials = list(results.trials)
    trials[1] = dataclasses.replace(trials[1], batch_size=8)
    said = caveats(dataclasses.replace(results, trials=tuple(trials)))
    assert "With a smaller batch than was asked for, for want of memory: trial 1." in said
    assert "smaller batch" not in caveats(results)


def test_what_trees_know_is_said(results):
    assert "trees that explain 42% of" in " ".join(words.caveats(results, Importance({RATE: 0.9}, 0.42)))


@pytest.mark.parametrize(
    ("best", "verdict"),
    [
        ((0.70, 0.71, 0.72), "The best values beat those that are set in expression accuracy, by more"),
        ((0.50, 0.51, 0.52), "The best values are worse in expression accuracy, by more than chance"),
        ((0.60, 0.65, 0.58), "Chance may explain every difference"),
    ],
)
def test_whole_trainings_beat_what_is_set_or_may_not(results, best, verdict):
    found = retrained(results, {"as_set": (0.60, 0.61, 0.62), "best": best})
    figures, said = words.whole_trainings(found)
    assert said.startswith(verdict)
    assert "Trained whole with 3 seeds each and judged on the test split" in figures
    assert f"from 61.0% as set to {sum(best) / 3:.1%}" in figures
    assert "An interval over 3 seeds is wide" in caveats(found)


def test_one_seed_tells_nothing_from_chance(results):
    figures, said = words.whole_trainings(retrained(results, {"as_set": (0.6,), "best": (0.7,)}))
    assert "+10.00 points" in figures and "nan" not in figures
    assert said == "One seed each does not tell a difference from chance."


def test_trainings_that_have_not_finished_are_said(results):
    assert words.whole_trainings(results) == []
    (said,) = words.whole_trainings(retrained(results, {"as_set": (0.6,), "best": ()}))
    assert "have not finished yet" in said
