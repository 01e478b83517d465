"""How exported models are measured."""

from dataclasses import dataclass

_MOST_BATCHES = 4  # More columns do not fit on a console.


@dataclass(frozen=True)
class BenchmarkSettings:
    """How exported models are measured.

    Attributes:
        threads: Numbers of threads that each model is measured with.
        rounds: How often the models take turns, each time in a fresh process.
        seconds: How long single images are timed in a round, and then batches of each size.
        batch: Numbers of images in a batch.
        image_size: Height and width in pixels of the images for models that take any.
        seed: Of the images' random pixels.
    """

    threads: tuple[int, ...] = (1, 2)
    rounds: int = 3
    seconds: float = 1.0
    batch: tuple[int, ...] = (8, 32)
    image_size: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("threads", "batch"):
            values = getattr(self, name)
            if not values or min(values) < 1 or len(set(values)) < len(values):
                raise ValueError(f"{name} must be different numbers of at least 1; got {_text(values)}")
        if len(self.batch) > _MOST_BATCHES:
            raise ValueError(f"batch must be at most {_MOST_BATCHES} numbers; got {_text(self.batch)}")
        if self.rounds < 1:
            raise ValueError(f"rounds must be at least 1; got {self.rounds}")
        if not 0 < self.seconds < float("inf"):
            raise ValueError(f"seconds must be a number above 0; got {self.seconds}")
        if self.image_size is not None and self.image_size < 1:
            raise ValueError(f"image_size must be at least 1; got {self.image_size}")


def _text(values: tuple[int, ...]) -> str:
    return ",".join(map(str, values)) or "none"
