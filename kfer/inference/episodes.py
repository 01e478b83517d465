"""What people expressed over a recording: how long, how often it changed, and in which episodes."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kfer.inference.observations import Observed, Recording
from kfer.inference.records import is_glimpse

# Times are written in tenths of a millisecond.
_ROUNDING = 1e-3


@dataclass(frozen=True)
class Episode:
    """A time in which one expression leads.

    Attributes:
        expression: Its name.
        start: When it begins, in seconds of the recording.
        end: When it ends.
        seconds: How long of that the face is seen.
        probability: The mean probability of the expression while it is seen, in [0, 1].
    """

    expression: str
    start: float
    end: float
    seconds: float
    probability: float


@dataclass(frozen=True)
class Affect:
    """Valence or arousal over a recording, weighted by time, in the unit of the model's labels.

    Attributes:
        mean: Over the time in which the model says one.
        standard_deviation: Over the same time.
        trend: How much it rises a minute, by least squares; None of one moment, and over recordings.
        seconds: How long that time is.
    """

    mean: float
    standard_deviation: float
    trend: float | None
    seconds: float


@dataclass(frozen=True, eq=False)
class Expressed:
    """What a person expressed in a recording.

    Attributes:
        recording: The one.
        person: The frames that all this is told of.
        seconds: How long the person is seen, without gaps.
        shares: By expression, the share of that time in which it is the most probable one; their sum is
            1. Every frame counts, flicker too.
        probabilities: By expression, the mean probability.
        stretches: Start and end, in seconds of the recording, of each time without a gap.
        episodes: In time; flicker is part of the episode around it.
        num_changes: How often one episode followed another without a gap between.
        affect: Of the names of valence and arousal that the model has.
    """

    recording: Recording
    person: Observed
    seconds: float
    shares: dict[str, float]
    probabilities: dict[str, float]
    stretches: tuple[tuple[float, float], ...]
    episodes: tuple[Episode, ...]
    num_changes: int
    affect: dict[str, Affect]

    @property
    def first_seconds(self) -> float:
        """When the person is seen first."""
        return self.stretches[0][0]

    @property
    def last_seconds(self) -> float:
        """When the last frame that shows the person ends."""
        return self.stretches[-1][1]

    @property
    def changes_a_minute(self) -> float:
        """Of the time seen."""
        return 60 * self.num_changes / self.seconds

    @property
    def is_glimpse(self) -> bool:
        """Whether it is too little to be told: see `kfer.inference.records.is_glimpse`."""
        return is_glimpse(self.seconds, self.person.best_quality)


@dataclass(frozen=True)
class OverRecordings:
    """What a person expressed over several recordings, weighted by the time seen in each.

    Attributes:
        name: The person's.
        num_recordings: How many show the person.
        seconds: How long the person is seen.
        shares: By expression, the share of that time in which it is the most probable one.
        spread: By expression, the standard deviation of the recordings' shares (of a sample: divided by
            n - 1), each recording counting the same; None of one recording.
        probabilities: By expression, the mean probability.
        num_changes: In all recordings.
        affect: Its standard deviation is over the time of all recordings.
    """

    name: str
    num_recordings: int
    seconds: float
    shares: dict[str, float]
    spread: dict[str, float | None]
    probabilities: dict[str, float]
    num_changes: int
    affect: dict[str, Affect]

    @property
    def changes_a_minute(self) -> float:
        """Of the time seen."""
        return 60 * self.num_changes / self.seconds


def expressed(recording: Recording, least_lead: float = 0.2, most_gap: float = 0.5) -> list[Expressed]:
    """Returns what each person of a recording expressed, in the order of its people.

    Args:
        recording: The recording.
        least_lead: Seconds for which another expression must lead without a break before it counts as a
            change; what leads for less is flicker.
        most_gap: Seconds out of sight after which an episode ends. No gap counts as time seen, and no
            difference across one as a change.

    Raises:
        ValueError: A number of seconds is negative or none.
    """
    for name, seconds in (("least_lead", least_lead), ("most_gap", most_gap)):
        if not 0 <= seconds < math.inf:
            raise ValueError(f"{name} must be seconds from 0 on; got {seconds!r}")
    return [_expressed(recording, person, least_lead, most_gap) for person in recording.people]


def over_recordings(of_person: Sequence[Expressed]) -> OverRecordings:
    """Returns one person's recordings as one.

    Args:
        of_person: What a person expressed in each; at least one.

    Raises:
        ValueError: They are of several people or models, or there is none.
    """
    if not of_person:
        raise ValueError("there is no recording to sum up")
    check_one_model([each.recording for each in of_person])
    names = {each.person.name for each in of_person}
    if len(names) > 1 or not all(each.person.is_named for each in of_person):
        raise ValueError(f"only one person's recordings can be summed up; got {', '.join(sorted(names))}")
    weights = [each.seconds for each in of_person]
    shares = np.array([list(each.shares.values()) for each in of_person])
    probabilities = np.array([list(each.probabilities.values()) for each in of_person])
    expressions, several = of_person[0].recording.expressions, len(of_person) > 1
    deviations = np.std(shares, axis=0, ddof=1).tolist() if several else [None] * len(expressions)
    return OverRecordings(
        name=of_person[0].person.name,
        num_recordings=len(of_person),
        seconds=sum(weights),
        shares=_by_name(expressions, np.average(shares, axis=0, weights=weights)),
        spread=dict(zip(expressions, deviations, strict=True)),
        probabilities=_by_name(expressions, np.average(probabilities, axis=0, weights=weights)),
        num_changes=sum(each.num_changes for each in of_person),
        affect={
            name: _pooled([each.affect[name] for each in of_person if name in each.affect])
            for name in dict.fromkeys(itertools.chain(*(each.affect for each in of_person)))
        },
    )


def check_one_model(recordings: Sequence[Recording]) -> None:
    """Checks that recordings can be compared.

    Raises:
        ValueError: They are of several models; two of them are named.
    """
    first = recordings[0]
    for other in recordings[1:]:
        if other.model.fingerprint != first.model.fingerprint:
            raise ValueError(
                f"{first.name} is of the model {first.model.name} ({first.model.fingerprint[:8]}), "
                f"{other.name} of {other.model.name} ({other.model.fingerprint[:8]}): their figures "
                "cannot be compared; ask one model about both videos"
            )


def _expressed(recording: Recording, person: Observed, least_lead: float, most_gap: float) -> Expressed:
    lasting, leaders = person.lasting, person.probabilities.argmax(axis=1)
    seconds = float(lasting.sum())
    led = np.bincount(leaders, lasting, len(recording.expressions))
    ends = person.seconds + lasting
    breaks = np.flatnonzero(person.seconds[1:] - ends[:-1] > most_gap + _ROUNDING) + 1
    stretches = list(itertools.pairwise([0, *breaks.tolist(), len(leaders)]))
    parts = [list(_parts(leaders, lasting, *stretch, least_lead)) for stretch in stretches]
    return Expressed(
        recording=recording,
        person=person,
        seconds=seconds,
        shares=_by_name(recording.expressions, led / seconds),
        probabilities=_by_name(
            recording.expressions, np.average(person.probabilities, axis=0, weights=lasting)
        ),
        stretches=tuple(
            (float(person.seconds[first]), float(ends[behind - 1])) for first, behind in stretches
        ),
        episodes=tuple(
            Episode(
                expression=recording.expressions[leader],
                start=float(person.seconds[first]),
                end=float(ends[behind - 1]),
                seconds=float(lasting[first:behind].sum()),
                probability=float(
                    np.average(person.probabilities[first:behind, leader], weights=lasting[first:behind])
                ),
            )
            for leader, first, behind in itertools.chain(*parts)
        ),
        num_changes=sum(len(each) - 1 for each in parts),
        affect={
            name: _affect(person.seconds[known], values[known], lasting[known])
            for name, values in person.affect.items()
            if (known := np.isfinite(values)).any()
        },
    )


def _parts(
    leaders: np.ndarray, lasting: np.ndarray, first: int, behind: int, least_lead: float
) -> Iterator[tuple[int, int, int]]:
    """The expression and the frames, first and behind the last, of each episode of a stretch."""
    turns = np.flatnonzero(np.diff(leaders[first:behind])) + 1 + first
    began: list[tuple[int, int]] = []
    for start, end in itertools.pairwise([first, *turns.tolist(), behind]):
        leads_long = lasting[start:end].sum() >= least_lead - _ROUNDING
        if leads_long and (not began or leaders[start] != began[-1][0]):
            # What leads for too short a time at the beginning belongs to the first episode.
            began.append((int(leaders[start]), start if began else first))
    if not began:
        led = np.bincount(leaders[first:behind], lasting[first:behind])
        began.append((int(led.argmax()), first))
    for (leader, start), (_, end) in itertools.pairwise([*began, (0, behind)]):
        yield leader, start, end


def _affect(seconds: np.ndarray, values: np.ndarray, weights: np.ndarray) -> Affect:
    mean, middle = np.average(values, weights=weights), np.average(seconds, weights=weights)
    variance = np.average((values - mean) ** 2, weights=weights)
    along = np.average((seconds - middle) * (values - mean), weights=weights)
    of_time = np.average((seconds - middle) ** 2, weights=weights)
    trend = float(60 * along / of_time) if of_time else None
    return Affect(float(mean), float(np.sqrt(variance)), trend, float(weights.sum()))


def _pooled(parts: Sequence[Affect]) -> Affect:
    weights = [part.seconds for part in parts]
    means = np.array([part.mean for part in parts])
    mean = np.average(means, weights=weights)
    within = np.array([part.standard_deviation for part in parts]) ** 2
    variance = np.average(within + (means - mean) ** 2, weights=weights)
    return Affect(float(mean), float(np.sqrt(variance)), None, sum(weights))


def _by_name(names: Sequence[str], values: np.ndarray) -> dict[str, float]:
    return dict(zip(names, values.tolist(), strict=True))
