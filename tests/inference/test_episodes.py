import itertools

import numpy as np
import pytest
from seen_people import MODEL, recording

from kfer.inference.episodes import Affect, expressed, over_recordings
from kfer.inference.records import RecordedModel


def told(letters: str, **settings):
    (each,) = expressed(recording(Anna=letters), **settings)
    return each


def episodes(each) -> list[tuple[str, float, float]]:
    return [(found.expression[0], round(found.start, 6), round(found.end, 6)) for found in each.episodes]


def test_a_worked_example():
    # A second of neutral, half a second of happy, a second out of sight, and half a second of sad.
    each = told("n" * 10 + "h" * 5 + "." * 10 + "s" * 5)
    assert (each.seconds, each.first_seconds, each.last_seconds) == pytest.approx((2.0, 0.0, 3.0))
    assert each.shares == pytest.approx({"neutral": 0.5, "happy": 0.25, "sad": 0.25})
    assert each.probabilities == pytest.approx({"neutral": 0.45, "happy": 0.275, "sad": 0.275})
    assert episodes(each) == [("n", 0, 1), ("h", 1, 1.5), ("s", 2.5, 3)]
    assert [found.seconds for found in each.episodes] == pytest.approx([1, 0.5, 0.5])
    assert [found.probability for found in each.episodes] == pytest.approx([0.8] * 3)
    np.testing.assert_allclose(each.stretches, [(0, 1.5), (2.5, 3)])
    # What happens out of sight is no change.
    assert each.num_changes == 1 and each.changes_a_minute == pytest.approx(30)


@pytest.mark.parametrize(
    "letters, least_lead, expected",
    [
        # Two tenths lead long enough, one does not.
        ("nnnnhhnnnn", 0.2, [("n", 0, 0.4), ("h", 0.4, 0.6), ("n", 0.6, 1)]),
        ("nnnnhnnnnn", 0.2, [("n", 0, 1)]),
        ("nnnnhhnnnn", 0.3, [("n", 0, 1)]),
        ("nnnnhnnnnn", 0.0, [("n", 0, 0.4), ("h", 0.4, 0.5), ("n", 0.5, 1)]),
        # Two that take turns are no change to either.
        ("nnnnhshshs", 0.2, [("n", 0, 1)]),
        ("nnnnhnhhhh", 0.2, [("n", 0, 0.6), ("h", 0.6, 1)]),
        # Flicker at the beginning and at the end belongs to what is there.
        ("hnnnnnnnns", 0.2, [("n", 0, 1)]),
        # Of nothing but flicker, what leads longest.
        ("hshshnhshs", 0.2, [("h", 0, 1)]),
        ("h", 0.2, [("h", 0, 0.04)]),
    ],
)
def test_flicker_is_no_change(letters, least_lead, expected):
    each = told(letters, least_lead=least_lead)
    assert episodes(each) == expected
    assert each.num_changes == len(expected) - 1


def test_flicker_counts_in_the_shares():
    each = told("nnnnhnnnnn")
    assert each.shares["happy"] == pytest.approx(0.1)
    (episode,) = each.episodes
    assert episode.probability == pytest.approx(0.73)


@pytest.mark.parametrize(
    "gap, expected",
    [
        (5, [("n", 0, 1.3)]),
        (6, [("n", 0, 0.4), ("n", 1, 1.4)]),
    ],
)
def test_a_gap_ends_an_episode_when_it_is_long(gap, expected):
    each = told("nnnn" + "." * gap + "nnnn", most_gap=0.5)
    assert episodes(each) == expected
    assert each.seconds == pytest.approx(0.8) and each.num_changes == 0
    assert sum(found.seconds for found in each.episodes) == pytest.approx(0.8)


def test_a_change_across_a_short_gap_is_one():
    each = told("nnnn...hhhh")
    assert episodes(each) == [("n", 0, 0.4), ("h", 0.7, 1.1)] and each.num_changes == 1


def test_shares_sum_to_one_and_episodes_to_the_time_seen():
    rng = np.random.default_rng(0)
    for _ in range(50):
        letters = "".join(rng.choice(list("nnhs."), rng.integers(1, 60))).rstrip(".") or "n"
        each = told(letters, most_gap=rng.uniform(0, 1), least_lead=rng.uniform(0, 0.5))
        assert sum(each.shares.values()) == pytest.approx(1)
        assert sum(each.probabilities.values()) == pytest.approx(1)
        assert sum(found.seconds for found in each.episodes) == pytest.approx(each.seconds)
        for before, after in itertools.pairwise(each.episodes):
            assert before.end <= after.start + 1e-9
            assert before.end - before.start >= before.seconds - 1e-9


def test_a_recording_in_two_parts_has_the_sums_of_the_whole():
    rng = np.random.default_rng(1)
    letters = "n" + "".join(rng.choice(list("nhs."), 200)) + "n"
    whole = told(letters)
    for cut in (3, 60, 170):
        parts = [
            expressed(recording(name, Anna=part.rstrip(".")))[0]
            for name, part in (("a", letters[:cut]), ("b", letters[cut:]))
        ]
        joined = over_recordings(parts)
        assert joined.seconds == pytest.approx(whole.seconds)
        assert joined.shares == pytest.approx(whole.shares)
        assert joined.probabilities == pytest.approx(whole.probabilities)


def test_valence_over_time():
    # It is the number of the frame, of ten a second: it rises by 600 a minute.
    affect = told("nnnnn").affect["valence"]
    assert (affect.mean, affect.standard_deviation) == pytest.approx((2, np.sqrt(2)))
    assert affect.trend == pytest.approx(600) and affect.seconds == pytest.approx(0.5)
    # Out of sight nothing is counted: the frames 0 and 4.
    affect = told("n...n").affect["valence"]
    assert (affect.mean, affect.standard_deviation, affect.trend) == pytest.approx((2, 2, 600))
    assert told("n").affect["valence"].trend is None
    (none,) = expressed(recording("a", RecordedModel("a", "b"), Anna="nn"))
    assert none.affect == {}


def test_several_recordings_are_weighted_by_the_time_seen():
    # Six tenths, all neutral; two tenths, half of it happy.
    (one,), (other,) = (
        expressed(recording("a", Anna="nnnnnn")),
        expressed(recording("b", Anna="nh")),
    )
    both = over_recordings([one, other])
    assert (both.name, both.num_recordings) == ("Anna", 2)
    assert both.seconds == pytest.approx(0.8)
    assert both.shares == pytest.approx({"neutral": 7 / 8, "happy": 1 / 8, "sad": 0})
    assert both.spread == pytest.approx({"neutral": np.sqrt(1 / 8), "happy": np.sqrt(1 / 8), "sad": 0})
    # Of the valences 0 to 5, and 0 and 1.
    values = [0, 1, 2, 3, 4, 5, 0, 1]
    pooled = both.affect["valence"]
    assert pooled.trend is None and pooled.seconds == pytest.approx(0.8)
    assert (pooled.mean, pooled.standard_deviation) == pytest.approx((np.mean(values), np.std(values)))
    assert over_recordings([one]).spread == {"neutral": None, "happy": None, "sad": None}


def test_changes_of_several_recordings_are_counted_in_each():
    both = over_recordings(
        [expressed(recording(name, Anna="nnnhhh"))[0] for name in ("a", "b")]
        + expressed(recording("c", Anna="sss"))
    )
    assert both.num_changes == 2 and both.changes_a_minute == pytest.approx(60 * 2 / 1.5)


def test_who_is_seen_briefly_is_a_glimpse():
    assert told("nnnn").is_glimpse and not told("nnnnn").is_glimpse


def test_wrong_use_is_refused():
    for setting in ("least_lead", "most_gap"):
        for seconds in (-1, float("nan"), float("inf")):
            with pytest.raises(ValueError, match=f"{setting} must be seconds from 0 on; got"):
                told("n", **{setting: seconds})
    anna, ben, nobody = (
        expressed(recording(Anna="n"))[0],
        expressed(recording("b", Ben="n"))[0],
        expressed(recording("c", track1="n"))[0],
    )
    with pytest.raises(ValueError, match="no recording to sum up"):
        over_recordings([])
    with pytest.raises(ValueError, match="only one person's recordings can be summed up; got Anna, Ben"):
        over_recordings([anna, ben])
    with pytest.raises(ValueError, match=r"only one person's recordings .* got track 1"):
        over_recordings([nobody, nobody])
    (later,) = expressed(recording("d", RecordedModel("faces/2", "beef", MODEL.numbers), Anna="n"))
    with pytest.raises(
        ValueError, match=r"a\.jsonl is of the model faces/1 \(f00d\), d of faces/2 \(beef"
    ):
        over_recordings([anna, later])


def test_a_recording_of_nobody():
    assert expressed(recording()) == []


def test_affect_is_of_the_time_in_which_the_model_says_one():
    assert told("nn").affect == {"valence": Affect(0.5, 0.5, pytest.approx(600), pytest.approx(0.2))}
