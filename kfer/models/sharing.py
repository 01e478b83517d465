"""What of the backbone tasks share, and what each has for itself."""

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
from keras import layers

from kfer.backbones.parting import after, up_to
from kfer.backbones.stages import stages
from kfer.settings.tasks import Tasks, TaskSettings

#: The layer whose output the heads take; a branch's is "<task>.features".
FEATURES = "features"
#: A task's own copy of the backbone's last stages is "<task>.branch".
BRANCH = "branch"


@keras.saving.register_keras_serializable("kfer")
class StopGradient(layers.Layer):
    """Passes features on unchanged, and no gradient back."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the features."""
        return tf.stop_gradient(inputs)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape of the inputs."""
        return input_shape


def features_of(
    tasks: Tasks,
    images: keras.KerasTensor,
    make_backbone: Callable[[], keras.Model],
    finish: Callable[[keras.KerasTensor], keras.KerasTensor],
) -> dict[str, keras.KerasTensor]:
    """Returns what the head of each task takes, `[n, h, w, c]` or `[n, c]`, or what `finish` makes of it.

    A task that parts after a stage has its own copy of all later ones, also where another parts after
    the same. Stages that no task shares are not there a second time: where all tasks part, the backbone
    ends at the last stage that one parts after.

    Args:
        tasks: By name.
        images: Float `[n, height, width, channels]` in [-1, 1].
        make_backbone: Makes a backbone, whose weights are random or loaded; called once for what is
            shared, and once for each task that parts.
        finish: What is made of the features of the last stage before any head takes them.

    Raises:
        ValueError: A task parts or ends after a stage that the backbone does not have or cannot be
            parted after, or ends no later than it parts.
    """
    backbone = make_backbone()
    known = list(stages(backbone))
    last = known[-1]
    for name, task in tasks.items():
        _check(name, task, backbone.name, known)
    ends = {name: task.parts_after or last for name, task in tasks.items()}
    if set(ends.values()) == {last}:
        maps = {last: backbone(images)}
    else:
        maps = up_to(backbone, [stage for stage in known if stage in ends.values()])(images)
    if last in maps:
        maps[last] = layers.Identity(name=FEATURES)(finish(maps[last]))
    found = {}
    for name, task in tasks.items():
        features = maps[ends[name]]
        if task.stop_gradient:
            features = StopGradient(name=f"{name}.stop_gradient")(features)
        if ends[name] != last:
            branch = after(make_backbone(), ends[name], f"{name}.{BRANCH}", task.ends_after)
            features = layers.Identity(name=f"{name}.{FEATURES}")(finish(branch(features)))
        found[name] = features
    return found


def _check(name: str, task: TaskSettings, backbone: str, known: Sequence[str]) -> None:
    for setting in ("parts_after", "ends_after"):
        stage = getattr(task, setting)
        if stage and stage not in known:
            raise ValueError(
                f"tasks.{name}.{setting}: expected a stage of the backbone {backbone!r}, "
                f"{', '.join(known)}; got {stage!r}"
            )
    if task.ends_after and known.index(task.ends_after) <= known.index(task.parts_after):
        raise ValueError(
            f"tasks.{name}.ends_after: expected a later stage than parts_after, {task.parts_after}; got "
            f"{task.ends_after}"
        )
