import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from kfer.comparison import results, runs, tables


def collect(settings, output_dir: Path) -> results.Results:
    duplicates = {"num_test_images": 30, "matches": [{"position": 0, "label": 0, "other_label": 0}]}
    return results.collect(settings, output_dir, duplicates)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_figures_are_those_of_the_stored_predictions(tmp_path: Path, three_classes, write_study):
    write_study(tmp_path)
    found = collect(three_classes, tmp_path)
    assert [run.candidate for run in found.finished] == ["plain", "squeezing"]
    for run in found.finished:
        with np.load(runs.folder(tmp_path, run.candidate, 0) / "test.npz") as stored:
            labels, predictions = stored["labels"], stored["probabilities"].argmax(axis=1)
        assert run.score.images == 30
        assert run.score.accuracy.value == pytest.approx(np.mean(labels == predictions))
        macro_f1 = sklearn_metrics.f1_score(labels, predictions, average="macro")
        assert run.score.macro_f1.value == pytest.approx(macro_f1)
        assert run.score.accuracy.low < run.score.accuracy.value < run.score.accuracy.high
        # Image 0, which both tell right, is in the training split too.
        assert run.score_without_duplicates.images == 29
        unseen = np.mean(labels[1:] == predictions[1:])
        assert run.score_without_duplicates.accuracy.value == pytest.approx(unseen)


def test_pairs_are_tested_image_by_image(tmp_path: Path, three_classes, write_study):
    write_study(tmp_path)
    (test,) = collect(three_classes, tmp_path).tests
    # Right in GOOD and wrong in POOR: 3 of class 1, 6 of class 2; never the other way.
    assert (test.first, test.second) == ("plain", "squeezing")
    assert (test.outcome.only_first, test.outcome.only_second) == (0, 9)
    assert test.outcome.exact and test.adjusted == test.outcome.p_value == pytest.approx(2 / 2**9)


def test_two_seeds_have_a_mean_and_an_interval(tmp_path: Path, three_classes, write_study):
    write_study(tmp_path)
    runs.folder(tmp_path, "plain", 0).rename(runs.folder(tmp_path, "squeezing", 1))
    found = collect(dataclasses.replace(three_classes, seeds=(0, 1)), tmp_path)
    assert found.over_seeds.keys() == {"squeezing"}
    # 24 and 15 of 30: the mean is 0.65, the error 0.15, and t with 1 degree of freedom 12.7062.
    interval = found.over_seeds["squeezing"]
    assert interval.value == pytest.approx(0.65)
    assert interval.high == pytest.approx(0.65 + 12.7062 * 0.15, rel=1e-4)
    assert found.tests == []  # never two candidates with one seed


def test_what_is_not_finished_says_why(tmp_path: Path, three_classes, write_study):
    write_study(tmp_path)
    failed = runs.folder(tmp_path, "plain", 0)
    (failed / "result.json").unlink()
    runs.note_failure(failed, "FloatingPointError: the loss is nan")
    found = collect(dataclasses.replace(three_classes, seeds=(0, 1)), tmp_path)
    states = [(run.candidate, run.seed, run.state, run.reason) for run in found.runs]
    assert states == [
        ("plain", 0, "failed", "FloatingPointError: the loss is nan"),
        ("plain", 1, "not started", ""),
        ("squeezing", 0, "finished", ""),
        ("squeezing", 1, "not started", ""),
    ]
    runs.note_failure(failed, "")
    assert collect(three_classes, tmp_path).runs[0].state == "unfinished"


def test_another_test_split_is_refused(tmp_path: Path, three_classes, write_study):
    write_study(tmp_path)
    with pytest.raises(ValueError, match="judged on 30 test images, but the test split has 31"):
        results.collect(three_classes, tmp_path, {"num_test_images": 31, "matches": []})


def test_where_every_image_is_a_duplicate_nothing_is_left(tmp_path: Path, three_classes, write_study):
    write_study(tmp_path)
    matches = [{"position": position} for position in range(30)]
    found = results.collect(three_classes, tmp_path, {"num_test_images": 30, "matches": matches})
    assert [run.score_without_duplicates for run in found.finished] == [None, None]


def test_tables_hold_the_figures(tmp_path: Path, three_classes, write_study):
    write_study(tmp_path)
    duplicates = json.loads((tmp_path / "duplicates.json").read_text())
    found = results.collect(three_classes, tmp_path, duplicates)
    written = tables.write(found, tmp_path)
    assert all(path.is_file() for path in written)
    plain, squeezing = read(tmp_path / "comparison.csv")
    assert float(squeezing["test_accuracy"]) == 24 / 30
    assert float(squeezing["test_accuracy_low"]) < 24 / 30 < float(squeezing["test_accuracy_high"])
    assert float(squeezing["without_duplicates_accuracy"]) == pytest.approx(23 / 29)
    assert float(squeezing["validation_accuracy"]) == 0.5
    assert (squeezing["train_images"], squeezing["test_images"], squeezing["best_epoch"]) == (
        "20",
        "30",
        "2",
    )
    assert (plain["multiply_adds"], plain["int8_ms"]) == ("5600000", "0.45")
    assert squeezing["multiply_adds"] == ""  # not measured
    epochs = read(tmp_path / "epochs.csv")
    assert [(row["candidate"], row["epoch"], float(row["loss"])) for row in epochs] == [
        ("plain", "1", 2.0),
        ("plain", "2", 1.0),
        ("squeezing", "1", 2.0),
        ("squeezing", "2", 1.0),
    ]
    cells = read(tmp_path / "confusion.csv")
    assert sum(int(cell["images"]) for cell in cells) == 60
    wanted = {"candidate": "squeezing", "seed": "0", "label": "sad", "prediction": "happy", "images": "4"}
    assert wanted in cells
    (test,) = read(tmp_path / "mcnemar.csv")
    assert (test["only_first_right"], test["only_second_right"]) == ("0", "9")
    assert test["method"] == "exact binomial"
    (duplicate,) = read(tmp_path / "duplicates.csv")
    assert duplicate == {
        "test_image": "0.png",
        "label": "angry",
        "split": "train",
        "other_image": "t.png",
        "other_label": "sad",
    }


def test_the_console_has_a_row_a_candidate(tmp_path: Path, three_classes, write_study):
    write_study(tmp_path)
    runs.folder(tmp_path, "plain", 0).joinpath("result.json").unlink()
    runs.note_failure(runs.folder(tmp_path, "plain", 0), "MemoryError: too much")
    titles, plain, squeezing = tables.console(collect(three_classes, tmp_path))
    assert len(titles) == len(plain) == len(squeezing)
    assert plain[0] == "plain" and "failed" in plain and "MemoryError: too much" in plain
    assert squeezing[0] == "squeezing" and squeezing[2].startswith("80.0% (")
    assert squeezing[-1] == "not measured"
