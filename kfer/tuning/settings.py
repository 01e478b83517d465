"""What a study of hyperparameters can be told."""

from dataclasses import dataclass
from typing import Annotated

from kfer.settings import PipelineSettings
from kfer.settings.checks import check, check_folder_name, checked


@dataclass(frozen=True)
@checked
class TuningStudySettings:
    """A study: a search of a pipeline's settings.

    Attributes:
        name: Names the folder of trials and the file of the best values.
        base: The pipeline: its `tuning` says what is searched, by what trials are compared, and how many
            there are. Its folders are the study's own.
        seeds: On request the best values and those that are set are trained whole with each, in place of
            the base's `training.seed`, and judged on the test split.
        worker_timeout_s: A worker that the chief hears nothing of for so many seconds has died: its trial
            goes to another one.
        chief_timeout_s: So many seconds a worker waits for the chief, which prepares the examples first.
    """

    name: str
    base: PipelineSettings
    seeds: tuple[Annotated[int, "at least 0"], ...] = (0, 1, 2)
    worker_timeout_s: Annotated[float, "above 0"] = 60.0
    chief_timeout_s: Annotated[float, "above 0"] = 900.0

    def __post_init__(self) -> None:
        check_folder_name(self.name)
        check(
            self.base.tuning.trials > 0,
            "base.tuning.trials",
            "at least 1: a study is a search",
            self.base.tuning.trials,
        )
        check(
            self.base.training.strategy != "multi_worker",
            "base.training.strategy",
            '"none" or "mirrored": trials run beside each other, on one machine each',
            self.base.training.strategy,
        )
        check(
            len(set(self.seeds)) == len(self.seeds) > 0,
            "seeds",
            "different numbers, at least one",
            self.seeds,
        )
