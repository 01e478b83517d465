import csv
import dataclasses
from pathlib import Path

from toy_tuning import ACCURACY, OPTIMIZER, RATE, make_results

from kfer.tuning import tables


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_console_has_the_best_first_and_the_failed_last(results):
    titles, *rows = tables.console(results)
    assert titles[:2] == ("rank", "trial") and RATE in titles and ACCURACY in titles
    assert {len(row) for row in rows} == {len(titles)}
    scores = [float(row[titles.index("score")]) for row in rows]
    assert scores == sorted(scores, reverse=True) and len(rows) == 10
    assert rows[0][1] == results.best.trial
    *_, last = tables.console(make_results(5, (2,)))
    assert last[:2] == ("", "2") and last[titles.index("score")] == "failed"


def test_the_console_has_ten_trials_at_most():
    assert len(tables.console(make_results(35, ()))) == 11
    assert len(tables.console(make_results(1, ()))) == 2
    assert len(tables.console(make_results(0))) == 1


def test_every_trial_is_in_the_file(tmp_path: Path, results):
    assert all(path.is_file() for path in tables.write(results, tmp_path))
    rows = {row["trial"]: row for row in read(tmp_path / "trials.csv")}
    assert len(rows) == 14
    for trial in results.trials:
        row = rows[trial.trial]
        assert float(row[RATE]) == trial.values[RATE] and row[OPTIMIZER] == trial.values[OPTIMIZER]
        assert row["state"] == ("failed" if trial in results.failed else "scored")
        assert row["reason"] == trial.failure
        if trial.score is not None:
            assert float(row["score"]) == trial.score
            assert float(row[ACCURACY]) == trial.figures[ACCURACY]
    assert rows["3"]["score"] == rows["3"]["rank"] == rows["3"][ACCURACY] == ""
    assert rows[results.best.trial]["rank"] == "1"
    assert "val_score" not in rows["0"] and "loss" not in rows["0"]


def test_every_epoch_is_in_the_file(tmp_path: Path, results):
    tables.write(results, tmp_path)
    rows = read(tmp_path / "epochs.csv")
    assert [(row["trial"], row["epoch"]) for row in rows[:4]] == [
        ("0", "1"),
        ("0", "2"),
        ("0", "3"),
        ("1", "1"),
    ]
    assert len(rows) == 36 and float(rows[2]["val_score"]) == results.trials[0].score


def test_nothing_makes_empty_files(tmp_path: Path):
    tables.write(dataclasses.replace(make_results(0), trials=()), tmp_path)
    assert read(tmp_path / "trials.csv") == read(tmp_path / "epochs.csv") == []
