import dataclasses
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2, metadata
from tensorboard.util.tensor_util import make_ndarray
from toy_tuning import ACCURACY, OPTIMIZER, RATE, SIZE, make_results

from kfer.settings import ParameterSettings
from kfer.tuning import hparams


def loaded(folder: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    accumulator.Reload()
    return accumulator


def plugin_data(events: EventAccumulator, tag: str) -> bytes:
    return events.SummaryMetadata(tag).plugin_data.content


def session(folder: Path):
    events = loaded(folder)
    start = metadata.parse_session_start_info_plugin_data(
        plugin_data(events, metadata.SESSION_START_INFO_TAG)
    )
    end = metadata.parse_session_end_info_plugin_data(plugin_data(events, metadata.SESSION_END_INFO_TAG))
    scalars = {
        tag: [(event.step, float(make_ndarray(event.tensor_proto))) for event in events.Tensors(tag)]
        for tag in events.Tags()["tensors"]
        if tag.startswith("val_")
    }
    return start, end, scalars


def values_of(start) -> dict[str, object]:
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}


def test_every_trial_is_a_session_with_its_values_and_figures(tmp_path: Path, results):
    folder = hparams.write(results, tmp_path)
    assert folder == tmp_path / "hparams"
    for trial in results.scored:
        start, end, scalars = session(folder / trial.trial)
        assert values_of(start) == pytest.approx(dict(trial.values))
        assert start.group_name == trial.trial and end.status == api_pb2.STATUS_SUCCESS
        assert end.end_time_secs - start.start_time_secs == pytest.approx(trial.seconds)
        assert [step for step, _ in scalars["val_score"]] == [1, 2, 3]
        # The last is what the plugin shows.
        assert scalars["val_score"][-1][1] == pytest.approx(trial.score)
        assert scalars[ACCURACY][-1][1] == pytest.approx(trial.figures[ACCURACY])


def test_a_failed_trial_is_a_session_that_failed(tmp_path: Path, results):
    start, end, scalars = session(hparams.write(results, tmp_path) / "3")
    assert values_of(start)[RATE] == pytest.approx(results.trials[3].values[RATE])
    assert end.status == api_pb2.STATUS_FAILURE and scalars == {}


def test_the_experiment_names_settings_and_metrics(tmp_path: Path, results):
    events = loaded(hparams.write(results, tmp_path))
    found = metadata.parse_experiment_plugin_data(plugin_data(events, metadata.EXPERIMENT_TAG))
    infos = {info.name: info for info in found.hparam_infos}
    assert list(infos) == list(results.trials[0].values)
    assert infos[RATE].domain_interval.max_value == 0.1
    assert infos[SIZE].domain_interval.min_value == 16
    names = [value.string_value for value in infos[OPTIMIZER].domain_discrete.values]
    assert sorted(names) == ["adamw", "lamb", "sgd"]
    assert [info.name.tag for info in found.metric_infos] == ["val_score", *results.metrics]


def test_writing_again_replaces_what_was_there(tmp_path: Path, results):
    hparams.write(results, tmp_path)
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    hparams.write(results, tmp_path)
    again = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert len(files) == len(again) == 15 and set(files).isdisjoint(again)
    assert [path.name for path in tmp_path.iterdir()] == ["hparams"]
    fewer = dataclasses.replace(results, trials=results.trials[:2])
    hparams.write(fewer, tmp_path)
    assert {path.name for path in (tmp_path / "hparams").iterdir() if path.is_dir()} == {"0", "1"}


def test_a_trial_without_epochs_has_what_it_was_judged_by(tmp_path: Path, results):
    bare = dataclasses.replace(results, histories={})
    _, _, scalars = session(hparams.write(bare, tmp_path) / "0")
    assert scalars["val_score"] == [(3, pytest.approx(results.trials[0].score))]


def test_values_that_hparams_cannot_hold_are_texts(tmp_path: Path):
    made = make_results(
        3,
        (),
        space={
            "model.weights": ParameterSettings(values=("none", "imagenet")),
            "training.cache_features": ParameterSettings(values=("false", "true")),
            "training.batch_size": ParameterSettings(values=("16", "64")),
        },
    )
    start, _, _ = session(hparams.write(made, tmp_path) / "0")
    assert values_of(start) == {
        "model.weights": "none",
        "training.cache_features": "false",
        "training.batch_size": 16.0,
    }
