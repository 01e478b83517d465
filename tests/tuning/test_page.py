import dataclasses
import re
from pathlib import Path

import pytest
from html_page import Page, words
from toy_tuning import ACCURACY, RATE, SPACE, VERIFICATION, make_results, retrained, scored_by

from kfer.settings import MetricSettings, ParameterSettings
from kfer.tuning import page
from kfer.tuning.results import Results

COMMAND = "python -m kfer.tuning toy.py"


def rendered(tmp_path: Path, results: Results) -> Path:
    path = tmp_path / "tuning.html"
    path.write_text(page.render(results, COMMAND), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def whole_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of what `results` has."""
    return rendered(tmp_path_factory.mktemp("page"), make_results())


def test_the_page_has_every_trial_the_best_first(whole_page, results):
    said = words(whole_page)
    table = said[said.index("The best score first") : said.index("Values and score")]
    places = [table.index(f"{trial.score:.4f}") for trial in results.scored]
    ranked = sorted(range(len(places)), key=lambda index: -results.scored[index].score)
    assert [places[index] for index in ranked] == sorted(places)
    assert table.count("failed: the loss is nan after 12 steps of epoch 1") == 2
    assert "the best" in table and "as set" in table
    assert table.rindex("failed:") > max(places)


def test_the_page_says_what_was_made_and_how(whole_page):
    said = words(whole_page)
    assert COMMAND in said and re.search(r"tensorflow 2\.\d+\.\d+, keras 3\.", said)
    assert "base.training.batch_size" in said and "How far this holds" in said
    for title in ("Values and score of each trial", "What the score hangs on", "Score over time"):
        assert title in said
    assert "Expression accuracy and verification accuracy" in said and "Score after each epoch" in said
    assert "Whole trainings" not in said


def test_the_space_has_ranges_what_is_set_and_what_is_best(whole_page, results):
    said = words(whole_page)
    best = results.best.values
    assert f"{RATE} 0.0001 to 0.1 log 0.005 {best[RATE]:.4g}" in said
    assert "training.optimizer sgd, adamw, lamb choices adamw" in said
    assert f"tasks.expression.weight 0 to 1 sum to one 0.8 {best['tasks.expression.weight']:.4g}" in said


def test_the_page_stands_alone_and_its_drawings_do_not_mix(whole_page):
    found = Page(whole_page)
    assert found.outside == []
    assert len(found.ids) == len(set(found.ids)) > 50
    assert set(found.references) <= set(found.ids)
    text = whole_page.read_text()
    assert "stroke: var(--orange)" in text and "stroke: var(--blue)" in text
    assert not re.search(r"(?:fill|stroke): #(?!000000|ffffff)", text)


@pytest.mark.parametrize(("best", "mark"), [((0.7, 0.71, 0.72), "better"), ((0.5, 0.51, 0.52), "worse")])
def test_whole_trainings_are_a_table(tmp_path: Path, results, best, mark):
    found = retrained(results, {"as_set": (0.60, 0.61, 0.62), "best": best})
    path = rendered(tmp_path, found)
    assert f"expression accuracy 3 61.0% {best[1]:.1%} {100 * (best[1] - 0.61):+.2f}" in words(path)
    assert f'class="right {mark}"' in path.read_text()


@pytest.mark.parametrize(
    ("made", "there", "missing"),
    [
        (make_results(0), "No trial has a score.", "What matters"),
        (make_results(1, ()), "Trials do not differ in any setting.", "Values and score"),
        (make_results(3, range(3)), "No trial has a score.", "What matters"),
        (make_results(9, (2,), space={RATE: SPACE[RATE]}), f"Trials differ in {RATE} alone.", "hangs on"),
        (make_results(35, (), workers=1), "What the score hangs on", "trials failed"),
        (scored_by(make_results(), lambda trial: 0.5), "All scores are equal.", "hangs on"),
        (make_results(8, (), patience=1), "8 trials with a score are too few", "hangs on"),
    ],
)
def test_any_search_has_a_page(tmp_path: Path, made, there, missing):
    said = words(rendered(tmp_path, made))
    assert there in said and missing not in said
    assert "Space" in said and COMMAND in said


def test_odd_values_are_drawn(tmp_path: Path):
    space = {
        RATE: ParameterSettings(factors=(0.9, 1.1)),
        "training.schedule": ParameterSettings(values=("cosine", "constant")),
        "training.batch_size": ParameterSettings(values=tuple(map(str, range(1, 31)))),
        "training.cache_features": ParameterSettings(values=("true", "false")),
        "model.weights": ParameterSettings(values=("none", "a_file_of_a_very_long_name.safetensors")),
    }
    objective = {
        ACCURACY: MetricSettings(),
        VERIFICATION: MetricSettings(),
        "val_expression_macro_f1": MetricSettings(worst=1, best=0),
    }
    made = dataclasses.replace(
        make_results(20, (4,), space=space, objective=objective), metrics=tuple(objective)
    )
    said = words(rendered(tmp_path, made))
    assert "expression macro F1, lower is better" in said
    assert "Verification accuracy and expression macro F1" in said


def test_a_search_without_times_or_epochs_has_fewer_charts(tmp_path: Path, results):
    trials = tuple(dataclasses.replace(trial, ended=0.0) for trial in results.trials)
    said = words(rendered(tmp_path, dataclasses.replace(results, trials=trials, histories={})))
    assert "Score over time" not in said and "after each epoch" not in said
