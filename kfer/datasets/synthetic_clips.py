"""Clips that kfer draws: faces in motion, whose class lies in the order of their frames, and a voice."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from kfer import spec
from kfer.datasets import drawing, drawn_people, naming

# Keeps the lengths of clips apart from what is drawn with the same seeds.
_STREAM = 7
_MOST_FRAMES = 1000


@dataclasses.dataclass(eq=False)
class SyntheticClipsConfig(tfds.core.BuilderConfig):
    """What KferSyntheticClips draws; see there."""

    num_identities: int = 48
    num_heldout_identities: int = 12
    examples_per_identity: int = 24
    heldout_examples_per_identity: int = 12
    min_frames: int = 12
    max_frames: int = 24
    frame_rate: int = 25
    image_size: int = 48
    voice: str = "none"
    seed: int = 0


class KferSyntheticClips(drawn_people.DrawnPeople):
    """Splits: train, and validation and test with people of their own.

    People's numbers go on from train to validation to test, and no person is in two splits. Each person
    has each class equally often, to within one.

    Classes come in pairs that are each other in reverse order, such as "smile_comes" and "smile_goes".
    The frames of a pair have one distribution, so that who sees frames without their order is right in
    half of the clips at best. The best possible accuracy, by `voice`:

    | voice        | classes | face alone | voice alone | both  | both without order |
    |--------------|---------|------------|-------------|-------|--------------------|
    | none         | 6       | 1          | 1/6         | 1     | 1/2                |
    | telling      | 6       | 1          | 1           | 1     | 1/2                |
    | insufficient | 4       | 0.485      | 0.485       | 0.941 | 1/4                |

    With "insufficient", a class is whether a smile comes or goes and whether the pitch rises or falls,
    independent of each other, and each shows the opposite of its part in 3% of the clips:
    0.97 / 2 = 0.485, 0.97**2 = 0.941.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version. Goes up when a drawing or a sound changes."}

    def __init__(
        self,
        *,
        data_dir: str | Path | None = None,
        config: SyntheticClipsConfig | str | None = None,
        version: Any = None,
        num_identities: int = 48,
        num_heldout_identities: int = 12,
        examples_per_identity: int = 24,
        heldout_examples_per_identity: int = 12,
        min_frames: int = 12,
        max_frames: int = 24,
        frame_rate: int = 25,
        image_size: int = 48,
        voice: str = "none",
        seed: int = 0,
        **arguments: Any,
    ):
        """Makes the builder; its folder's name tells all arguments.

        Args:
            data_dir: The folder for prepared datasets.
            config: A config with all of the arguments below, instead of them.
            version: TFDS's own.
            num_identities: People in train.
            num_heldout_identities: People in validation, and as many others in test.
            examples_per_identity: Clips of each person in train.
            heldout_examples_per_identity: Clips of each person in validation and test.
            min_frames: Frames of the shortest clips.
            max_frames: Frames of the longest clips; all lengths are equally frequent.
            frame_rate: Frames a second.
            image_size: Height and width in pixels.
            voice: "none", "telling" (says what the face says) or "insufficient" (face and voice say half
                of the class each).
            seed: Other seeds give other people and clips.
            arguments: Of tfds.core.GeneratorBasedBuilder.

        Raises:
            ValueError: An argument is out of range, or the config is a name.
        """
        if config is None:
            config = _config(
                voice,
                num_identities=num_identities,
                num_heldout_identities=num_heldout_identities,
                examples_per_identity=examples_per_identity,
                heldout_examples_per_identity=heldout_examples_per_identity,
                min_frames=min_frames,
                max_frames=max_frames,
                frame_rate=frame_rate,
                image_size=image_size,
                seed=seed,
            )
        drawn_people.check_config("synthetic_clips", config, SyntheticClipsConfig)
        super().__init__(data_dir=data_dir, config=config, version=version, **arguments)

    def _info(self) -> tfds.core.DatasetInfo:
        config = self.builder_config
        num_people = config.num_identities + 2 * config.num_heldout_identities
        size = config.image_size
        features = {
            # TFDS's Video is stored and decoded as this is, and logs that TFDS itself is out of date.
            spec.CLIP: tfds.features.Sequence(
                tfds.features.Image(shape=(size, size, 3), encoding_format="png"),
                doc="The frames in their order.",
            ),
            spec.FRAME_RATE: tfds.features.Scalar(np.float32, doc="Frames a second."),
            spec.EXPRESSION: tfds.features.ClassLabel(names=list(drawing.CLIP_CLASSES[config.voice])),
            spec.FRAME_EXPRESSION: tfds.features.Sequence(
                tfds.features.ClassLabel(names=spec.EXPRESSIONS),
                doc="What the face shows in each frame; -1 on the way from one to another.",
            ),
            spec.IDENTITY: tfds.features.ClassLabel(names=drawn_people.person_names(num_people)),
            spec.FILENAME: tfds.features.Text(),
            # As bytes: TFDS would store numbers as integers of up to ten bytes.
            spec.SOUND: tfds.features.Tensor(
                shape=(None,),
                dtype=np.int16,
                encoding=tfds.features.Encoding.BYTES,
                doc=f"Mono, {spec.SAMPLE_RATE} samples a second, as long as the frames; empty without a "
                "voice.",
            ),
            "action_units": tfds.features.Tensor(
                shape=(None, len(drawing.ACTION_UNITS)),
                dtype=np.float32,
                doc=f"Intensities in [0, 1] of {', '.join(drawing.ACTION_UNITS)} in each frame.",
            ),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description="Clips of drawn faces: action units, blinks and heads that move, and a voice.",
            features=tfds.features.FeaturesDict(features),
            license="Apache-2.0, as kfer itself.",
        )

    def _generate_examples(self, people: range, clips_each: int) -> Iterator[tuple[str, dict[str, Any]]]:
        config = self.builder_config
        names = drawn_people.person_names(people.stop)
        classes = list(drawing.CLIP_CLASSES[config.voice])
        for person in people:
            identity_seed = drawn_people.identity_seed(config.seed, person)
            for number in range(clips_each):
                # Where the clips are fewer than the classes, people begin with different ones.
                clip_class = classes[(number + person) % len(classes)]
                seeds = np.random.SeedSequence([_STREAM, identity_seed, number])
                rng = np.random.Generator(np.random.PCG64(seeds))
                clip = drawing.draw_clip(
                    identity_seed,
                    clip_class,
                    number,
                    num_frames=int(rng.integers(config.min_frames, config.max_frames + 1)),
                    size=config.image_size,
                    frame_rate=config.frame_rate,
                    voice=config.voice,
                )
                filename = f"{names[person]}/{number:04d}_{clip_class}"
                yield (
                    filename,
                    {
                        spec.CLIP: [drawn_people.png(frame) for frame in clip.frames],
                        spec.FRAME_RATE: config.frame_rate,
                        spec.EXPRESSION: clip_class,
                        spec.FRAME_EXPRESSION: clip.expressions,
                        spec.IDENTITY: names[person],
                        spec.FILENAME: filename,
                        spec.SOUND: clip.sound,
                        "action_units": clip.action_units,
                    },
                )


def _config(voice: str, **arguments: int) -> SyntheticClipsConfig:
    naming.check_name(voice, tuple(drawing.CLIP_CLASSES), "voice of synthetic_clips")
    drawn_people.check_ranges(
        "synthetic_clips",
        arguments,
        min_frames=(drawing.FEWEST_FRAMES, _MOST_FRAMES),
        max_frames=(max(arguments["min_frames"], drawing.FEWEST_FRAMES), _MOST_FRAMES),
        frame_rate=(5, 240),
    )
    config_name = (
        "train{num_identities}x{examples_per_identity}"
        "_heldout{num_heldout_identities}x{heldout_examples_per_identity}"
        "_{min_frames}to{max_frames}frames_{frame_rate}fps_{image_size}px_{voice}_seed{seed}"
    ).format(voice="silent" if voice == "none" else voice, **arguments)
    return SyntheticClipsConfig(name=config_name, voice=voice, **arguments)
