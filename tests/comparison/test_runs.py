import dataclasses
import json
from pathlib import Path

import pytest

from kfer.comparison import runs
from kfer.settings import ModelSettings, TrainingSettings


def test_a_run_goes_on_with_its_own_settings(tmp_path: Path, settings):
    runs.check_settings(tmp_path, settings, "plain", 3)
    kept = (tmp_path / "settings.json").read_bytes()
    runs.check_settings(tmp_path, settings, "plain", 3)
    assert (tmp_path / "settings.json").read_bytes() == kept


def test_results_of_changed_data_are_not_mixed(tmp_path: Path):
    stopped, finished, new = (runs.folder(tmp_path, name, 0) for name in ("stopped", "finished", "new"))
    for run in (stopped, finished, new):
        run.mkdir(parents=True)
    runs.check_examples(tmp_path, stopped, "a")
    runs.check_examples(tmp_path, stopped, "a")
    with pytest.raises(ValueError, match=r"changed since .*stopped-seed0 was trained: give another"):
        runs.check_examples(tmp_path, stopped, "b")
    runs.check_examples(tmp_path, finished, "b")
    (finished / runs.RESULT).write_text("{}")
    with pytest.raises(ValueError, match="finished-seed0 was trained"):
        runs.check_examples(tmp_path, new, "a")
    runs.check_examples(tmp_path, new, "b")


def test_what_only_the_page_uses_may_change(tmp_path: Path, settings):
    runs.check_settings(tmp_path, settings, "plain", 0)
    changed = dataclasses.replace(settings, resamples=7, timed_steps=1, references={"a paper": 0.5})
    runs.check_settings(tmp_path, changed, "plain", 0)


def test_other_settings_are_refused_by_name(tmp_path: Path, settings):
    runs.check_settings(tmp_path, settings, "plain", 0)
    training = dataclasses.replace(settings.training, epochs=3, learning_rate=0.5)
    with pytest.raises(ValueError, match=r"training\.epochs was 2 and is 3; training\.learning_rate was"):
        runs.check_settings(tmp_path, dataclasses.replace(settings, training=training), "plain", 0)
    with pytest.raises(ValueError, match="seed was 0 and is 1"):
        runs.check_settings(tmp_path, settings, "plain", 1)
    with pytest.raises(ValueError, match=r"model\.backbone_arguments was .*'widths': \[8, 16\]"):
        runs.check_settings(tmp_path, settings, "squeezing", 0)


def test_a_source_is_part_of_the_settings(tmp_path: Path, settings):
    runs.check_settings(tmp_path, settings, "plain", 0)
    (source,) = settings.data.sources
    other = dataclasses.replace(source, arguments={**source.arguments, "seed": 5})
    data = dataclasses.replace(settings.data, sources=(other,))
    with pytest.raises(ValueError, match=r"data\.sources\.0\.arguments was"):
        runs.check_settings(tmp_path, dataclasses.replace(settings, data=data), "plain", 0)


def test_a_setting_that_is_newer_than_the_run_has_its_default(tmp_path: Path, settings):
    runs.check_settings(tmp_path, settings, "plain", 0)
    path = tmp_path / "settings.json"
    older = json.loads(path.read_text())
    del older["training"]["layer_decay"], older["training"]["stages"]
    del older["data"]["sources"][0]["central_crop"]
    path.write_text(json.dumps(older))
    runs.check_settings(tmp_path, settings, "plain", 0)
    training = dataclasses.replace(settings.training, layer_decay=0.5)
    with pytest.raises(ValueError, match=r"training\.layer_decay was 1\.0 and is 0\.5"):
        runs.check_settings(tmp_path, dataclasses.replace(settings, training=training), "plain", 0)


def test_a_study_takes_its_folder_and_no_other_ones(tmp_path: Path, settings):
    runs.check_study(settings, tmp_path / "new")
    runs.check_study(settings, tmp_path / "new")
    other = dataclasses.replace(settings, name="another")
    with pytest.raises(ValueError, match="holds the comparison 'toy', this one is 'another'"):
        runs.check_study(other, tmp_path / "new")


def test_a_study_checks_every_run_that_is_there(tmp_path: Path, settings):
    folder = runs.folder(tmp_path, "squeezing", 0)
    folder.mkdir(parents=True)
    runs.check_settings(folder, settings, "squeezing", 0)
    changed = dataclasses.replace(settings, training=TrainingSettings(epochs=9))
    with pytest.raises(ValueError, match=r"squeezing-seed0 is of a run with other settings"):
        runs.check_study(changed, tmp_path)
    fewer = {"plain": ModelSettings()}
    runs.check_study(dataclasses.replace(changed, candidates=fewer), tmp_path)


def test_the_reason_of_a_failure_is_kept_until_the_run_finishes(tmp_path: Path):
    assert runs.failure(tmp_path) == ""
    runs.note_failure(tmp_path, "FloatingPointError: the loss is nan")
    assert runs.failure(tmp_path) == "FloatingPointError: the loss is nan"
    (tmp_path / runs.RESULT).write_text("{}")
    assert runs.failure(tmp_path) == ""
    (tmp_path / runs.RESULT).unlink()
    runs.note_failure(tmp_path, "")
    assert runs.failure(tmp_path) == ""
