"""Faces drawn by a generator."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from kfer import spec
from kfer.documents import digests
from kfer.files import DamagedError
from kfer.generator.description import ADVICE, FILE, Description, read
from kfer.generator.networks import Network, open_network

_BATCH_SIZE = 64
#: The name of an image's class, those of each image, or None for one at random.
Chosen = str | Sequence[str] | None


class Generator:
    """Draws faces of nobody.

    Attributes:
        description: What `generator.json` says of it.
    """

    def __init__(self, description: Description, network: Network) -> None:
        self.description = description
        self._network = network

    @property
    def name(self) -> str:
        """What it is called."""
        return self.description.name

    @property
    def image_size(self) -> int:
        """Height and width of its images in pixels."""
        return self.description.image_size

    @property
    def channels(self) -> int:
        """Of its images: 1, grey, or 3, RGB."""
        return self.description.channels

    @property
    def noise_size(self) -> int:
        """Numbers of noise that an image is drawn from."""
        return self.description.noise_size

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        """By condition, such as "expression", the names of its classes in their order."""
        return self.description.classes

    @property
    def digest(self) -> str:
        """Of its weights: that of no other generator, and of both of its exports."""
        return self.description.digest

    def noise(self, count: int, seed: int) -> np.ndarray:
        """Returns the noise of the first images of a seed; that of an image is the same in any count.

        Args:
            count: How many images, at least 1.
            seed: At least 0; another seed gives other noise.

        Returns:
            float32 `[count, noise_size]`, standard normal, of NumPy's PCG64.

        Raises:
            ValueError: The count or the seed is too low.
        """
        return self._noise(np.random.default_rng(_at_least(seed, 0, "seed")), count)

    def any_of(self, condition: str, count: int, seed: int) -> list[str]:
        """Returns a class for each of the first images of a seed, at random, all equally often.

        That of an image is the same in any count. Nobody is no choice: a generator that has always been
        told a class in training draws nothing without one.

        Args:
            condition: Such as "identity".
            count: How many images, at least 1.
            seed: At least 0.

        Raises:
            ValueError: The generator is told no such condition, or the count or the seed is too low.
        """
        random = self._random_class(condition, seed)
        names = self.classes[condition]
        return [names[number] for number in random(_at_least(count, 1, "count"))]

    def people(self, count: int, seed: int, identity: str | None = None) -> list[str]:
        """Returns whom each of the first images of a seed is drawn after; [] where nobody can be told.

        Args:
            count: How many images, at least 1.
            seed: At least 0.
            identity: The one that all are drawn after; None for those of `any_of`.

        Raises:
            ValueError: The generator knows no such person, or the count or the seed is too low.
        """
        if identity is not None:
            self.description.check_class(spec.IDENTITY, identity)
            return [identity] * count
        return self.any_of(spec.IDENTITY, count, seed) if spec.IDENTITY in self.classes else []

    def draw(self, expression: Chosen, count: int, seed: int, identity: Chosen = None) -> np.ndarray:
        """Returns faces; image i of a seed is the same in any count, and of the same noise in any class.

        Args:
            expression: What they show: the name of a class, or `count` names, one an image; None for
                those of `any_of`.
            count: How many, at least 1.
            seed: At least 0; another seed gives other faces.
            identity: Whom they are drawn after, likewise, where the generator is told people.

        Returns:
            uint8 `[count, image_size, image_size, channels]`.

        Raises:
            ValueError: The generator knows no such class, or the count or the seed is too low.
        """
        return np.concatenate(list(self.iterate(expression, count, seed, identity)))

    def iterate(
        self, expression: Chosen, count: int, seed: int, identity: Chosen = None
    ) -> Iterator[np.ndarray]:
        """Returns an iterator over what `draw` returns, in batches: however many, the memory is the same.

        Args:
            expression: As for `draw`, like all others, and so are the errors.
            count: Likewise.
            seed: Likewise.
            identity: Likewise.
        """
        _at_least(count, 1, "count")
        random = np.random.default_rng(_at_least(seed, 0, "seed"))
        wanted = {spec.EXPRESSION: expression, spec.IDENTITY: identity}
        numbers = {
            condition: self._numbers(condition, names, count)
            for condition, names in wanted.items()
            if names is not None
        }
        others = {name: self._random_class(name, seed) for name in self.classes if name not in numbers}

        def batches() -> Iterator[np.ndarray]:
            for start in range(0, count, _BATCH_SIZE):
                size = min(_BATCH_SIZE, count - start)
                parts = {name: random_class(size) for name, random_class in others.items()}
                for condition, chosen in numbers.items():
                    part = chosen if len(chosen) == 1 else chosen[start : start + size]
                    parts[condition] = np.broadcast_to(part, size)
                weights = {name: self._weights(name, part) for name, part in parts.items()}
                yield self._network({"noise": self._noise(random, size), **weights})

        return batches()

    def interpolate(
        self, names: Sequence[str], steps: int, seed: int, rows: int, identity: str | None = None
    ) -> np.ndarray:
        """Returns faces from one expression to the next, with the same noise all along a row.

        Between two expressions their weights change in a line, as no face in training had them.

        Args:
            names: The expressions, at least 2.
            steps: From each expression to the next, at least 1.
            seed: At least 0; row i has the noise of image i of this seed.
            rows: How many, at least 1.
            identity: Whom they are drawn after, where the generator is told people; None for those of
                `any_of`, one a row.

        Returns:
            uint8 `[rows, steps * (len(names) - 1) + 1, image_size, image_size, channels]`.

        Raises:
            ValueError: The generator knows no such class, or a number is too low.
        """
        if isinstance(names, str) or len(names) < 2:
            raise ValueError(f"expected at least 2 expressions to go between; got {names!r}")
        _at_least(rows, 1, "rows")
        places = np.linspace(0, len(names) - 1, _at_least(steps, 1, "steps") * (len(names) - 1) + 1)
        corners = np.zeros((len(names), len(self.classes.get(spec.EXPRESSION, ()))), np.float32)
        for corner, name in zip(corners, names, strict=True):
            corner[self.description.check_class(spec.EXPRESSION, name)] = 1
        before = np.minimum(places.astype(int), len(names) - 2)
        share = (places - before)[:, np.newaxis].astype(np.float32)
        mixed = (1 - share) * corners[before] + share * corners[before + 1]
        people = self.people(rows, seed, identity)
        drawn = []
        for row, noise in enumerate(self.noise(rows, seed)):
            weights = {spec.EXPRESSION: mixed}
            if people:
                whom = self._numbers(spec.IDENTITY, people[row], 1)
                weights[spec.IDENTITY] = self._weights(spec.IDENTITY, whom.repeat(len(places)))
            drawn.append(self._network({"noise": np.tile(noise, (len(places), 1)), **weights}))
        return np.stack(drawn)

    def _noise(self, random: np.random.Generator, count: int) -> np.ndarray:
        return random.standard_normal((_at_least(count, 1, "count"), self.noise_size), np.float32)

    def _random_class(self, condition: str, seed: int) -> Callable[[int], np.ndarray]:
        """From a count to the numbers of the classes of as many further images."""
        self.description.check_condition(condition)
        place = list(self.classes).index(condition)
        random = np.random.default_rng([_at_least(seed, 0, "seed"), 1 + place])
        return lambda count: random.integers(len(self.classes[condition]), size=count)

    def _weights(self, condition: str, numbers: np.ndarray) -> np.ndarray:
        """1 for the class of each image, else 0."""
        weights = np.zeros((len(numbers), len(self.classes[condition])), np.float32)
        weights[np.arange(len(numbers)), numbers] = 1
        return weights

    def _numbers(self, condition: str, names: str | Sequence[str], count: int) -> np.ndarray:
        """The number of the one class, or of that of each image."""
        names = [names] if isinstance(names, str) else names
        if len(names) not in (1, count):
            raise ValueError(
                f"{condition}: expected one name, or {count:,}, one an image; got {len(names):,}"
            )
        return np.array([self.description.check_class(condition, name) for name in names])


def load(path: Path | str) -> Generator:
    """Returns a generator, ready to draw.

    Args:
        path: The folder of a version, or of a generator's versions, of which the newest is taken, and
            TensorFlow runs its SavedModel; or the `.tflite` file in a version's folder, for LiteRT.

    Raises:
        FileNotFoundError: There is nothing at this path.
        ValueError: What is there is no generator, or is damaged, or its files are not those that its
            `generator.json` describes.
    """
    description = read(path)
    # Before native code sees them; and which generator drew an image must be beyond doubt.
    if not digests.check(description.place, description.files, FILE, ADVICE):
        raise DamagedError(f"{description.place} is not among the files that {FILE} lists: {ADVICE}")
    network = open_network(description.place)
    _check_sizes(description, network)
    return Generator(description, network)


def _check_sizes(description: Description, network: Network) -> None:
    said = {name: len(names) for name, names in description.classes.items()}
    sizes = ("image_size", "channels", "noise_size")
    expected = {name: getattr(description, name) for name in sizes} | {"classes": said}
    found = {name: getattr(network, name) for name in sizes} | {"classes": network.num_classes}
    wrong = [
        f"{name} {expected[name]}, what is there has {found[name]}"
        for name in expected
        if expected[name] != found[name]
    ]
    if wrong:
        raise ValueError(
            f"{description.place} is another generator than its generator.json describes: that says "
            f"{'; and '.join(wrong)}. Copy the generator's whole folder again"
        )


def _at_least(number: int, least: int, name: str) -> int:
    if number < least:
        raise ValueError(f"{name} must be at least {least}; got {number}")
    return number
