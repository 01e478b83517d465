"""The trials as event files of TensorBoard's HParams."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorboard.plugins.hparams import api, api_pb2, summary, summary_v2

from kfer.files import check_room, replacing_folder
from kfer.search import Outcome
from kfer.tuning.columns import Column, are_numbers, columns, text
from kfer.tuning.results import Results

FOLDER = "hparams"
_SCORE = "val_score"


def write(results: Results, output_dir: Path) -> Path:
    """Writes a session a trial, with its values, how it ended, and its score and metrics of each epoch.

    What was written before is replaced once the new files are whole. Look at them with
    `tensorboard --logdir <output_dir>/hparams`.

    Args:
        results: What to write.
        output_dir: The study's folder.

    Returns:
        The folder of the event files: those of each trial lie in a folder by its number.
    """
    folder = output_dir / FOLDER
    found = columns(results)
    with replacing_folder(folder) as new:
        with _events(new):
            _write(_experiment(results, found))
        for trial in results.trials:
            with _events(new / trial.trial):
                _write_trial(results, found, trial)
        check_room(new)
    return folder


@contextlib.contextmanager
def _events(folder: Path) -> Iterator[None]:
    """Summaries within go into a file in the folder."""
    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default():
        yield
    writer.close()


def _write(message: Any) -> None:
    tf.summary.experimental.write_raw_pb(message.SerializeToString(), step=0)


def _experiment(results: Results, found: list[Column]) -> Any:
    started = min((trial.ended - trial.seconds for trial in results.trials), default=0.0)
    return summary_v2.hparams_config_pb(
        [api.HParam(column.name, _domain(column)) for column in found],
        [
            api.Metric(_SCORE, display_name="score", dataset_type=api.Metric.VALIDATION),
            *(api.Metric(name, dataset_type=api.Metric.VALIDATION) for name in results.metrics),
        ],
        time_created_secs=started,
    )


def _write_trial(results: Results, found: list[Column], trial: Outcome) -> None:
    values = {column.name: _value(column, trial.values[column.name]) for column in found}
    _write(summary_v2.hparams_pb(values, trial.trial, trial.ended - trial.seconds))
    status = api_pb2.STATUS_FAILURE
    if trial.score is not None:
        status = api_pb2.STATUS_SUCCESS
        judged = {**trial.figures, "epoch": trial.epochs, _SCORE: trial.score}
        for figures in results.histories.get(trial.trial) or [judged]:
            for name in (_SCORE, *results.metrics):
                if name in figures:
                    tf.summary.scalar(name, figures[name], step=int(figures["epoch"]))
    _write(summary.session_end_pb(status, trial.ended))


def _domain(column: Column) -> api.Domain:
    if column.choices:
        return api.Discrete([_value(column, choice) for choice in column.choices])
    assert column.low is not None
    assert column.high is not None
    if isinstance(column.low, int) and isinstance(column.high, int):
        return api.IntInterval(column.low, column.high)
    return api.RealInterval(float(column.low), float(column.high))


def _value(column: Column, value: Any) -> float | str:
    """A value as HParams has them: all of a setting are of one kind, and none is a list or None."""
    if not column.choices or are_numbers(column.choices):
        return value if isinstance(column.low, int) and not column.choices else float(value)
    return text(value)
