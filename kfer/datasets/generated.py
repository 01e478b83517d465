"""Faces that a trained generator draws, as a source to train on beside real ones."""

import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from kfer import generator as generators
from kfer import spec
from kfer.fingerprints import Read, read
from kfer.media import png

# What the name of a folder can tell in words.
_PLAIN, _LONGEST = re.compile(r"\w+", re.ASCII), 100


class KferGenerated(tfds.core.GeneratorBasedBuilder):
    """One split, train: generated faces say nothing of how good a network is.

    Each choice of the generator's weights, of counts and seed is a config of its own. Where the generator
    is told whom it draws after, its people take turns; to an input pipeline they are others than those of
    any other source, and `SourceSettings.labels` of {"identity": {"*": ""}} leaves them out.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}

    def __init__(
        self,
        *,
        generator: str | Path,
        counts: Mapping[str, int] | int,
        seed: int = 0,
        config: str | None = None,
        **arguments: Any,
    ) -> None:
        """Makes the builder.

        Args:
            generator: What `kfer.generator.load` takes.
            counts: Images by expression, each at least 1, of some expressions or all; or one number for
                each of all.
            seed: At least 0; another seed draws other faces.
            config: Unused; the arguments name the config.
            arguments: TFDS's own (`data_dir`, `version`).

        Raises:
            FileNotFoundError: There is no generator.
            ValueError: What is there is no generator, it knows no such expression, or a count or the seed
                is too low.
        """
        self._generator = generators.read(generator)
        known = self._generator.expressions
        chosen = dict(counts) if isinstance(counts, Mapping) else dict.fromkeys(known, counts)
        if not chosen:
            raise ValueError(
                f"expected images of at least one expression; the generator {self._generator.name} draws "
                f"{', '.join(known) or 'none'}, and counts is {counts}"
            )
        for expression, count in chosen.items():
            self._generator.check_class(spec.EXPRESSION, expression)
            if count < 1:
                raise ValueError(f"counts of {expression!r} must be at least 1; got {count}")
        if seed < 0:
            raise ValueError(f"seed must be at least 0; got {seed}")
        self._counts, self._seed = chosen, seed
        own_config = tfds.core.BuilderConfig(
            name=f"{self._generator.digest[:12]}_{_told(counts)}_seed{seed}",
            description=f"Images that the generator {self._generator.name} drew.",
        )
        super().__init__(config=own_config, **arguments)

    def reads(self, download_dir: Path) -> list[Read]:
        """Returns what is read or looked for; see `kfer.datasets.preparation`."""
        del download_dir
        place = self._generator.place
        folder = place if place.is_dir() else place.parent
        return [read(place), read(folder / generators.FILE)]

    def _info(self) -> tfds.core.DatasetInfo:
        generator = self._generator
        size, channels = generator.image_size, generator.channels
        features: dict[str, Any] = {
            spec.IMAGE: tfds.features.Image(shape=(size, size, channels), encoding_format="png"),
            spec.FILENAME: tfds.features.Text(),
            **{
                condition: tfds.features.ClassLabel(names=names)
                for condition, names in generator.classes.items()
            },
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description="Generated images, no photographs: faces "
            f"{'after people' if spec.IDENTITY in generator.classes else 'of nobody'}, which the "
            f"generator {generator.name} of kfer drew.",
            features=tfds.features.FeaturesDict(features),
            license="That of what the generator was trained on.",
            metadata=tfds.core.MetadataDict(
                generated=True,
                generator=generator.name,
                digest=generator.digest,
                counts=self._counts,
                seed=self._seed,
            ),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        del dl_manager
        total = sum(self._counts.values())
        generators.check_room(Path(self.data_dir), self._generator, total)
        return {spec.TRAIN: self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[str, dict[str, Any]]]:
        generator, seed = generators.load(self._generator.place), self._seed
        people = self._generator.classes.get(spec.IDENTITY, ())
        for expression, count in self._counts.items():
            whom = [people[number % len(people)] for number in range(count)] if people else None
            images = itertools.chain.from_iterable(generator.iterate(expression, count, seed, whom))
            for number, image in enumerate(images):
                filename = f"generated/{generator.name}/{expression}/{seed}_{number:05d}.png"
                labels = {spec.EXPRESSION: expression} | ({spec.IDENTITY: whom[number]} if whom else {})
                marks = self._generator.marks(seed) | {"number": str(number)} | labels
                yield (
                    filename,
                    {spec.IMAGE: png.encoded(image, marks), spec.FILENAME: filename, **labels},
                )


def _told(counts: Mapping[str, int] | int) -> str:
    """The counts in a folder's name: in words where they are short and plain."""
    if not isinstance(counts, Mapping):
        return f"{counts}each"
    words = "-".join(f"{expression}_{count}" for expression, count in counts.items())
    if all(map(_PLAIN.fullmatch, counts)) and len(words) <= _LONGEST:
        return words
    digest = hashlib.sha256(repr(sorted(counts.items())).encode()).hexdigest()[:12]
    return f"{sum(counts.values())}images_{digest}"
