"""What is searched."""

from dataclasses import dataclass

from kfer.settings.checks import check, check_numbers


@dataclass(frozen=True)
class TuningSettings:
    """The search of loss weights and learning rate.

    A trial is one stage: where the training has several, it trains what the last of them does, at its
    rate.

    Attributes:
        trials: Trials to run; 0 leaves the training settings as they are.
        epochs: Epochs of each trial.
        example_share: Share of the training split that a trial sees an epoch, in (0, 1].
        loss_weight_factors: Lowest and highest multiple of each set loss weight, log scale.
        learning_rate_factors: Lowest and highest multiple of the set learning rate, log scale.
        seed: Seeds the search.
    """

    trials: int = 2
    epochs: int = 1
    example_share: float = 0.4
    loss_weight_factors: tuple[float, float] = (0.5, 2.0)
    learning_rate_factors: tuple[float, float] = (0.5, 2.0)
    seed: int = 0

    def __post_init__(self) -> None:
        check_numbers(self, "at least 0", "trials", "seed")
        check_numbers(self, "at least 1", "epochs")
        check_numbers(self, "in (0, 1]", "example_share")
        for name in ("loss_weight_factors", "learning_rate_factors"):
            low, high = getattr(self, name)
            check(0 < low <= high, name, "lowest, highest, both above 0", (low, high))
