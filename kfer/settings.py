"""What a user can set: one frozen dataclass a stage, with its defaults and allowed values.

This module imports nothing but the standard library, so that a run whose results are all cached, and
``--help``, never wait for TensorFlow. Each stage's function takes its own dataclass, whether or not a
pipeline runs it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kfer import spec


def _check(allowed: bool, field_name: str, expected: str, value: object) -> None:
    if not allowed:
        raise ValueError(f"{field_name} must be {expected}; got {value!r}")


def _check_numbers(settings: object, expected: str, *names: str) -> None:
    """Checks fields against "at least 1", "above 0", "at least 0", "in [0, 1)" or "in (0, 1]"."""
    allowed = {
        "at least 1": lambda value: value >= 1,
        "at least 0": lambda value: value >= 0,
        "above 0": lambda value: value > 0,
        "in [0, 1)": lambda value: 0 <= value < 1,
        "in [0, 1]": lambda value: 0 <= value <= 1,
        "in (0, 1]": lambda value: 0 < value <= 1,
    }[expected]
    for name in names:
        _check(allowed(getattr(settings, name)), name, expected, getattr(settings, name))


def _check_choices(settings: object, choices: tuple[str, ...], name: str) -> None:
    value = getattr(settings, name)
    for item in value if isinstance(value, tuple) else (value,):
        _check(item in choices, name, f"among {', '.join(choices)}", item)


@dataclass(frozen=True)
class SourceSettings:
    """One dataset that gives training, validation and test examples, and maybe pairs.

    Attributes:
        dataset: A kfer builder ("fer2013", "lfw", "fer2013/six_class"), or any TFDS dataset name.
        weight: This source's share of a training batch, relative to the others'. When no source has
            a weight, every example is seen once an epoch.
        central_crop: Share of the image's height and width that is kept around its centre, in (0, 1].
        splits: kfer's split names to the dataset's own (TFDS slices such as "train[:90%]" work).
        pairs: Splits of `pairs_dataset` with verification pairs, all of people not trained on.
        pairs_dataset: The dataset that has the pairs ("lfw/pairs"); its images are cropped alike.
        features: kfer's feature keys to the dataset's own, where they differ ({"identity": "label"}).
        labels: For each feature, the dataset's label names to kfer's ({"expression": {"anger":
            "angry"}}; "*" stands for all others). A name that maps to "" has no counterpart: the
            label is missing.
        arguments: Keyword arguments of the builder (the number of people that "synthetic" draws).
    """

    dataset: str
    weight: float | None = None
    central_crop: float = 1.0
    splits: Mapping[str, str] = field(default_factory=lambda: {split: split for split in spec.SPLITS})
    pairs: tuple[str, ...] = ()
    pairs_dataset: str = ""
    features: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_numbers(self, "in (0, 1]", "central_crop")
        if self.weight is not None:
            _check_numbers(self, "at least 0", "weight")
        _check(not (self.pairs and not self.pairs_dataset), "pairs_dataset", "named where pairs are", "")
        unknown = sorted(set(self.splits) - set(spec.SPLITS))
        _check(not unknown, "splits", f"a mapping from {', '.join(spec.SPLITS)}", unknown)


@dataclass(frozen=True)
class DataSettings:
    """Which examples, at which size.

    Attributes:
        sources: The datasets that are mixed.
        expressions: The expression classes, in the order of the model's output.
        image_size: Height and width of the network's input in pixels.
        channels: 1 for grey, 3 for RGB; how the network sees images. The exported model takes RGB.
        max_bad_image_share: The run stops where more than this share of a split cannot be decoded.
        memory_budget_gb: Decoded images are held in memory up to this many GB, else mapped from disk.
    """

    sources: tuple[SourceSettings, ...] = (SourceSettings("synthetic"),)
    expressions: tuple[str, ...] = spec.EXPRESSIONS
    image_size: int = 48
    channels: int = 1
    max_bad_image_share: float = 0.02
    memory_budget_gb: float = 2.0

    def __post_init__(self) -> None:
        _check(bool(self.sources), "sources", "at least one dataset", self.sources)
        _check(
            len(set(self.expressions)) == len(self.expressions) >= 2,
            "expressions",
            "two or more different names",
            self.expressions,
        )
        _check(self.image_size >= 32, "image_size", "at least 32 pixels", self.image_size)
        _check(self.channels in (1, 3), "channels", "1 (grey) or 3 (RGB)", self.channels)
        _check_numbers(self, "in [0, 1]", "max_bad_image_share")
        _check_numbers(self, "at least 0", "memory_budget_gb")


@dataclass(frozen=True)
class AugmentationSettings:
    """Random image steps in training; 0 turns a step off.

    Attributes:
        flip: Probability of a left-right flip.
        shift: Largest shift, as a share of the image's side.
        rotation: Largest rotation in radians.
        scale: Largest relative change of size.
        brightness: Largest change, as a share of the range of intensity.
        contrast: Largest relative change of contrast.
        erase: Probability that a rectangle is erased.
    """

    flip: float = 0.5
    shift: float = 0.04
    rotation: float = 0.08
    scale: float = 0.05
    brightness: float = 0.1
    contrast: float = 0.1
    erase: float = 0.0

    def __post_init__(self) -> None:
        _check_numbers(self, "in [0, 1]", "flip", "erase")
        _check_numbers(self, "in [0, 1)", "shift", "scale", "brightness", "contrast")
        _check_numbers(self, "at least 0", "rotation")


@dataclass(frozen=True)
class ModelSettings:
    """The network: a backbone and its heads.

    Attributes:
        backbone: "compact", "resnet152", "densenet161", or a name from keras.applications.
        backbone_arguments: Keyword arguments of the backbone ({"widths": [32, 64, 128, 256]}).
        weights: None for random ones, or what the backbone's own `weights` argument takes.
        embedding_size: Numbers in an embedding.
        dropout: Share of features dropped before each head, in [0, 1).
    """

    backbone: str = "compact"
    backbone_arguments: Mapping[str, Any] = field(default_factory=dict)
    weights: str | None = None
    embedding_size: int = 128
    dropout: float = 0.1

    def __post_init__(self) -> None:
        _check_numbers(self, "at least 1", "embedding_size")
        _check_numbers(self, "in [0, 1)", "dropout")


@dataclass(frozen=True)
class FineTuningStage:
    """A part of a training in which some of the backbone is frozen.

    A frozen layer keeps its weights and, if it normalises batches, its statistics. A stage starts
    with a new optimizer, and has a warm-up and a cosine of its own.

    Attributes:
        epochs: Epochs of this stage.
        unfreeze: Stages of the backbone that train beside the heads ("layer4",); ("all",) for the
            whole backbone, () for the heads alone. The Trainer's log has their names.
        learning_rate_factor: Peak rate of this stage, as a multiple of the training's.
    """

    epochs: int
    unfreeze: tuple[str, ...] = ()
    learning_rate_factor: float = 1.0

    def __post_init__(self) -> None:
        _check_numbers(self, "at least 1", "epochs")
        _check_numbers(self, "above 0", "learning_rate_factor")
        _check(
            isinstance(self.unfreeze, tuple),
            "unfreeze",
            'a tuple of names such as ("layer4",)',
            self.unfreeze,
        )


@dataclass(frozen=True)
class TrainingSettings:
    """How the network is trained.

    Attributes:
        epochs: Passes over the training split (over its size, where sources have weights). Where there
            are `stages`, theirs count and this does not.
        batch_size: Examples a step.
        optimizer: "sgd" (Nesterov, momentum 0.9) or "adamw".
        learning_rate: Peak rate, reached after the warm-up; a cosine takes it to zero.
        warmup_epochs: Epochs of linear warm-up; parts of an epoch are allowed. Each of `stages` has its
            share.
        weight_decay: Decay of kernels; neither biases nor normalisation decay.
        label_smoothing: For the expression loss, in [0, 1).
        expression_weight: Weight of the expression loss in the total; 0 leaves the head out.
        identity_weight: Weight of the identity loss in the total; 0 leaves the head out. ArcFace's
            loss is about ten times the expressions', hence the default.
        arcface_margin: Additive angular margin in radians.
        arcface_scale: Scale of the cosine logits.
        mixed_precision: Keras dtype policy: "float32", "mixed_bfloat16" or "mixed_float16".
        validation_pairs: Most pairs of held-out people that each epoch is validated on.
        seed: Seeds weights, order and augmentation.
        stages: Fine-tuning in stages, one after the other; () trains everything for `epochs`.
        layer_decay: Learning rate and weight decay of each backbone stage as a multiple of those of the
            stage after it, the last one's of the heads', in (0, 1]; 1 trains all alike.
        cache_features: Whether stages that train the heads alone run the backbone only once, and keep
            its features within data.memory_budget_gb, else on disk. Augmentation must be off.
    """

    epochs: int = 10
    batch_size: int = 32
    optimizer: str = "adamw"
    learning_rate: float = 5e-3
    warmup_epochs: float = 1.0
    weight_decay: float = 1e-2
    label_smoothing: float = 0.05
    expression_weight: float = 1.0
    identity_weight: float = 0.1
    arcface_margin: float = 0.2
    arcface_scale: float = 24.0
    mixed_precision: str = "float32"
    validation_pairs: int = 2000
    seed: int = 0
    stages: tuple[FineTuningStage, ...] = ()
    layer_decay: float = 1.0
    cache_features: bool = False

    def __post_init__(self) -> None:
        _check_numbers(self, "at least 1", "epochs", "batch_size", "validation_pairs")
        _check_numbers(self, "above 0", "learning_rate", "arcface_scale")
        _check_numbers(self, "in (0, 1]", "layer_decay")
        _check_numbers(self, "in [0, 1)", "label_smoothing")
        _check_numbers(
            self,
            "at least 0",
            "warmup_epochs",
            "weight_decay",
            "arcface_margin",
            "expression_weight",
            "identity_weight",
            "seed",
        )
        _check_choices(self, ("sgd", "adamw"), "optimizer")
        _check_choices(self, ("float32", "mixed_bfloat16", "mixed_float16"), "mixed_precision")
        _check(bool(self.tasks()), "expression_weight or identity_weight", "above 0", 0.0)

    def tasks(self) -> tuple[str, ...]:
        """The tasks whose loss has a weight."""
        weights = {spec.EXPRESSION: self.expression_weight, spec.IDENTITY: self.identity_weight}
        return tuple(task for task, weight in weights.items() if weight > 0)

    def planned_stages(self) -> tuple[FineTuningStage, ...]:
        """The stages; where none are set, one that trains everything for `epochs`."""
        return self.stages or (FineTuningStage(self.epochs, ("all",)),)

    def total_epochs(self) -> int:
        """Epochs of the whole training."""
        return sum(stage.epochs for stage in self.planned_stages())


@dataclass(frozen=True)
class TuningSettings:
    """The search of loss weights and learning rate.

    A trial is one stage: where the training has several, it trains what the last of them does, at its
    rate.

    Attributes:
        trials: Trials to run; 0 leaves the training settings as they are.
        epochs: Epochs of each trial.
        example_share: Share of the training split that a trial sees an epoch, in (0, 1].
        loss_weight_factors: Lowest and highest multiple of each set loss weight, log scale.
        learning_rate_factors: Lowest and highest multiple of the set learning rate, log scale.
        seed: Seeds the search.
    """

    trials: int = 2
    epochs: int = 1
    example_share: float = 0.4
    loss_weight_factors: tuple[float, float] = (0.5, 2.0)
    learning_rate_factors: tuple[float, float] = (0.5, 2.0)
    seed: int = 0

    def __post_init__(self) -> None:
        _check_numbers(self, "at least 0", "trials", "seed")
        _check_numbers(self, "at least 1", "epochs")
        _check_numbers(self, "in (0, 1]", "example_share")
        for name in ("loss_weight_factors", "learning_rate_factors"):
            low, high = getattr(self, name)
            _check(0 < low <= high, name, "lowest, highest, both above 0", (low, high))


@dataclass(frozen=True)
class EvaluationSettings:
    """How the network is judged, and what it must reach to be pushed.

    Attributes:
        max_pairs: Most pairs made from held-out people where a source brings none.
        false_accept_rates: Rates at which the true accept rate is reported.
        threshold_false_accept_rate: Rate at which the threshold for use is chosen, on validation
            pairs.
        folds: Folds of the verification accuracy where pairs bring none.
        min_expression_accuracy: Lower bound for the blessing.
        min_verification_accuracy: Lower bound for the blessing.
        max_drop: Most that either figure may fall below the latest blessed model's.
        seed: Seeds the choice of pairs.
    """

    max_pairs: int = 6000
    false_accept_rates: tuple[float, ...] = (0.1, 0.01, 0.001)
    threshold_false_accept_rate: float = 0.01
    folds: int = 10
    min_expression_accuracy: float = 0.0
    min_verification_accuracy: float = 0.0
    max_drop: float = 0.02
    seed: int = 0

    def __post_init__(self) -> None:
        _check_numbers(self, "at least 1", "max_pairs")
        _check(self.folds >= 2, "folds", "at least 2", self.folds)
        _check(
            all(0 < rate < 1 for rate in self.false_accept_rates),
            "false_accept_rates",
            "rates between 0 and 1",
            self.false_accept_rates,
        )
        _check_numbers(self, "in (0, 1]", "threshold_false_accept_rate")
        _check_numbers(
            self, "in [0, 1]", "min_expression_accuracy", "min_verification_accuracy", "max_drop"
        )


@dataclass(frozen=True)
class ExportSettings:
    """What is exported, and how far it may differ from Keras.

    Attributes:
        tflite: Variants to make: "float32", "float16", "dynamic_range", "int8".
        calibration_images: Training images that calibrate int8.
        parity_images: Test images on which every export is compared with Keras.
        max_probability_difference: For the SavedModel and float32 TFLite.
        max_accuracy_drop: For int8, in accuracy (0.01 is one point).
    """

    tflite: tuple[str, ...] = ("float32", "float16", "dynamic_range", "int8")
    calibration_images: int = 200
    parity_images: int = 500
    max_probability_difference: float = 1e-3
    max_accuracy_drop: float = 0.01

    def __post_init__(self) -> None:
        _check_choices(self, ("float32", "float16", "dynamic_range", "int8"), "tflite")
        _check_numbers(self, "at least 1", "calibration_images", "parity_images")
        _check_numbers(self, "at least 0", "max_probability_difference", "max_accuracy_drop")


@dataclass(frozen=True)
class PipelineSettings:
    """Everything that a pipeline can be told.

    Attributes:
        name: Names the pipeline's folder of runs and the pushed model.
        data_dir: Folder with what the user downloaded, one subfolder a dataset.
        pipeline_root: Where runs, artifacts and the report go; empty: pipeline_output/<name>.
        serving_dir: Where models are pushed: <serving_dir>/<name>/<version>/.
    """

    name: str = "synthetic"
    data_dir: str = ""
    pipeline_root: str = ""
    serving_dir: str = "saved_models"
    data: DataSettings = field(default_factory=DataSettings)
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    tuning: TuningSettings = field(default_factory=TuningSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    export: ExportSettings = field(default_factory=ExportSettings)

    def __post_init__(self) -> None:
        _check(
            self.name.replace("_", "").replace("-", "").isalnum(),
            "name",
            "letters, digits, - and _ (it names folders)",
            self.name,
        )
