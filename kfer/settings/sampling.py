"""Which examples a training batch is drawn from."""

from dataclasses import dataclass
from typing import Annotated

from kfer.settings.checks import check, checked


@dataclass(frozen=True)
@checked
class SamplingSettings:
    """How often a training sees which examples. As it stands: each as often as any other.

    Attributes:
        balance: Features whose classes are seen more evenly: ("expression",), ("identity",) for people,
            or any others that have classes. Of several, each evens out the examples that it labels, and
            examples that several label are evened out by the combinations of their classes. Each
            example still comes up.
        balance_power: In [0, 1]; a class of n examples has a share of n ** (1 - balance_power): 0 leaves
            classes as frequent as they are, 0.5 is "square-root sampling", with 1 all are seen alike.
        people_per_batch: So many people's images, all in one batch, come with each batch: what losses
            that compare embeddings need. 0 leaves people to chance.
        images_per_person: How many images of each of them. Who has only one is not chosen; where there
            are too few, some come several times, each time augmented in another way.
        least_images_per_person: Who has fewer training images is not learned: their identity is missing.
            Above 1, images without any label are left out.
    """

    balance: tuple[str, ...] = ()
    balance_power: Annotated[float, "in [0, 1]"] = 1.0
    people_per_batch: Annotated[int, "0, or at least 2"] = 0
    images_per_person: Annotated[int, "at least 2"] = 4
    least_images_per_person: Annotated[int, "at least 1"] = 1

    def __post_init__(self) -> None:
        check(
            isinstance(self.balance, tuple) and len(set(self.balance)) == len(self.balance),
            "balance",
            'a tuple of different features, such as ("expression",)',
            self.balance,
        )
