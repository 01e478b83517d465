"""One network that says who a face is and what it expresses."""

import itertools
import math
from pathlib import Path
from typing import TypeAlias

import keras
from keras import layers, ops

from kfer import backbones, spec

# Keras finds layers of its own file format by name once their modules are imported.
from kfer.backbones import normalization as normalization
from kfer.backbones import recomputation as recomputation
from kfer.backbones import stages as backbone_stages
from kfer.backbones.normalization import batch_normalization
from kfer.models import fusion, heads, precision, sound, temporal
from kfer.models.sharing import BRANCH, FEATURES, features_of
from kfer.settings import ModelSettings, active
from kfer.settings.tasks import EMBEDDING, Tasks, is_of_frames

# What the head of a task takes; of a decision of two modalities that of each, and which are there.
_Vectors: TypeAlias = tuple[keras.KerasTensor, ...]


def build(
    settings: ModelSettings,
    image_size: int,
    channels: int,
    tasks: Tasks,
    num_identities: int,
    seed: int,
    dtype_policy: str = "float32",
    frames: int = 0,
    samples: int = 0,
) -> keras.Model:
    """Returns an untrained network.

    The tasks share the backbone up to its end, or to the stage that a task `parts_after`: from there it
    has a copy of the later stages for itself, with the same pre-trained weights, or random ones of its
    own. Its `stop_gradient` is where it leaves what is shared; then come, in this order, its copy of the
    later stages, the normalisation of its features, each channel for itself, and its head.

    Args:
        settings: The backbone and its heads.
        image_size: Height and width of the input in pixels.
        channels: 1 for grey, 3 for RGB.
        tasks: What to predict; those whose weight is 0 are left out.
        num_identities: People to train on, at least 2 where identity is learned.
        seed: Seeds the random weights and dropout, and with them Python's, NumPy's and
            TensorFlow's global generators.
        dtype_policy: Keras's policy of the backbone: "float32", "mixed_bfloat16" or
            "mixed_float16". The outputs are float32 under each.
        frames: Of the clips that it takes in place of images; 0 for images.
        samples: Of the sound that it takes besides; 0 for none. Its input is then a dict of "image", the
            clips, and "sound", float `[n, samples]` in [-1, 1], of which 0 alone is none.

    Returns:
        A model from images `[n, image_size, image_size, channels]` in [0, 255], uint8 or float, or from
        clips `[n, frames, image_size, image_size, channels]`, whose frames of 0 alone are none, to a dict
        of float32: logits or numbers `[n, k]` of each task by its name; of identity, "identity" and
        "embedding" as its loss needs them (`heads.identity`). Its layers that are models are the
        backbone (`backbone`) and the tasks' own copies of its later stages (`branches`); what the heads
        take is found by `split`.

    Raises:
        ValueError: No task has a weight, the settings name an unknown backbone, a task parts where the
            backbone cannot be parted, or there are too few people.
    """
    tasks = active(tasks)
    if not tasks:
        raise ValueError("a network needs a task to predict; none has a weight above 0")
    keras.utils.set_random_seed(seed)
    with precision.dtype_policy(dtype_policy):
        shape = (image_size, image_size, channels)
        images = keras.Input((frames, *shape) if frames else shape, name=spec.IMAGE)
        single = temporal.Fold(name="fold")(images) if frames else images
        scaled = layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(single)
        features = features_of(
            tasks,
            scaled,
            lambda: backbones.build(
                settings.backbone, scaled.shape[1:], settings.weights, **settings.backbone_arguments
            ),
            lambda maps: temporal.Unfold()(maps, images) if frames else maps,
        )
        inputs: keras.KerasTensor | dict[str, keras.KerasTensor] = images
        heard = None
        if samples:
            inputs = {spec.IMAGE: images, spec.SOUND: keras.Input((samples,), name=spec.SOUND)}
            heard = sound.encoded(inputs[spec.SOUND])
        said = _of_clips(features, heard, tasks, settings, seed) if frames else {}
        outputs: dict[str, keras.KerasTensor] = {}
        for name, task in tasks.items():
            own, *others = said.get(name) or (features[name],)
            if task.normalize_features:
                fused = len(own.shape) == 4  # the kernel takes feature maps only
                own = batch_normalization(fused, name=f"{name}.normalization")(own)
            dropout = settings.dropout if task.dropout is None else task.dropout
            if task.kind == EMBEDDING:
                outputs |= heads.identity(
                    own, name, task, num_identities, settings.embedding_size, dropout
                )
            elif others:
                by_sight, by_sound = (
                    heads.numbers(each, f"{name}.{by}", len(task.names), dropout, task.layers)
                    for each, by in zip((own, others[0]), ("seen", "heard"), strict=True)
                )
                weights = settings.fusion_weights or None
                outputs[name] = fusion.mean_of_answers(
                    by_sight, by_sound, others[1], name, task.kind, weights
                )
            else:
                outputs[name] = heads.numbers(own, name, len(task.names), dropout, task.layers)
        network = keras.Model(inputs, outputs, name="multitask")
    _keep_pretrained(network, settings)
    return network


def _keep_pretrained(network: keras.Model, settings: ModelSettings) -> None:
    """Gives an embedding that came with the backbone its matrix, and freezes what it uses."""
    own = [layer for layer in network.layers if isinstance(layer, heads.PretrainedEmbedding)]
    if not own:
        return
    if settings.weights:
        matrix = backbones.embedding(settings.backbone, settings.weights)
        if matrix.shape != own[0].kernel.shape:
            raise ValueError(
                f"model.embedding_size: the weights {settings.weights!r} make {matrix.shape[1]} numbers "
                f"of {matrix.shape[0]} features; got {settings.embedding_size}"
            )
        own[0].kernel.assign(matrix)
    for layer in pretrained_layers(network):
        layer.trainable = False


def _of_clips(
    features: dict[str, keras.KerasTensor],
    heard: keras.KerasTensor | None,
    tasks: Tasks,
    settings: ModelSettings,
    seed: int,
) -> dict[str, _Vectors]:
    """Of the features of frames those of clips: who somebody is, all frames say alike; order tells more.

    Tasks that share features share what is made of them. With sound that is fused at the level of
    decisions there are features of frames, those of sound, and which of both are there.
    """
    in_order: dict[int, tuple[_Vectors, keras.KerasTensor]] = {}
    found: dict[str, _Vectors] = {}
    for name, task in tasks.items():
        own = features[name]
        if task.kind == EMBEDDING:
            mean = temporal.MeanOverFrames()(own, temporal.frames_there(own))
            found[name] = (layers.Identity(name=temporal.CLIP_IDENTITY)(mean),)
            continue
        if id(own) not in in_order:
            in_order[id(own)] = _fused(own, heard, settings, seed, f"{name}." if in_order else "")
        vectors, sequence = in_order[id(own)]
        found[name] = (sequence,) if is_of_frames(name, task) else vectors
    return found


def _fused(
    seen: keras.KerasTensor,
    heard: keras.KerasTensor | None,
    settings: ModelSettings,
    seed: int,
    prefix: str,
) -> tuple[_Vectors, keras.KerasTensor]:
    """What heads take for a clip, and for its frames."""
    if heard is None:
        vector, sequence = temporal.of_clip(seen, settings.temporal, settings.temporal_units)
        vectors: _Vectors = (layers.Identity(name=f"{prefix}{temporal.CLIP_FEATURES}")(vector),)
    else:
        if settings.fusion not in ("frames", "sound"):
            seen, heard = fusion.ModalityDropout(settings.modality_dropout, seed)(seen, heard)
        vectors, sequence = fusion.of_both(seen, heard, settings)
        if len(vectors) > 1:
            there = [ops.any(temporal.frames_there(each), axis=1) for each in (seen, heard)]
            vectors = (*vectors, ops.stack(there, axis=1))
    return vectors, layers.Identity(name=f"{prefix}{temporal.FRAME_FEATURES}")(sequence)


def load(path: str | Path) -> keras.Model:
    """Returns a network that `build` made and that was saved as a `.keras` file, for inference.

    Raises:
        ValueError: The file is not such a network.
    """
    return keras.models.load_model(path, compile=False)


def backbone(network: keras.Model) -> keras.Model:
    """Returns the backbone of a network that `build` made, also of one that was saved and loaded.

    Where tasks part, it gives a dict of feature maps by stage, and ends at the last stage that is shared.

    Raises:
        ValueError: The network does not have one backbone.
    """
    own = branches(network).values()
    found = [layer for layer in _models(network) if layer not in own]
    if len(found) != 1:
        raise ValueError(
            f"expected a network from kfer.models.build, which has one backbone; got {network.name!r}, "
            f"which has {len(found)}"
        )
    return found[0]


def branches(network: keras.Model) -> dict[str, keras.Model]:
    """Returns, for each task that parts before the backbone's end, its own copy of the later stages."""
    ending = f".{BRANCH}"
    return {
        layer.name.removesuffix(ending): layer
        for layer in _models(network)
        if layer.name.endswith(ending)
    }


def stages(network: keras.Model) -> dict[str, list[keras.layers.Layer]]:
    """Returns the layers with weights of the backbone by stage, from input to output.

    A task's own copy of a stage is with the shared one: what is frozen, or has a learning rate, by a
    stage's name is all of them.

    Raises:
        ValueError: The network does not have one backbone.
    """
    return backbone_stages.stages(backbone(network), branches(network).values())


def pretrained_layers(network: keras.Model) -> list[keras.layers.Layer]:
    """Returns the layers that must stay as they are: an embedding that came with the backbone uses them.

    Args:
        network: From `build`.
    """
    if not any(isinstance(layer, heads.PretrainedEmbedding) for layer in network.layers):
        return []
    return [*backbone_stages.leaves(backbone(network))]


def num_identities(network: keras.Model) -> int:
    """Returns the number of people that a network is trained on: from there up, people are held out.

    Args:
        network: From `build`, or the second half of one (`split`).

    Raises:
        ValueError: Identity is not one of its tasks.
    """
    kinds = (heads.CosineLogits, heads.TrainedIdentities)
    for layer in backbone_stages.leaves(network):
        if isinstance(layer, kinds):
            return layer.num_identities
    raise ValueError(
        f"expected a network that is trained for identity; {network.name!r} has the outputs "
        f"{', '.join(network.output)}"
    )


def split(network: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Returns the two halves of a network that `build` made, from images to features and from there on.

    They share the network's variables. Sound goes to the second with the features, as "sound" beside
    "image". The first holds the scaling, the backbone and the tasks' copies
    of its later stages; the second gives the network's outputs. Where there are such copies, the
    features are those that each head takes, as one vector.
    """
    features = [
        layer.output
        for layer in network.layers
        if layer.name == FEATURES or layer.name.endswith(f".{FEATURES}")
    ]
    images, further = network.input, {}
    if isinstance(images, dict):
        further = {name: given for name, given in images.items() if name != spec.IMAGE}
        images = images[spec.IMAGE]
    if len(features) == 1:
        trunk = keras.Model(images, features[0], name="trunk")
        if not further:
            return trunk, keras.Model(features[0], network.output, name="heads")
        taken = {spec.IMAGE: keras.Input(features[0].shape[1:], name=spec.IMAGE), **further}
        outputs = keras.Model([features[0], *further.values()], network.output)([*taken.values()])
        return trunk, keras.Model(taken, outputs, name="heads")
    vectors = layers.Concatenate()([layers.Flatten()(each) for each in features])
    joined = keras.Input(vectors.shape[1:], name=spec.IMAGE)
    ends = list(itertools.accumulate(math.prod(each.shape[1:]) for each in features))
    parts = [
        layers.Reshape(each.shape[1:])(joined[:, start:end])
        for each, (start, end) in zip(features, itertools.pairwise([0, *ends]), strict=True)
    ]
    outputs = keras.Model([*features, *further.values()], network.output)([*parts, *further.values()])
    trunk = keras.Model(images, vectors, name="trunk")
    taken = {spec.IMAGE: joined, **further} if further else joined
    return trunk, keras.Model(taken, outputs, name="heads")


def _models(network: keras.Model) -> list[keras.Model]:
    return [layer for layer in network.layers if isinstance(layer, keras.Model)]
