"""What a study found: the numbers behind its page and its files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kfer import search
from kfer.search import Outcome
from kfer.settings.space import Space, space
from kfer.study import results as studies
from kfer.study.results import Results as Retrained
from kfer.tuning import study
from kfer.tuning.settings import TuningStudySettings


@dataclass(frozen=True)
class Results:
    """A study's figures.

    Attributes:
        settings: What was studied.
        space: What was searched.
        rule: By what trials are compared, in words.
        metrics: The metrics of the validation that the objective names, as trials' `figures` have them.
        trials: Those that have ended, failed ones too, in the order of their numbers.
        histories: Of trials by their numbers, the figures of each epoch; of failed ones there are none.
        best: The trial with the best score; None where none has one.
        retrained: The values that are set ("as_set") and the best ones ("best"), each trained with all
            seeds and judged on the test split; None where that was not asked for.
    """

    settings: TuningStudySettings
    space: Space
    rule: str
    metrics: tuple[str, ...]
    trials: tuple[Outcome, ...]
    histories: Mapping[str, list[dict[str, float]]]
    best: Outcome | None
    retrained: Retrained | None

    @property
    def scored(self) -> list[Outcome]:
        """The trials that have a score."""
        return [trial for trial in self.trials if trial.score is not None]

    @property
    def failed(self) -> list[Outcome]:
        """The trials that failed."""
        return [trial for trial in self.trials if trial.score is None]


def collect(settings: TuningStudySettings, output_dir: Path) -> Results:
    """Returns the figures of what is finished, also beside a search.

    Args:
        settings: The study.
        output_dir: Its folder.

    Raises:
        ValueError: The trials are of other settings; or trainings that are compared were judged on
            different images or pairs.
    """
    folder = study.search_dir(output_dir)
    search.check_settings(settings.base, folder)
    trials = tuple(search.outcomes(folder))
    rule, metrics = search.judged_by(folder)
    scored = [trial for trial in trials if trial.score is not None]
    best = max(scored, key=lambda trial: trial.score or 0.0, default=None)
    return Results(
        settings,
        space(settings.base),
        rule,
        metrics,
        trials,
        search.histories(folder),
        best,
        _retrained(settings, best, output_dir),
    )


def _retrained(
    settings: TuningStudySettings, best: search.Outcome | None, output_dir: Path
) -> Retrained | None:
    if best is None:
        return None
    found = studies.collect(study.retraining(settings, best.judged_values(settings.base)), output_dir)
    return found if found.rows else None
