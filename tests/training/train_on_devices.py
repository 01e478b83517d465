"""Trains a toy network on one device or several, and writes its weights and history.

A program of its own, because a process cannot change its devices once TensorFlow runs:

    python train_on_devices.py STRATEGY WEIGHTING WORK_DIR RESULT [EPOCH_IN_WHICH_IT_DIES]

STRATEGY and WEIGHTING are those of the training's settings; "mirrored" has two logical CPU devices, and
"multi_worker" needs TF_CONFIG.
"""

import dataclasses
import functools
import json
import logging
import os
import signal
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).parents[1]))

from toy_callbacks import AfterStep
from toy_tasks import tasks

from kfer import input_pipeline, models, training
from kfer.input_pipeline import Decoded
from kfer.settings import FineTuningStage, ModelSettings, TaskSettings, TrainingSettings
from kfer.training.replication import part_seeds, replicated

BATCH, STEPS = 8, 4
# Without dropout: each replica drops out other features than one alone would.
MODEL = ModelSettings(backbone_arguments={"widths": [8, 16], "blocks": 1}, embedding_size=4, dropout=0.0)
# AdaCos keeps a state besides the weights.
TASKS = {**tasks(), "identity": TaskSettings("embedding", loss="adacos")}


def settings(strategy: str, weighting: str = "fixed") -> TrainingSettings:
    return TrainingSettings(
        # The backbone is frozen first.
        stages=(FineTuningStage(1), FineTuningStage(2, ("all",))),
        batch_size=BATCH,
        accumulation=2,
        optimizer="sgd",
        learning_rate=0.05,
        gradient_clip=1.0,
        average=0.5,
        keep_best=True,
        stop_metric="loss",
        validation_pairs=20,
        strategy=strategy,
        weighting=weighting,
        worker_timeout_s=120.0,
    )


def examples(seed: int, count: int, first_identity: int = 0) -> Decoded:
    """Noise, of which one half has no expression, and another third no identity."""
    draw = np.random.default_rng(seed)
    return Decoded(
        images=draw.integers(0, 256, (count, 8, 8, 1), dtype=np.uint8),
        expression=np.where(draw.uniform(size=count) < 0.5, -1, np.arange(count) % 3).astype(np.int32),
        identity=np.where(
            draw.uniform(size=count) < 0.3, -1, first_identity + np.arange(count) % 4
        ).astype(np.int32),
        source=np.zeros(count, np.int32),
        filename=np.array([f"{number}.png" for number in range(count)]),
    )


def train(
    strategy: str, weighting: str, work_dir: Path, dies_in: int | None = None
) -> tuple[list[dict[str, float]], list[np.ndarray]]:
    chosen = settings(strategy, weighting)
    devices = training.connect(chosen)
    train_split = examples(0, BATCH * STEPS)
    # Other weights in other processes, which start with the chief's.
    network = models.build(MODEL, 8, 1, TASKS, 4, seed=devices.worker)
    die = functools.partial(os.kill, os.getpid(), signal.SIGKILL)
    history = training.train(
        network,
        lambda step, rows=None: input_pipeline.for_training(train_split, BATCH, 0, None, step, rows=rows),
        STEPS,
        examples(1, 30, first_identity=4),
        chosen,
        TASKS,
        work_dir,
        callbacks=[] if dies_in is None else [AfterStep(dies_in, 1, die)],
    )
    return history, [
        np.asarray(variable) for variable in network.variables if variable.dtype == "float32"
    ]


def seeds(strategy: str) -> list[list[list[int]]]:
    """The states of a network's random generators in each replica, before and after they part."""
    devices = training.connect(settings(strategy))
    dropping = dataclasses.replace(MODEL, dropout=0.5)
    network = replicated(models.build(dropping, 8, 1, TASKS, 4, seed=0), devices)
    states = [variable for variable in network.variables if variable.name == "seed_generator_state"]

    def found() -> list[list[list[int]]]:
        local = devices.strategy.experimental_local_results
        return [[each.numpy().tolist() for each in local(state.value)] for state in states]

    before = found()
    part_seeds(network, devices)
    return [before, found()]


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    strategy, weighting, work_dir, result, *dies_in = sys.argv[1:]
    if strategy == "mirrored":
        (cpu,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    history, weights = train(strategy, weighting, Path(work_dir), *map(int, dies_in))
    told = {"history": history, "seeds": seeds(strategy) if strategy == "mirrored" else None}
    np.savez(result, json=np.array(json.dumps(told)), **{f"{i}": w for i, w in enumerate(weights)})


if __name__ == "__main__":
    main()
