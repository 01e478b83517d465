"""The comparison as one self-contained HTML file."""

from pathlib import Path
from typing import Any

from kfer.comparison import plots, provenance, statistics, words
from kfer.comparison.drawing import on_page
from kfer.comparison.results import FinishedRun, Results
from kfer.pipeline.report import templates
from kfer.settings import dotted

_PACKAGES = ("tensorflow", "keras", "numpy", "ai-edge-litert", "scipy", "matplotlib")


def render(results: Results, command: str) -> str:
    """Returns the page.

    Args:
        results: What it shows.
        command: What the user typed, for readers who want to do the same.
    """
    environment = templates.environment(Path(__file__).parent)
    environment.filters["p_value"] = words.p_value
    settings = results.settings
    return environment.get_template("comparison.html").render(
        **provenance.facts(settings.name, command, _PACKAGES),
        words={
            "compared": words.compared(results),
            "outcome": words.outcome(results),
            "caveats": words.caveats(results),
            "costs": words.costs(results),
            "duplicates": words.duplicates(results),
        },
        cards=_cards(results),
        finished=results.finished,
        missing=[run for run in results.runs if not isinstance(run, FinishedRun)],
        means=_means(results),
        epochs=settings.training.total_epochs(),
        resamples=settings.resamples,
        references=settings.references,
        accuracies=on_page("accuracy", plots.accuracies(results)) if results.finished else [],
        curves=on_page("curve", plots.curves(results)),
        confusions=on_page("confusion", plots.confusions(results)),
        tests=results.tests,
        few=statistics.FEW_DISCORDANT,
        num_pairs=max((len(_of_seed(results, seed)) for seed in settings.seeds), default=0),
        many_seeds=len(settings.seeds) > 1,
        costs=results.costs,
        duplicates=_duplicates(results),
        settings=_settings(results),
    )


def _cards(results: Results) -> list[dict[str, Any]]:
    return [
        {
            "candidate": name,
            "accuracy": accuracy,
            "over": f"over {len(results.of(name))} seeds"
            if name in results.over_seeds
            else "over images",
        }
        for name, accuracy in words.ranking(results)
    ]


def _means(results: Results) -> list[dict[str, Any]]:
    return [
        {
            "candidate": name,
            "seeds": len(results.of(name)),
            "accuracy": accuracy,
            "macro_f1": results.macro_f1_over_seeds[name],
        }
        for name, accuracy in results.over_seeds.items()
    ]


def _of_seed(results: Results, seed: int) -> list[Any]:
    return [test for test in results.tests if test.seed == seed]


def _duplicates(results: Results) -> list[dict[str, Any]]:
    """For each other split, how many test images it has, and how many of them labelled otherwise."""
    matches = results.duplicates["matches"]
    rows = []
    for split in dict.fromkeys(match["split"] for match in matches):
        own = [match for match in matches if match["split"] == split]
        other = {match["position"] for match in own if match["label"] != match["other_label"]}
        images = {match["position"] for match in own}
        rows.append({"split": split, "images": len(images), "other_label": len(other)})
    return rows


def _settings(results: Results) -> list[tuple[str, str, str]]:
    rows: list[tuple[str, Any, str]] = []
    for name, value, text in dotted.describe(results.settings):
        if name == "candidates":
            for candidate, model in results.settings.candidates.items():
                rows.extend(dotted.describe(model, f"candidates.{candidate}."))
        else:
            rows.append((name, value, text))
    return [(name, dotted.as_text(value), text) for name, value, text in rows]
