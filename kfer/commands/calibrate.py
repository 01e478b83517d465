"""Finds the thresholds of a model for stated false accept rates, on pairs of your own pictures.

They are written beside the model as thresholds.json; from then on verify, identify and video take the
one of the first rate, or of another one with --false-accept-rate. PAIRS is a CSV with the columns first,
second and same, a list in LFW's format (with --images), or a folder with a folder of pictures a person,
of which pairs are drawn. Take other people than the model was trained on. Of several faces in a picture
the one that is large and near the middle counts.
"""

import argparse
import contextlib
import dataclasses
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from kfer import documents, files, metrics, spec
from kfer.arguments import number, whole
from kfer.commands import YES, identification, options, print_json, print_table
from kfer.commands.pair_list import PicturePair, read_pairs, read_people
from kfer.console import after_the_deed
from kfer.documents.models import CalibratedThreshold, Calibration, Interval
from kfer.inference import images, pushed, shipped
from kfer.inference import thresholds as thresholds_file
from kfer.inference.analyzer import Face, FaceAnalyzer

_RATES = (0.01, 0.1, 0.001)
_FOLDS, _RESAMPLES, _BATCH = 10, 1000, 16
# How much of a face's area its squared distance from the middle takes off, as in FaceNet and InsightFace.
_OFF_MIDDLE = 2.0
# So many pictures that gave no embedding are named.
_NAMED = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of this command."""
    parser.add_argument("pairs", type=Path, metavar="PAIRS", help="a CSV, a list, or a folder of people")
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="what the names in PAIRS are relative to"
    )
    parser.add_argument(
        "--false-accept-rates",
        type=number("in (0, 1)"),
        nargs="+",
        default=_RATES,
        metavar="RATE",
        help="shares of pairs of different people that may be accepted; the first is what commands take "
        f"[{' '.join(map(str, _RATES))}]",
    )
    parser.add_argument(
        "--max-pairs",
        type=whole("at least 4"),
        default=20_000,
        metavar="N",
        help="of a folder of people [20000]",
    )
    parser.add_argument(
        "--seed", type=whole("at least 0"), default=0, help="of the pairs and the intervals [0]"
    )
    parser.add_argument(
        "--identification",
        action="store_true",
        help="of a folder of people: also measure how often they are identified, by all of its pictures",
    )
    parser.add_argument("--dry-run", action="store_true", help="write nothing")
    parser.add_argument("--replace", action="store_true", help="replace thresholds that are there")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options.add_strict(parser)
    options.add_model(parser)


def run(parsed: argparse.Namespace) -> int:
    """Runs it."""
    analyzer = options.analyzer_of(parsed, spec.EMBEDDING)
    target = analyzer.model.folder / thresholds_file.FILE
    _check_own(parsed, analyzer.model)
    _check_new(parsed, target)
    pairs = read_pairs(parsed.pairs, parsed.images, parsed.max_pairs, parsed.seed)
    people = _people(parsed)
    paths = {path for pair in pairs for path in (pair.first, pair.second)} | set(people)
    embeddings, failures = _embeddings(analyzer, sorted(paths), parsed.strict)
    content = _measured(pairs, embeddings, parsed.false_accept_rates, parsed.seed)
    if people:
        told = identification.measured(embeddings, people, parsed.false_accept_rates)
        content["identification"] = told
    content = {
        **options.told_of(analyzer.model),
        "weights": analyzer.model.fingerprint,
        "detector": parsed.detector,
        "crop": dataclasses.asdict(analyzer.crop),
        "pairs": str(parsed.pairs),
        "seed": parsed.seed,
        **content,
        "failures": failures,
    }
    if not parsed.dry_run:
        with files.locked(target.parent):
            _check_new(parsed, target)
            files.write_json(target, {name: content[name] for name in content if name != "origin"})
    with contextlib.nullcontext() if parsed.dry_run else after_the_deed():
        if parsed.json:
            print_json(content)
        else:
            options.print_model(analyzer.model)
            _print(content)
            print(f"\nnothing was written to {target}" if parsed.dry_run else f"\nwritten to {target}")
    return YES


def _people(parsed: argparse.Namespace) -> dict[Path, str]:
    """The person of each picture that is to be identified."""
    if not parsed.identification:
        return {}
    if not parsed.pairs.is_dir():
        raise ValueError(f"--identification needs a folder of people; {parsed.pairs} is none")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # said already, with the pairs
        return read_people(parsed.pairs)


def _embeddings(
    analyzer: FaceAnalyzer, paths: Sequence[Path], strict: bool
) -> tuple[dict[Path, np.ndarray], dict[str, str]]:
    """The embedding of each picture's main face, and why there is none of the others."""
    found: dict[Path, np.ndarray] = {}
    failures: dict[str, str] = {}
    with tqdm(total=len(paths), unit="picture", file=sys.stderr) as progress:
        for read, unread in images.read_batches(paths, _BATCH):
            failures |= {str(path): reason for path, reason in unread.items()}
            for path, faces in zip(read, analyzer.analyze_pixels(list(read.values())), strict=True):
                if not faces:
                    failures[str(path)] = f"{path} shows no face that the detector finds"
                elif strict and len(faces) > 1:
                    failures[str(path)] = f"{path} shows {len(faces)} faces; one is expected"
                else:
                    found[path] = analyzer.embedding_of(_main(faces, read[path].shape))
            progress.update(len(read) + len(unread))
    return found, failures


def _check_own(parsed: argparse.Namespace, model: pushed.Model) -> None:
    if shipped.is_packaged() and shipped.is_shipped(model.folder) and not parsed.dry_run:
        raise ValueError(
            f"{model.name} is part of the installed package: copy {model.folder} to "
            f"{pushed.FOLDER / model.name} and calibrate the copy, or only measure with --dry-run"
        )


def _main(faces: Sequence[Face], shape: tuple[int, ...]) -> Face:
    """The face that a picture of one person is of: large, and near the middle, as LFW's are."""
    middle = np.array(shape[:2]) / 2

    def weight(face: Face) -> float:
        sides = face.box[2:] - face.box[:2]
        offset = (face.box[2:] + face.box[:2]) / 2 - middle
        return float(sides.prod() - _OFF_MIDDLE * offset @ offset)

    return max(faces, key=weight)


def _check_new(parsed: argparse.Namespace, target: Path) -> None:
    if target.exists() and not (parsed.dry_run or parsed.replace):
        raise FileExistsError(f"{target} exists: --replace makes it anew, --dry-run only measures")


def _measured(
    pairs: Sequence[PicturePair],
    embeddings: Mapping[Path, np.ndarray],
    rates: Sequence[float],
    seed: int,
) -> dict[str, Any]:
    """What the pairs say whose pictures both have an embedding."""
    kept = [pair for pair in pairs if pair.first in embeddings and pair.second in embeddings]
    same = np.array([pair.same for pair in kept], bool)
    num_genuine, num_impostor = int(same.sum()), int((~same).sum())
    if min(num_genuine, num_impostor) < 2:
        raise ValueError(
            "expected two pairs of one person and two of two people at least; of those whose faces were "
            f"found {num_genuine} are of one person, {num_impostor} of two"
        )
    first, second = (
        np.stack([embeddings[path] for path in side])
        for side in zip(*((pair.first, pair.second) for pair in kept), strict=True)
    )
    similarities = metrics.cosine_similarity(first, second)
    known = np.array([pair.fold for pair in kept])
    folds = metrics.folds_of(same, known, min(_FOLDS, num_genuine, num_impostor))
    accuracy = metrics.verification_accuracy(similarities, same, folds)
    num_folds = len(accuracy.per_fold)
    found = metrics.thresholds_at_rates(similarities, same, rates, _RESAMPLES, seed)
    curve = metrics.roc(similarities, same)
    return {
        "num_genuine": num_genuine,
        "num_impostor": num_impostor,
        "num_left_out": len(pairs) - len(kept),
        "num_folds": num_folds,
        "accuracy": accuracy.mean,
        "accuracy_standard_error": accuracy.std / np.sqrt(num_folds),
        "auc": metrics.auc(curve),
        "equal_error_rate": metrics.equal_error_rate(curve),
        "thresholds": [dataclasses.asdict(each) for each in found],
    }


def _print(content: Mapping[str, Any]) -> None:
    left_out = content["num_left_out"]
    print(
        f"{content['num_genuine']:,} pairs of one person, "
        f"{content['num_impostor']:,} of two" + (f"; {left_out:,} left out" if left_out else "")
    )
    for reason in list(content["failures"].values())[:_NAMED]:
        print(f"kfer calibrate: {reason}", file=sys.stderr)
    if len(content["failures"]) > _NAMED:
        print(f"kfer calibrate: and {len(content['failures']) - _NAMED} more", file=sys.stderr)
    print(
        f"accuracy over {content['num_folds']} folds {content['accuracy']:.4f} "
        f"(standard error {content['accuracy_standard_error']:.4f}), AUC {content['auc']:.3f}, "
        f"equal error rate {content['equal_error_rate']:.3f}\n"
    )
    print_thresholds(documents.validated(content, Calibration).thresholds)
    if "identification" in content:
        identification.print_measured(content["identification"])


def print_thresholds(thresholds: Sequence[CalibratedThreshold]) -> None:
    """Prints a table of thresholds as they are written beside a model, the first of which is taken."""
    rows = []
    default = thresholds[0].false_accept_rate
    for each in sorted(thresholds, key=lambda each: -each.false_accept_rate):
        rate = each.false_accept_rate
        needed = int(np.ceil(metrics.FALSE_ACCEPTS_NEEDED / rate))
        notes = ["the default"] if rate == default else []
        if not each.reliable:
            notes.append(f"unsure: needs {needed:,} pairs of two people")
        rows.append(
            [
                f"{rate:g}",
                *_with_interval(each.threshold),
                *_with_interval(each.true_accept_rate),
                *_with_interval(each.measured_false_accept_rate, 4),
                "; ".join(notes),
            ]
        )
    headings = ["asked rate", "threshold", "95 %", "true accepts", "95 %", "false accepts", "95 %", ""]
    print_table(headings, rows)


def _with_interval(interval: Interval, decimals: int = 3) -> tuple[str, str]:
    ends = (interval.low, interval.high)
    known = "" if None in ends else f"{interval.low:.{decimals}f} to {interval.high:.{decimals}f}"
    return f"{interval.value:.{decimals}f}", known
