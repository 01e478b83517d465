"""How exported models are measured."""

from dataclasses import dataclass
from typing import Annotated

from kfer.settings.checks import checked

_MOST_BATCHES = 4  # More columns do not fit on a console.


@dataclass(frozen=True)
@checked
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

    threads: tuple[Annotated[int, "at least 1"], ...] = (1, 2)
    rounds: Annotated[int, "at least 1"] = 3
    seconds: Annotated[float, "above 0"] = 1.0
    batch: tuple[Annotated[int, "at least 1"], ...] = (8, 32)
    image_size: Annotated[int, "at least 1"] | None = None
    seed: Annotated[int, "at least 0"] = 0

    def __post_init__(self) -> None:
        for name in ("threads", "batch"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{name} must be different numbers, at least one; got {_text(values)}")
        if len(self.batch) > _MOST_BATCHES:
            raise ValueError(f"batch must be at most {_MOST_BATCHES} numbers; got {_text(self.batch)}")


def _text(values: tuple[int, ...]) -> str:
    return ",".join(map(str, values)) or "none"
