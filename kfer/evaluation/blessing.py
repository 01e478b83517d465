"""Whether a model may be pushed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kfer.settings import EvaluationSettings


@dataclass(frozen=True)
class Blessing:
    """Whether a model may be pushed.

    Attributes:
        blessed: All checks passed.
        reasons: One sentence a failed check.
        checks: One dict a check: `metric`, `check` ("lower bound" or "latest blessed"), `value` (None
            where it was not measured), `limit` and `passed`.
    """

    blessed: bool
    reasons: list[str]
    checks: list[dict[str, Any]]


def bless(
    metrics: Mapping[str, float | None],
    settings: EvaluationSettings,
    baseline: Mapping[str, float | None] | None,
) -> Blessing:
    """Returns whether a model reaches its lower bounds and is not worse than the latest blessed one.

    Args:
        metrics: `expression_accuracy` and `verification_accuracy`. Leave out that of a task that is
            off; one that is None or nan was to be measured but could not be, and is never blessed.
        settings: The lower bounds, and how far a figure may fall below the baseline's.
        baseline: The same figures of the latest blessed model, or None where there is none.
    """
    checks: list[dict[str, Any]] = []
    reasons = []
    for name, bound in (
        ("expression_accuracy", settings.min_expression_accuracy),
        ("verification_accuracy", settings.min_verification_accuracy),
    ):
        if name not in metrics and bound <= 0.0:
            continue
        value = _measured(metrics, name)
        limits = [("lower bound", bound)]
        previous = _measured(baseline or {}, name)
        if previous is not None and name in metrics:
            limits.append(("latest blessed", previous - settings.max_drop))
        for check, limit in limits:
            passed = value is not None and value >= limit
            checks.append(
                {"metric": name, "check": check, "value": value, "limit": limit, "passed": passed}
            )
            if value is None:
                reasons.append(f"{name} was not measured; expected at least {limit:.4f} ({check})")
            elif not passed:
                reasons.append(f"{name} is {value:.4f}; expected at least {limit:.4f} ({check})")
    return Blessing(not reasons, reasons, checks)


def _measured(figures: Mapping[str, float | None], name: str) -> float | None:
    value = figures.get(name)
    return None if value is None or math.isnan(value) else value
