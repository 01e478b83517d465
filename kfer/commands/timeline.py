"""Tells what people expressed over a recording, or over several of the same people.

RECORDING is what `kfer video --json` or `kfer camera --json` wrote. Only names join the faces of several
recordings (`kfer video --gallery`). An expression is what a face looks like to the model, not what a
person feels. The exit code is 0 where somebody is seen, 1 where nobody is, else 2.
"""

import argparse
import contextlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kfer import files
from kfer.arguments import number
from kfer.commands import NO, YES, counted, print_json, print_table
from kfer.commands.video import left_out_words, shares_words
from kfer.console import after_the_deed, printable
from kfer.inference import episodes, observations, timeline
from kfer.inference.episodes import Affect, Episode, Expressed, OverRecordings
from kfer.inference.observations import Recording

_DECIMALS = 4
# So many episodes of a person are printed; an hour can have thousands.
_EPISODES = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of this command."""
    parser.add_argument(
        "recordings", type=Path, nargs="+", metavar="RECORDING", help="files that --json wrote (.jsonl)"
    )
    parser.add_argument(
        "--person", metavar="NAME", help='tell only of this one: a name, or "track 3" of one recording'
    )
    parser.add_argument("--json", action="store_true", help="print JSON, one object with all figures")
    parser.add_argument(
        "--csv", type=Path, metavar="CSV", help="write a row a person and recording (.csv)"
    )
    parser.add_argument("--episodes", type=Path, metavar="CSV", help="write a row an episode (.csv)")
    parser.add_argument(
        "--draw",
        type=Path,
        metavar="PNG",
        help='draw a row a person, or a recording of one (.png; pip install "kfer[plots]")',
    )
    parser.add_argument(
        "--least-lead",
        type=number("at least 0"),
        default=0.2,
        metavar="SECONDS",
        help="another expression that leads for less is flicker, no change [0.2]",
    )
    parser.add_argument(
        "--most-gap",
        type=number("at least 0"),
        default=0.5,
        metavar="SECONDS",
        help="who is out of sight for longer begins a new episode [0.5]",
    )


def run(parsed: argparse.Namespace) -> int:
    """Runs it."""
    for path, ending in ((parsed.csv, ".csv"), (parsed.episodes, ".csv"), (parsed.draw, ".png")):
        if path is not None:
            files.check_new(path, ending)
    if parsed.draw is not None:
        timeline.check_drawable()
    if len(set(parsed.recordings)) < len(parsed.recordings):
        raise ValueError("a recording is given twice: give each once")
    recordings = [observations.read(path) for path in parsed.recordings]
    episodes.check_one_model(recordings)
    if recordings[0].model.warning:
        print(f"kfer timeline: {recordings[0].model.warning}", file=sys.stderr)
    told = [
        each
        for recording in recordings
        for each in episodes.expressed(recording, parsed.least_lead, parsed.most_gap)
    ]
    several = len(recordings) > 1
    if several:
        told = _named(told)
    if parsed.person is not None:
        told = _of(parsed.person, told)
    people: dict[str, list[Expressed]] = {}
    for each in told:
        people.setdefault(each.person.name, []).append(each)
    # Of one person after the other.
    told = [each for of_person in people.values() for each in of_person]
    over = [episodes.over_recordings(of_person) for of_person in people.values()] if several else []
    if parsed.csv is not None and told:
        of_all = [{"recording": "all", **_content_over(whole)} for whole in over]
        files.write_csv(parsed.csv, map(_flat, [*map(_content, told), *of_all]))
    if parsed.episodes is not None and told:
        files.write_csv(parsed.episodes, [row for each in told for row in _episode_rows(each)])
    if parsed.draw is not None and told:
        timeline.save(parsed.draw, _clear(told))
    written = told and (parsed.csv or parsed.episodes or parsed.draw)
    with after_the_deed() if written else contextlib.nullcontext():
        _tell(parsed, recordings, told, over)
    return YES if told else NO


def _tell(
    parsed: argparse.Namespace,
    recordings: Sequence[Recording],
    told: Sequence[Expressed],
    over: Sequence[OverRecordings],
) -> None:
    if parsed.json:
        print_json(
            {
                "model": recordings[0].model.content(),
                "recordings": [
                    {"recording": recording.name, "seconds": _rounded(recording.seconds)}
                    for recording in recordings
                ],
                "people": [
                    {**_content(each), "episodes": [_episode(episode) for episode in each.episodes]}
                    for each in told
                ],
                "over_recordings": list(map(_content_over, over)),
            }
        )
        return
    print(printable(recordings[0].model.name))
    if told:
        clear = _clear(told)
        _print(clear, over, len(told) - len(clear))
    else:
        print("nobody is seen")


def _clear(told: Sequence[Expressed]) -> Sequence[Expressed]:
    """Without glimpses; where there is nothing but glimpses, they are told."""
    return [each for each in told if not each.is_glimpse] or told


def _named(told: Sequence[Expressed]) -> list[Expressed]:
    """Those that can be found again in another recording."""
    named = [each for each in told if each.person.is_named]
    if told and not named:
        raise ValueError(
            "no face of these recordings has a name, and only names join recordings: give one "
            "recording, whose tracks are told apart, or make them with `kfer video --gallery FILE`"
        )
    if len(named) < len(told):
        print(
            f"kfer timeline: {counted(len(told) - len(named), 'track')} without a name left out: only "
            "names join recordings",
            file=sys.stderr,
        )
    return named


def _of(person: str, told: Sequence[Expressed]) -> list[Expressed]:
    found = [each for each in told if each.person.name == person]
    if told and not found:
        names = ", ".join(dict.fromkeys(each.person.name for each in told))
        print(f"kfer timeline: {person} is not seen; seen are {names}", file=sys.stderr)
    return found


def _print(told: Sequence[Expressed], over: Sequence[OverRecordings], left_out: int) -> None:
    affects = list(dict.fromkeys(name for each in told for name in each.affect))
    headings = ["person", "recording", "from", "to", "seen", "changes", "a minute", "expressions"]
    rows = []
    for each in told:
        rows.append(
            [
                each.person.name,
                Path(each.recording.name).name,
                timeline.clock(each.first_seconds, tenths=True),
                timeline.clock(each.last_seconds, tenths=True),
                *_figures(each, affects),
            ]
        )
    for whole in over:
        rows.append([whole.name, "all", "", "", *_figures(whole, affects)])
    if over:
        rows.sort(key=lambda row: row[0])
    print_table([*headings, *affects], rows)
    for whole in over:
        if whole.num_recordings > 1:
            spread = ", ".join(
                f"{name} {deviation:.0%}"
                for name, deviation in whole.spread.items()
                if deviation is not None and deviation >= 0.005
            )
            print(f"{whole.name}: standard deviation of the shares between recordings: {spread or '0%'}")
    if left_out:
        print(left_out_words(left_out))
    for each in told:
        print()
        _print_episodes(each)


def _print_episodes(each: Expressed) -> None:
    longest = sorted(each.episodes, key=lambda episode: -episode.seconds)[:_EPISODES]
    which = (
        f", the {_EPISODES} longest of {len(each.episodes):,} (--episodes writes all)"
        if len(longest) < len(each.episodes)
        else ""
    )
    print(f"{each.person.name} in {each.recording.name}{which}")
    rows = [
        [
            timeline.clock(episode.start, tenths=True),
            timeline.clock(episode.end, tenths=True),
            f"{episode.seconds:.1f}",
            episode.expression,
            f"{episode.probability:.0%}",
        ]
        for episode in sorted(longest, key=lambda episode: episode.start)
    ]
    print_table(["from", "to", "seconds", "expression", ""], rows)


def _figures(told: Expressed | OverRecordings, affects: Sequence[str]) -> list[str]:
    return [
        timeline.clock(told.seconds, tenths=True),
        str(told.num_changes),
        f"{told.changes_a_minute:.1f}",
        shares_words(told.shares),
        *(_affect_words(told.affect.get(name)) for name in affects),
    ]


def _affect_words(affect: Affect | None) -> str:
    if affect is None:
        return ""
    trend = "" if affect.trend is None else f", {affect.trend:+.2f} a minute"
    return f"{affect.mean:.2f} (sd {affect.standard_deviation:.2f}{trend})"


def _content(each: Expressed) -> dict[str, Any]:
    return {
        "person": each.person.name,
        "named": each.person.is_named,
        "recording": each.recording.name,
        "first_seconds": _rounded(each.first_seconds),
        "last_seconds": _rounded(each.last_seconds),
        **_common(each),
    }


def _content_over(whole: OverRecordings) -> dict[str, Any]:
    return {
        "person": whole.name,
        "num_recordings": whole.num_recordings,
        **_common(whole),
        "share_deviations": _all_rounded(whole.spread),
    }


def _common(told: Expressed | OverRecordings) -> dict[str, Any]:
    return {
        "seconds": _rounded(told.seconds),
        "changes": told.num_changes,
        "changes_a_minute": _rounded(told.changes_a_minute),
        "shares": _all_rounded(told.shares),
        "probabilities": _all_rounded(told.probabilities),
        "affect": {name: _all_rounded(vars(affect)) for name, affect in told.affect.items()},
    }


def _flat(content: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """A row of a table: what is within objects has their names before its own."""
    row: dict[str, Any] = {}
    for name, value in content.items():
        if isinstance(value, Mapping):
            row |= _flat(value, f"{before}{name}_")
        else:
            row[before + name] = value
    return row


def _episode_rows(each: Expressed) -> list[dict[str, Any]]:
    whose = {"person": each.person.name, "recording": each.recording.name}
    return [{**whose, **_episode(episode)} for episode in each.episodes]


def _episode(episode: Episode) -> dict[str, Any]:
    return {
        name: value if isinstance(value, str) else _rounded(value)
        for name, value in vars(episode).items()
    }


def _all_rounded(values: Mapping[str, float | None]) -> dict[str, float | None]:
    return {name: _rounded(value) for name, value in values.items()}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DECIMALS)
