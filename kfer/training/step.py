"""One training step: from a batch to changed weights, in one graph, on any number of devices."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import keras
import tensorflow as tf

from kfer.augmentation import MIX, mixed_name
from kfer.input_pipeline.batches import Inputs
from kfer.losses import TaskLoss
from kfer.training.averaging import Average
from kfer.training.devices import Devices, all_rows, all_sum
from kfer.training.weighting import Weighting

Labels: TypeAlias = dict[str, tf.Tensor]


@dataclass(frozen=True)
class Teaching:
    """What a task learns from other networks. They answer for each example, labelled or not.

    Attributes:
        loss: Of the network's output and the teachers', to the sum of the examples' losses and their
            number.
        teachers: Run in inference mode, on the images that the network sees.
        output: The output that is compared.
        weight: Share of the task's loss, in [0, 1]; the labels have the rest.
    """

    loss: Callable[[tf.Tensor, list[tf.Tensor]], tuple[tf.Tensor, tf.Tensor]]
    teachers: Sequence[keras.Model]
    output: str
    weight: float


@dataclass(frozen=True)
class Objective:
    """What a task learns from.

    Attributes:
        loss: Of labels and outputs.
        output: The network's output that it takes.
        is_class: Whether the share of right answers is counted: integer labels, logits.
        teaching: What other networks add.
    """

    loss: TaskLoss
    output: str
    is_class: bool = False
    teaching: Teaching | None = None


class Step:
    """A training step of a network.

    The loss of a task is the mean over its labelled examples in the global batch, wherever they are: a
    replica, or one of the parts that a batch is accumulated from, adds its sum of losses, divided by
    the weight of all labelled examples. Losses that compare examples with each other see those of
    their replica and part.

    Args:
        network: From images, or features, to a dict of outputs.
        objectives: What each task learns from.
        weighting: How the tasks' losses become one.
        optimizer: Built for the trainable variables of the network and then of the weighting.
        devices: Where the network lives.
        batch_size: Examples of a global batch.
        accumulation: Parts that a replica's rows are seen in, one after the other: so many times less
            memory. Batch normalisation sees a part at a time.
        average: Of the weights, moved after each step.
    """

    def __init__(
        self,
        network: keras.Model,
        objectives: Mapping[str, Objective],
        weighting: Weighting,
        optimizer: keras.optimizers.Optimizer,
        devices: Devices,
        batch_size: int,
        accumulation: int = 1,
        average: Average | None = None,
    ) -> None:
        self._network, self._objectives = network, objectives
        self._weighting, self._optimizer, self._devices = weighting, optimizer, devices
        self._batch_size, self._rows = batch_size, batch_size // devices.num_replicas
        self._accumulation, self._average = accumulation, average
        self._variables = [*network.trainable_variables, *weighting.trainable_variables]
        # What tracing the graph finds: which gradients there are, and the names of the figures.
        self._reached: list[list[bool]] = []
        self._names: list[str] = []
        # XLA on a CPU is several times slower.
        self._run = tf.function(self._on_all_replicas, autograph=False, jit_compile=False)

    def __call__(self, images: Inputs, labels: Labels) -> dict[str, float]:
        """Changes the weights, and returns figures of the global batch, the same in every process.

        Args:
            images: This process's rows of the batch, in the order of `Devices.rows`.
            labels: Of each task; "<task>/mixed" has the labels of what an example is mixed with, and
                "mix" float `[n]` the weight of its own.

        Returns:
            "loss"; of each task "<task>_loss", "<task>_weight", and "<task>_taught", 1 or, where the
            batch has nothing that it learns from and its loss is 0, 0; and of tasks with classes
            "<task>_right" and "<task>_labelled", counts of examples.
        """
        figures = self._run(images, labels).numpy()
        return dict(zip(self._names, figures.tolist(), strict=True))

    def _on_all_replicas(self, images: Inputs, labels: Labels) -> tf.Tensor:
        strategy = self._devices.strategy
        figures = strategy.run(self._on_one_replica, (images, labels))
        if self._average is not None:
            self._average.update(self._optimizer.iterations)
        return strategy.experimental_local_results(figures)[0]

    def _on_one_replica(self, images: Inputs, labels: Labels) -> tf.Tensor:
        images, labels = tf.nest.map_structure(self._own_rows, (images, labels))
        size = self._rows // self._accumulation
        cuts = [slice(start, start + size) for start in range(0, self._rows, size)]
        parts: list[tuple[Inputs, Labels]] = [
            tf.nest.map_structure(lambda rows, cut=cut: rows[cut], (images, labels)) for cut in cuts
        ]
        divisors = all_sum(
            [
                tf.add_n([self._weight(task, objective, own) for _, own in parts])
                for task, objective in self._objectives.items()
            ]
        )
        sums: list[tf.Tensor] = []
        for part in parts:
            # Else all parts would be in memory at the same time.
            with tf.control_dependencies(sums):
                found = self._part(*part, divisors)
            sums = [one + other for one, other in zip(sums, found, strict=True)] if sums else found
        return self._apply(all_sum(sums), divisors)

    def _own_rows(self, values: tf.Tensor) -> tf.Tensor:
        """Of the rows of a process, those of a replica; taken where they are, before they are copied."""
        if self._devices.num_replicas == 1:
            return values
        first = self._devices.worker * (self._devices.num_replicas // self._devices.num_workers)
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group - first
        with tf.device("CPU:0"):
            rows = values[replica * self._rows : (replica + 1) * self._rows]
            return tf.ensure_shape(rows, [self._rows, *values.shape[1:]])

    def _weight(self, task: str, objective: Objective, labels: Labels) -> tf.Tensor:
        # Weights depend on labels; of outputs, on no more than their shape.
        shape = self._network.output[objective.output].shape[1:]
        outputs = tf.zeros([tf.shape(labels[task])[0], *shape])
        return tf.reduce_sum(objective.loss.weights(*_compared(task, labels, outputs)))

    def _part(self, images: Inputs, labels: Labels, divisors: list[tf.Tensor]) -> list[tf.Tensor]:
        """What a part of a batch adds to the sums that a step is made from: counts, then gradients."""
        per_task = self._weighting.needs_task_gradients
        answers = self._teachers_answers(images)
        with tf.GradientTape(persistent=per_task) as tape:
            outputs = self._network(images, training=True)
            parts = {}
            for (task, objective), divisor in zip(self._objectives.items(), divisors, strict=True):
                compared = _compared(task, labels, outputs[objective.output])
                if objective.loss.layer is not None:
                    # Its state is the same everywhere, as one replica would have it.
                    objective.loss.adapt(*all_rows([labels[task], outputs[objective.output]]))
                total, _ = objective.loss(*compared)
                parts[task] = tf.math.divide_no_nan(total, divisor)
                if objective.teaching is not None:
                    said = [answers[id(teacher)] for teacher in objective.teaching.teachers]
                    taught = self._taught(objective.teaching, said, outputs)
                    parts[task] += objective.teaching.weight * (taught - parts[task])
            if not per_task:
                means = all_sum([tf.stop_gradient(part) * self._accumulation for part in parts.values()])
                share = 1.0 / (self._devices.num_replicas * self._accumulation)
                loss = self._weighting.total(parts, dict(zip(parts, means, strict=True)), share)
            minimised = [
                self._optimizer.scale_loss(value) for value in (parts.values() if per_task else [loss])
            ]
        gradients = [tape.gradient(value, self._variables) for value in minimised]
        self._reached = [[gradient is not None for gradient in row] for row in gradients]
        counts = [
            tf.cast(count, tf.float32)
            for task, objective in self._objectives.items()
            if objective.is_class
            for count in _right_and_labelled(labels[task], outputs[objective.output])
        ]
        found = [tf.convert_to_tensor(one) for row in gradients for one in row if one is not None]
        return [*([] if per_task else [loss]), *parts.values(), *counts, *found]

    def _teachers_answers(self, images: Inputs) -> dict[int, Labels]:
        """What each teacher says; one that teaches several tasks is asked once."""
        teachings = [each.teaching for each in self._objectives.values() if each.teaching is not None]
        teachers = {id(teacher): teacher for each in teachings for teacher in each.teachers}
        return {number: teacher(images, training=False) for number, teacher in teachers.items()}

    def _taught(self, teaching: Teaching, answers: list[Labels], outputs: Labels) -> tf.Tensor:
        total, _ = teaching.loss(
            outputs[teaching.output], [tf.stop_gradient(answer[teaching.output]) for answer in answers]
        )
        return total / self._batch_size

    def _apply(self, sums: list[tf.Tensor], divisors: list[tf.Tensor]) -> tf.Tensor:
        """Takes the step, and returns its figures."""
        rest = iter(sums)
        per_task = self._weighting.needs_task_gradients
        figures = {} if per_task else {"loss": next(rest)}
        losses = {task: next(rest) for task in self._objectives}
        counts = {
            f"{task}_{what}": next(rest)
            for task, objective in self._objectives.items()
            if objective.is_class
            for what in ("right", "labelled")
        }
        rows = [[next(rest) if reached else None for reached in row] for row in self._reached]
        if per_task:
            by_task = dict(zip(losses, rows, strict=True))
            gradients, figures["loss"] = self._weighting.combine(by_task, losses)
        else:
            (gradients,) = rows
        weights = self._weighting.weights(losses)
        pairs = zip(gradients, self._variables, strict=True)
        self._optimizer.apply(*zip(*(pair for pair in pairs if pair[0] is not None), strict=True))
        figures |= {f"{task}_loss": loss for task, loss in losses.items()} | counts
        figures |= {f"{task}_weight": weight for task, weight in weights.items()}
        figures |= {
            f"{task}_taught": (divisor > 0) | (objective.teaching is not None)
            for (task, objective), divisor in zip(self._objectives.items(), divisors, strict=True)
        }
        self._names = list(figures)
        return tf.stack([tf.cast(figure, tf.float32) for figure in figures.values()])


def _compared(
    task: str, labels: Labels, outputs: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
    """What a loss takes: each frame of clips; of mixed examples the outputs twice, with both labels."""
    if labels[task].dtype.is_integer and len(labels[task].shape) == 2:
        return tf.reshape(labels[task], [-1]), tf.reshape(outputs, [-1, outputs.shape[-1]]), None
    if MIX not in labels:
        return labels[task], outputs, None
    both = tf.concat([labels[task], labels[mixed_name(task)]], 0)
    return both, tf.concat([outputs, outputs], 0), tf.concat([labels[MIX], 1.0 - labels[MIX]], 0)


def _right_and_labelled(labels: tf.Tensor, logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    right = tf.argmax(logits, -1, output_type=tf.int32) == tf.cast(labels, tf.int32)
    # A missing label is negative, and so never right.
    return tf.math.count_nonzero(right), tf.math.count_nonzero(labels >= 0)
