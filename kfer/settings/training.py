"""How the network is trained."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from kfer.ranges import check_number
from kfer.settings.checks import check, check_choices, checked
from kfer.settings.sampling import SamplingSettings

_ABOVE_0, _OR_0 = "above 0", "at least 0"
#: The methods that weigh tasks, with the arguments of each and what they must be.
WEIGHTING_ARGUMENTS: dict[str, dict[str, str]] = {
    "fixed": {},
    "uncertainty": {},
    "dynamic_average": {"temperature": _ABOVE_0},
    "gradnorm": {"alpha": _OR_0, "learning_rate": _ABOVE_0},
    "uw_so": {"temperature": _ABOVE_0},
    "pcgrad": {},
}


@dataclass(frozen=True)
@checked
class FineTuningStage:
    """A part of a training in which some of the backbone is frozen.

    A frozen layer keeps its weights and, if it normalises batches, its statistics. A stage starts
    with a new optimizer, and has a warm-up and a schedule of its own.

    Attributes:
        epochs: Epochs of this stage.
        unfreeze: Stages of the backbone that train beside the heads ("layer4",); ("all",) for the
            whole backbone, () for the heads alone. The Trainer's log has their names.
        learning_rate_factor: Peak rate of this stage, as a multiple of the training's.
    """

    epochs: Annotated[int, "at least 1"]
    unfreeze: tuple[str, ...] = ()
    learning_rate_factor: Annotated[float, "above 0"] = 1.0


@dataclass(frozen=True)
@checked
class TrainingSettings:
    """How the network is trained.

    Attributes:
        epochs: Passes over the training split (over its size, where sources have weights). Where there
            are `stages`, theirs count and this does not.
        batch_size: Examples a step, of all devices together.
        accumulation: Parts that a batch is seen in, one after the other, for so many times less memory.
            Only batch normalisation sees a difference.
        optimizer: "sgd" (Nesterov, momentum 0.9), "adamw" or "lamb" (You et al. 2020, for batches of
            thousands).
        learning_rate: Peak rate. It is that of the whole batch: no number of devices changes it.
        schedule: How the rate goes on from its peak: "cosine" to zero, "constant", or "one_cycle" (Smith
            2018): up from a tenth of the peak and down again, 45 % of the steps each, then on to a
            thousandth.
        warmup_epochs: Epochs of linear warm-up; parts of an epoch are allowed. Each of `stages` has its
            share. "one_cycle" is its own warm-up and has no other.
        weight_decay: Decay of kernels; neither biases nor normalisation decay.
        gradient_clip: Longest gradient of all weights together; longer ones are scaled down to it. 0
            leaves them.
        average: Share of the moving average of the weights that a step keeps (0.999), in [0, 1). The
            averaged weights are validated and returned. 0 for no average.
        stop_metric: The figure of the history that epochs are compared by, such as
            "val_expression_accuracy". Lower is better for names ending in loss, mae, rmse or error_rate.
        patience: A stage ends after so many epochs without a better `stop_metric`; 0 for never.
        keep_best: Whether the epoch with the best `stop_metric` is returned, and not the last one.
        mixed_precision: Keras dtype policy: "float32", "mixed_bfloat16" or "mixed_float16".
        validation_pairs: Most pairs of held-out people that each epoch is validated on.
        seed: Seeds weights, order and augmentation.
        stages: Fine-tuning in stages, one after the other; () trains everything for `epochs`.
        layer_decay: Learning rate and weight decay of each backbone stage as a multiple of those of the
            stage after it, the last one's of the heads', in (0, 1]; 1 trains all alike.
        cache_features: Whether stages that train the heads alone run the backbone only once, and keep
            its features within data.memory_budget_gb, else on disk. Augmentation must be off.
        strategy: Devices: "none" for one, "mirrored" for all GPUs of this machine, "multi_worker" for
            those of all processes that the environment's TF_CONFIG names.
        worker_timeout_s: Seconds to wait for the other processes when a training starts.
        weighting: How the losses of several tasks become one step: "fixed" (by the tasks' weights),
            "uncertainty" (Kendall et al. 2018), "dynamic_average" (Liu et al. 2019), "gradnorm" (Chen et
            al. 2018), "uw_so" (Kirchdorfer et al. 2024) or "pcgrad" (Yu et al. 2020). All but "fixed"
            start from losses that are multiplied by the tasks' weights.
        weighting_arguments: Of the method: "temperature" of dynamic_average (2) and of uw_so (1); "alpha"
            (1.5) and "learning_rate" (0.025) of gradnorm.
    """

    epochs: Annotated[int, "at least 1"] = 10
    batch_size: Annotated[int, "at least 1"] = 32
    accumulation: Annotated[int, "at least 1"] = 1
    optimizer: str = "adamw"
    learning_rate: Annotated[float, "above 0"] = 5e-3
    schedule: str = "cosine"
    warmup_epochs: Annotated[float, "at least 0"] = 1.0
    weight_decay: Annotated[float, "at least 0"] = 1e-2
    gradient_clip: Annotated[float, "at least 0"] = 0.0
    average: Annotated[float, "in [0, 1)"] = 0.0
    stop_metric: str = ""
    patience: Annotated[int, "at least 0"] = 0
    keep_best: bool = False
    mixed_precision: str = "float32"
    validation_pairs: Annotated[int, "at least 1"] = 2000
    seed: Annotated[int, "at least 0"] = 0
    stages: tuple[FineTuningStage, ...] = ()
    layer_decay: Annotated[float, "in (0, 1]"] = 1.0
    cache_features: bool = False
    sampling: SamplingSettings = field(default_factory=SamplingSettings)
    strategy: str = "none"
    worker_timeout_s: Annotated[float, "above 0"] = 120.0
    weighting: str = "fixed"
    weighting_arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_choices(self, ("sgd", "adamw", "lamb"), "optimizer")
        check_choices(self, ("cosine", "one_cycle", "constant"), "schedule")
        check_choices(self, ("none", "mirrored", "multi_worker"), "strategy")
        check(
            bool(self.stop_metric) or not (self.patience or self.keep_best),
            "stop_metric",
            "the name of a figure such as val_expression_accuracy, for patience and keep_best",
            self.stop_metric,
        )
        check_choices(self, ("float32", "mixed_bfloat16", "mixed_float16"), "mixed_precision")
        check_choices(self, tuple(WEIGHTING_ARGUMENTS), "weighting")
        chosen = self.sampling.people_per_batch * self.sampling.images_per_person
        check(
            chosen <= self.batch_size,
            "sampling.people_per_batch * images_per_person",
            f"at most batch_size, which is {self.batch_size}",
            chosen,
        )
        _check_weighting_arguments(self.weighting, self.weighting_arguments)

    def planned_stages(self) -> tuple[FineTuningStage, ...]:
        """The stages; where none are set, one that trains everything for `epochs`."""
        return self.stages or (FineTuningStage(self.epochs, ("all",)),)

    def total_epochs(self) -> int:
        """Epochs of the whole training."""
        return sum(stage.epochs for stage in self.planned_stages())


def _check_weighting_arguments(method: str, arguments: Mapping[str, Any]) -> None:
    allowed = WEIGHTING_ARGUMENTS[method]
    for name, value in arguments.items():
        names = f"among {', '.join(allowed)}" if allowed else "empty"
        check(name in allowed, "weighting_arguments", f"{names} for weighting {method}", name)
        check_number(value, f"weighting_arguments: {name} of {method}", float, allowed[name])
