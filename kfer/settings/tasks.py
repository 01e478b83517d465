"""What the network learns: one line a task."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from kfer import spec
from kfer.ranges import check_number, shown
from kfer.settings.checks import check, check_choices, checked

CLASSES, SOFT_CLASSES, MULTI_LABEL = "classes", "soft_classes", "multi_label"
REGRESSION, EMBEDDING = "regression", "embedding"

#: No loss: the embedding is what the backbone's own weights make, and nothing that it uses is trained.
PRETRAINED = "pretrained"
#: The losses of each kind of task; the first is the default.
LOSSES = {
    CLASSES: ("cross_entropy", "focal"),
    SOFT_CLASSES: ("soft_cross_entropy",),
    MULTI_LABEL: ("binary_cross_entropy", "binary_focal"),
    REGRESSION: ("huber", "mean_squared_error", "mean_absolute_error", "concordance"),
    EMBEDDING: (
        "arcface",
        "cosface",
        "adacos",
        "subcenter_arcface",
        "triplet_semihard",
        "triplet_hard",
        "supervised_contrastive",
        "center",
        PRETRAINED,
    ),
}
_CLASS_METRICS = ("accuracy", "macro_f1", "balanced_accuracy")
#: The metrics of each kind of task that epochs can be validated with.
METRICS = {
    CLASSES: _CLASS_METRICS,
    SOFT_CLASSES: _CLASS_METRICS,
    MULTI_LABEL: ("macro_f1", "auc", "average_precision"),
    REGRESSION: ("mae", "ccc", "rmse", "pearson"),
    EMBEDDING: ("accuracy", "auc", "equal_error_rate", "tar_at_far_0.01", "tar_at_far_0.001"),
}
_USUAL_METRICS = {
    CLASSES: ("accuracy", "macro_f1"),
    SOFT_CLASSES: ("accuracy", "macro_f1"),
    MULTI_LABEL: ("macro_f1",),
    REGRESSION: ("mae", "ccc"),
    EMBEDDING: ("accuracy",),
}
#: Arguments of a task's head; the loss sees them in the shape of its cosines.
OF_HEADS = ("sub_centers",)
#: The arguments of each loss that are the user's.
LOSS_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "cross_entropy": ("label_smoothing",),
    "focal": ("gamma",),
    "binary_focal": ("gamma", "alpha"),
    "huber": ("delta",),
    "arcface": ("margin", "scale"),
    "cosface": ("margin", "scale"),
    "subcenter_arcface": ("margin", "scale", "sub_centers"),
    "center": ("scale", "center_weight"),
    "triplet_semihard": ("margin",),
    "triplet_hard": ("margin", "soft"),
    "supervised_contrastive": ("temperature",),
}
_RANGES: dict[str, tuple[type, str]] = {
    "label_smoothing": (float, "in [0, 1)"),
    "gamma": (float, "at least 0"),
    "alpha": (float, "in [0, 1]"),
    "delta": (float, "above 0"),
    "margin": (float, "at least 0"),
    "scale": (float, "above 0"),
    "center_weight": (float, "at least 0"),
    "sub_centers": (int, "at least 1"),
    "soft": (bool, ""),
    "temperature": (float, "above 0"),
}
#: Losses that compare embeddings with each other: their network has no direction for each person.
PAIRWISE_LOSSES = ("triplet_semihard", "triplet_hard", "supervised_contrastive")
#: Features whose labels are of one kind in every dataset.
_OWN_KINDS = {spec.EXPRESSION: CLASSES, spec.IDENTITY: EMBEDDING}
_MOVES = ("flip", "shift", "rotation", "scale", "shear", "crop", "policy_operations")
#: Augmentation that would make the labels of kfer's own datasets wrong, by feature.
MOVED_BY = {
    "landmarks": _MOVES,
    "relative_landmarks": _MOVES,
    "box": _MOVES,
    "head_pose": ("flip", "rotation", "shear", "policy_operations"),
    "pose": ("flip",),
}
IMBALANCE = ("none", "balanced", "effective_number")


@dataclass(frozen=True)
@checked
class LabelSettings:
    """What examples carry for a task, or for slices of an evaluation.

    Attributes:
        kind: "classes" (int32, -1 where missing), "soft_classes" (float32, a share for each class, a row
            of nan where missing), "multi_label" (float32, 0 or 1 for each name, nan where missing),
            "regression" (float32, a number for each name, nan where missing), or "embedding" (int32,
            who it is, -1 where missing).
        names: Of the classes or numbers, in the order of the label. None for an embedding; for classes,
            () takes the names that the sources give.
    """

    kind: str
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_choices(self, tuple(LOSSES), "kind")
        check(len(set(self.names)) == len(self.names), "names", "different from each other", self.names)

    @property
    def is_integer(self) -> bool:
        """Whether a label is one integer, -1 where missing; else a vector of numbers."""
        return self.kind in (CLASSES, EMBEDDING)


@dataclass(frozen=True)
@checked
class TaskSettings:
    """One thing that the network learns, and how.

    Attributes:
        kind: "classes" (one of `names`), "soft_classes" (a distribution over them: votes),
            "multi_label" (each of them or not), "regression" (a number for each), or "embedding" (who a
            face is; for the task "identity").
        names: Of the classes or numbers, in the order of the output; () for an embedding.
        feature: The examples' feature that labels it; empty where it is called as the task. The feature
            "frame_expression" labels each frame of a clip.
        loss: Empty for the kind's first: cross_entropy, focal; soft_cross_entropy;
            binary_cross_entropy, binary_focal; huber, mean_squared_error, mean_absolute_error,
            concordance; arcface, cosface, adacos, subcenter_arcface, triplet_semihard, triplet_hard,
            supervised_contrastive, center, pretrained (the backbone's own embedding, which stays as it
            is: nothing is learned, and the shared backbone is frozen).
        loss_arguments: Keyword arguments of the loss in `kfer.losses` ({"label_smoothing": 0.1}), and of
            subcenter_arcface "sub_centers", the directions of each person (3).
        weight: Weight of the loss in the total; 0 leaves the task out of the network.
        metrics: Of each epoch's validation, "val_<task>_<metric>", for searches and `stop_metric`;
            () for accuracy and macro_f1 of classes and soft classes (or balanced_accuracy, the mean
            recall), macro_f1 of several labels (auc, average_precision: means over labels), mae and ccc
            of numbers (rmse, pearson: means over numbers), and accuracy of verification (auc,
            equal_error_rate, tar_at_far_0.01, tar_at_far_0.001), "val_verification_<metric>".
        imbalance: Weights of the classes in the loss: "none", "balanced" (inverse frequency) or
            "effective_number" (Cui et al. 2019).
        layers: Widths of dense layers of its own before the output, each with ReLU and dropout.
        dropout: Share of features dropped before the output and in `layers`; None for the model's.
        parts_after: The backbone's stage after which the task has a copy of its own of all that follow;
            empty: the last.
        ends_after: The stage at whose end that copy ends, for a smaller branch; empty: the last.
        normalize_features: Whether the features are batch-normalised in front of its layers.
        stop_gradient: Whether the shared layers learn nothing from this task.
        teachers: Saved kfer networks (.keras) that the task is distilled from; of a name with "*", the
            newest that fits.
        distillation_weight: Weight of the teachers in the task's loss, in [0, 1]; the labels have the
            rest.
        distillation_temperature: Of the softmax of teacher and student.
    """

    kind: str = CLASSES
    names: tuple[str, ...] = ()
    feature: str = ""
    loss: str = ""
    loss_arguments: Mapping[str, Any] = field(default_factory=dict)
    weight: Annotated[float, "at least 0"] = 1.0
    metrics: tuple[str, ...] = ()
    imbalance: str = "none"
    layers: tuple[Annotated[int, "in [1, 65536]"], ...] = ()
    dropout: Annotated[float, "in [0, 1)"] | None = None
    parts_after: str = ""
    ends_after: str = ""
    normalize_features: bool = False
    stop_gradient: bool = False
    teachers: tuple[str, ...] = ()
    distillation_weight: Annotated[float, "in [0, 1]"] = 0.5
    distillation_temperature: Annotated[float, "above 0"] = 2.0

    def __post_init__(self) -> None:
        check_choices(self, tuple(LOSSES), "kind")
        allowed = LOSSES[self.kind]
        if self.loss:
            expected = f"empty or, for a task of kind {self.kind}, among {', '.join(allowed)}"
            check(self.loss in allowed, "loss", expected, self.loss)
        if self.kind == EMBEDDING:
            check(not self.names, "names", "() for a task of kind embedding", self.names)
        else:
            least = 1 if self.kind in (MULTI_LABEL, REGRESSION) else 2
            check(
                len(set(self.names)) == len(self.names) >= least,
                "names",
                f"different names, at least {least}, for a task of kind {self.kind}",
                self.names,
            )
        check(
            bool(self.parts_after) or not self.ends_after,
            "ends_after",
            "empty where parts_after is",
            self.ends_after,
        )
        unknown = [name for name in self.metrics if name not in METRICS[self.kind]]
        expected = f"among {', '.join(METRICS[self.kind])} for a task of kind {self.kind}"
        check(not unknown, "metrics", expected, ", ".join(map(str, unknown)))
        check_choices(self, IMBALANCE, "imbalance")
        check(
            self.imbalance == "none" or self.kind in (CLASSES, SOFT_CLASSES),
            "imbalance",
            f"none for a task of kind {self.kind}",
            self.imbalance,
        )

    def label(self) -> LabelSettings:
        """What examples carry for it."""
        return LabelSettings(self.kind, self.names)

    def validated_by(self) -> tuple[str, ...]:
        """The metrics of each epoch."""
        return self.metrics or _USUAL_METRICS[self.kind]


Tasks = Mapping[str, TaskSettings]


def check_loss_arguments(task: TaskSettings) -> None:
    """Checks the arguments of a task's loss, which may be set one after the other with the loss.

    Raises:
        ValueError: One is unknown, or out of its range.
    """
    loss = task.loss or LOSSES[task.kind][0]
    allowed = LOSS_ARGUMENTS.get(loss, ())
    for name, value in task.loss_arguments.items():
        if name not in allowed:
            raise ValueError(
                f"loss_arguments: {loss} takes {', '.join(allowed) or 'no arguments'}; got {shown(name)}"
            )
        where, (kind, words) = f"loss_arguments: {name} of {loss}", _RANGES[name]
        if kind is bool:
            check(isinstance(value, bool), where, "True or False", value)
        elif not (value is None and name == "alpha"):
            check_number(value, where, kind, words)


def default_tasks() -> dict[str, TaskSettings]:
    """Expression and identity. ArcFace's loss is about ten times the expressions', hence its weight."""
    return {
        spec.EXPRESSION: TaskSettings(names=spec.EXPRESSIONS, loss_arguments={"label_smoothing": 0.05}),
        spec.IDENTITY: TaskSettings(EMBEDDING, weight=0.1, loss_arguments={"margin": 0.2, "scale": 24.0}),
    }


def active(tasks: Tasks) -> dict[str, TaskSettings]:
    """The tasks whose loss has a weight."""
    return {name: task for name, task in tasks.items() if task.weight > 0}


def learned(tasks: Tasks) -> dict[str, TaskSettings]:
    """The active tasks that need labels: all but an embedding that came with the backbone."""
    return {name: task for name, task in active(tasks).items() if task.loss != PRETRAINED}


def is_of_frames(name: str, task: TaskSettings) -> bool:
    """Whether a task is of each frame of a clip: its feature is "frame_expression".

    Its labels are int `[n, frames]`, -1 where missing, its outputs `[n, frames, k]`.
    """
    return (task.feature or name) == spec.FRAME_EXPRESSION


def labels_of(tasks: Tasks, attributes: tuple[str, ...] = ()) -> dict[str, LabelSettings]:
    """What examples must carry, by feature: for tasks, and attributes for slices.

    Raises:
        ValueError: Two tasks read one feature in different ways.
    """
    found: dict[str, LabelSettings] = {}
    for name, task in tasks.items():
        feature = task.feature or name
        if is_of_frames(name, task):
            check(task.kind == CLASSES, f"tasks.{name}.kind", f"{CLASSES} for {feature!r}", task.kind)
            continue  # clips have it in any case
        own_kind = _OWN_KINDS.get(feature, task.kind)
        if task.kind != own_kind or feature in (spec.IMAGE, spec.SOURCE, spec.FILENAME):
            raise ValueError(
                f"tasks.{name}: the feature {feature!r} is no label of kind {task.kind}; name the one "
                f"that is: tasks.{name}.feature"
            )
        label = found.setdefault(feature, task.label())
        if label != task.label():
            raise ValueError(
                f"tasks.{name}: another task reads the feature {feature!r} as {label.kind} of "
                f"{', '.join(label.names)}; got {task.kind} of {', '.join(task.names)}. Tasks of one "
                "feature must have one kind and the same names"
            )
    return found | {name: LabelSettings(CLASSES) for name in attributes if name not in found}


def check_tasks(tasks: Tasks) -> None:
    """Checks tasks with each other.

    Raises:
        ValueError: A name cannot name an output, none has a weight, or an embedding is not identity.
    """
    for name, task in tasks.items():
        check(isinstance(task, TaskSettings), f"tasks.{name}", "TaskSettings(...)", type(task).__name__)
        check(
            name.isidentifier() and name not in (spec.EMBEDDING, spec.IMAGE, spec.SOURCE),
            "tasks",
            f"named by letters, digits and _, and not {spec.EMBEDDING}, {spec.IMAGE} or {spec.SOURCE}",
            name,
        )
        check(
            (task.kind == EMBEDDING) == (name == spec.IDENTITY),
            f"tasks.{name}.kind",
            f"{EMBEDDING} for {spec.IDENTITY!r} and for no other task",
            task.kind,
        )
    check(bool(active(tasks)), "tasks", "at least one with a weight above 0", dict.fromkeys(tasks, 0.0))
    check(
        bool(learned(tasks)),
        "tasks",
        f"at least one that is learned, beside those whose loss is {PRETRAINED}",
        ", ".join(active(tasks)),
    )
    labels_of(tasks)
