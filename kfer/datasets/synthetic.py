"""Faces that kfer draws: any number of people, seven expressions, every label that a drawing knows."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from kfer import spec
from kfer.datasets import drawing, drawn_people


@dataclasses.dataclass(eq=False)
class SyntheticConfig(tfds.core.BuilderConfig):
    """What KferSynthetic draws; see there."""

    num_identities: int = 120
    num_heldout_identities: int = 30
    examples_per_identity: int = 42
    heldout_examples_per_identity: int = 40
    image_size: int = 64
    seed: int = 0


class KferSynthetic(drawn_people.DrawnPeople):
    """Splits: train, and validation and test with people of their own.

    People's numbers go on from train to validation to test, and no person is in two splits. Each person
    has each expression equally often, to within one.
    """

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES = {
        "1.1.0": "Adds head_pose and relative_landmarks.",
        "1.0.0": "First version. Goes up when a drawing changes.",
    }

    def __init__(
        self,
        *,
        data_dir: str | Path | None = None,
        config: SyntheticConfig | str | None = None,
        version: Any = None,
        num_identities: int = 120,
        num_heldout_identities: int = 30,
        examples_per_identity: int = 42,
        heldout_examples_per_identity: int = 40,
        image_size: int = 64,
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
            examples_per_identity: Images of each person in train.
            heldout_examples_per_identity: Images of each person in validation and test.
            image_size: Height and width in pixels.
            seed: Other seeds give other people and images.
            arguments: Of tfds.core.GeneratorBasedBuilder.

        Raises:
            ValueError: An argument is out of range, or the config is a name.
        """
        if config is None:
            config = _config(
                num_identities=num_identities,
                num_heldout_identities=num_heldout_identities,
                examples_per_identity=examples_per_identity,
                heldout_examples_per_identity=heldout_examples_per_identity,
                image_size=image_size,
                seed=seed,
            )
        drawn_people.check_config("synthetic", config, SyntheticConfig)
        super().__init__(data_dir=data_dir, config=config, version=version, **arguments)

    def _info(self) -> tfds.core.DatasetInfo:
        config = self.builder_config
        num_people = config.num_identities + 2 * config.num_heldout_identities
        size = config.image_size
        features = {
            spec.IMAGE: tfds.features.Image(shape=(size, size, 3), encoding_format="png"),
            spec.EXPRESSION: tfds.features.ClassLabel(names=spec.EXPRESSIONS),
            spec.IDENTITY: tfds.features.ClassLabel(names=drawn_people.person_names(num_people)),
            spec.FILENAME: tfds.features.Text(),
            "action_units": tfds.features.Tensor(
                shape=(len(drawing.ACTION_UNITS),),
                dtype=np.float32,
                doc=f"Intensities in [0, 1] of {', '.join(drawing.ACTION_UNITS)}.",
            ),
            "landmarks": tfds.features.Tensor(
                shape=(len(drawing.LANDMARKS), 2),
                dtype=np.float32,
                doc=f"(y, x) in pixels of {', '.join(drawing.LANDMARKS)}.",
            ),
            "relative_landmarks": tfds.features.Tensor(
                shape=(2 * len(drawing.LANDMARKS),),
                dtype=np.float32,
                doc="The landmarks, y before x, as shares of the image's side: what a network can "
                "learn, whatever size it sees the whole image at.",
            ),
            "head_pose": tfds.features.Tensor(
                shape=(len(drawing.HEAD_POSE),),
                dtype=np.float32,
                doc=f"{', '.join(drawing.HEAD_POSE)} in radians: turn to the image's right, nod "
                "downwards, turn clockwise in the image's plane.",
            ),
            "box": tfds.features.Tensor(
                shape=(4,),
                dtype=np.float32,
                doc="(ymin, xmin, ymax, xmax) in pixels, around the head without ears and hair.",
            ),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description="Faces drawn from parameters: people, FACS action units, pose, light and camera.",
            features=tfds.features.FeaturesDict(features),
            license="Apache-2.0, as kfer itself.",
        )

    def _generate_examples(self, people: range, images_each: int) -> Iterator[tuple[str, dict[str, Any]]]:
        config = self.builder_config
        names = drawn_people.person_names(people.stop)
        for person in people:
            name = names[person]
            identity_seed = drawn_people.identity_seed(config.seed, person)
            for number in range(images_each):
                # Where the images are fewer than the expressions, people begin with different ones.
                expression = spec.EXPRESSIONS[(number + person) % len(spec.EXPRESSIONS)]
                face = drawing.draw(identity_seed, expression, number, config.image_size)
                filename = f"{name}/{number:04d}_{expression}.png"
                yield (
                    filename,
                    {
                        spec.IMAGE: drawn_people.png(face.image),
                        spec.EXPRESSION: expression,
                        spec.IDENTITY: name,
                        spec.FILENAME: filename,
                        "action_units": face.action_units,
                        "landmarks": face.landmarks,
                        "relative_landmarks": face.landmarks.reshape(-1) / config.image_size,
                        "head_pose": face.head_pose,
                        "box": face.box,
                    },
                )


def _config(**arguments: int) -> SyntheticConfig:
    drawn_people.check_ranges("synthetic", arguments)
    config_name = (
        "train{num_identities}x{examples_per_identity}"
        "_heldout{num_heldout_identities}x{heldout_examples_per_identity}"
        "_{image_size}px_seed{seed}"
    ).format(**arguments)
    return SyntheticConfig(name=config_name, **arguments)
