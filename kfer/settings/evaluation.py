"""How the network is judged."""

from dataclasses import dataclass
from typing import Annotated

from kfer.settings.checks import check, checked


@dataclass(frozen=True)
@checked
class EvaluationSettings:
    """How the network is judged, and what it must reach to be pushed.

    Attributes:
        max_pairs: Most pairs made from held-out people where a source brings none.
        false_accept_rates: Rates at which the true accept rate is reported.
        threshold_false_accept_rate: Rate at which the threshold for use is chosen, on validation
            pairs.
        folds: Folds of the verification accuracy where pairs bring none.
        min_expression_accuracy: Lower bound for the blessing.
        min_verification_accuracy: Lower bound for the blessing.
        max_drop: Most that either figure may fall below the latest blessed model's.
        slices: Attributes of the examples ("pose", "eyes"; features with classes) for each value of
            which figures are given, beside those for each source and for each class of each task.
        min_slice_examples: Slices with fewer examples, or pairs, are marked as small and never called
            the worst.
        resamples: How often the examples are drawn for 95 % intervals.
        calibrate: Whether temperatures are fitted on the validation split, to make the confidence of
            classes and labels fit their accuracy.
        seed: Seeds the choice of pairs, and the intervals' draws.
    """

    max_pairs: Annotated[int, "at least 1"] = 6000
    false_accept_rates: tuple[Annotated[float, "in (0, 1)"], ...] = (0.1, 0.01, 0.001)
    threshold_false_accept_rate: Annotated[float, "in (0, 1]"] = 0.01
    folds: Annotated[int, "in [2, 1000]"] = 10
    min_expression_accuracy: Annotated[float, "in [0, 1]"] = 0.0
    min_verification_accuracy: Annotated[float, "in [0, 1]"] = 0.0
    max_drop: Annotated[float, "in [0, 1]"] = 0.02
    slices: tuple[str, ...] = ()
    min_slice_examples: Annotated[int, "at least 1"] = 30
    resamples: Annotated[int, "at least 1"] = 1000
    calibrate: bool = True
    seed: Annotated[int, "at least 0"] = 0

    def __post_init__(self) -> None:
        check(len(set(self.slices)) == len(self.slices), "slices", "different names", self.slices)
