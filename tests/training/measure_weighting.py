"""What each way of weighing tasks costs: milliseconds a training step, and as multiples of fixed weights.

    python tests/training/measure_weighting.py

The compact network learns expression and identity from 48 pixel grey images, of which one half is
labelled for one task and the other half for the other. In each round every method takes some steps in
turn, after one that does not count. Shown are medians over the rounds: of a round's median step, and of
its multiple of the fixed weights' in that round, with the least and the greatest.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

SIZE = 48


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=20, help="of each method in a round")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from kfer.settings.training import WEIGHTING_ARGUMENTS

    steps = {method: make_step(method, options.batch, options.people) for method in WEIGHTING_ARGUMENTS}
    for step in steps.values():
        step()
    rounds = [
        {method: median_ms(step, options.steps) for method, step in steps.items()}
        for _ in range(options.rounds)
    ]
    for method in steps:
        ms = statistics.median(times[method] for times in rounds)
        multiples = [times[method] / times["fixed"] for times in rounds]
        print(
            f"{method:16} {ms:8.1f} ms a step, {statistics.median(multiples):.2f} times fixed "
            f"({min(multiples):.2f} to {max(multiples):.2f})"
        )


def make_step(method: str, batch: int, people: int) -> Callable[[], object]:
    # kfer's backbones set what TensorFlow reads when it is imported.
    from kfer import models

    # isort: split
    import numpy as np
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # each method has a graph of its own, which it takes for a mistake
    from kfer.settings import ModelSettings, TrainingSettings, default_tasks
    from kfer.training.devices import connect
    from kfer.training.optimization import objectives, optimizer, trained_part
    from kfer.training.step import Step
    from kfer.training.weighting import for_settings

    settings, tasks = TrainingSettings(batch_size=batch, weighting=method), default_tasks()
    network = models.build(ModelSettings(), SIZE, 1, tasks, people, seed=0)
    (stage,) = settings.planned_stages()
    learned = objectives(network, tasks)
    part = trained_part(network, learned, stage)
    weighting = for_settings(settings, tasks)
    chosen = optimizer(network, settings, 1000, stage)
    chosen.build([*part.trainable_variables, *weighting.trainable_variables])
    step = Step(part, learned, weighting, chosen, connect(settings), batch)
    draw = np.random.default_rng(0)
    images = tf.constant(draw.integers(0, 256, (batch, SIZE, SIZE, 1)), tf.uint8)
    first_half = np.arange(batch) < batch // 2
    counts = {"expression": len(tasks["expression"].names), "identity": people}
    drawn = {task: draw.integers(0, count, batch) for task, count in counts.items()}
    labels = {
        "expression": tf.constant(np.where(first_half, drawn["expression"], -1), tf.int32),
        "identity": tf.constant(np.where(first_half, -1, drawn["identity"]), tf.int32),
    }
    return lambda: step(images, labels)


def median_ms(step: Callable[[], object], count: int) -> float:
    step()
    times = []
    for _ in range(count):
        start = time.perf_counter()
        step()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


if __name__ == "__main__":
    main()
