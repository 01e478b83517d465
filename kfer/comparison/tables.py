"""The figures as CSV files and as text for the console."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kfer.comparison.results import FinishedRun, Results, Run, Score
from kfer.files import write_csv

_COSTS = (
    "parameters",
    "trainable_parameters",
    "multiply_adds",
    "training_step_ms",
    "batch_size",
    "training_memory_mb",
    "saved_model_ms",
    "saved_model_cores",
    "saved_model_mb",
    "int8_ms",
    "int8_cores",
    "int8_mb",
    "int8_images",
    "keras_accuracy",
    "int8_accuracy",
)


def write(results: Results, output_dir: Path) -> list[Path]:
    """Writes the CSV files and returns their paths.

    "comparison.csv" has a row a candidate and seed: shares lie in [0, 1], `_low` and `_high` are the
    ends of 95 % intervals over images, and costs are those of the candidate, whatever the seed;
    `keras_accuracy` and `int8_accuracy` are on `int8_images` test images. "epochs.csv" has a row an
    epoch, "confusion.csv" one a cell of a confusion matrix, "mcnemar.csv" one a pair of candidates and
    seed, and "duplicates.csv" one a pair of a test image and an equal image of another split.

    Args:
        results: What to write.
        output_dir: Where to.
    """
    expressions = results.settings.expressions
    tables = {
        "comparison": [comparison_row(results, run) for run in results.runs],
        "epochs": [
            {"candidate": run.candidate, "seed": run.seed, **figures, "epoch": int(figures["epoch"])}
            for run in results.runs
            for figures in run.history
        ],
        "confusion": [
            {
                "candidate": run.candidate,
                "seed": run.seed,
                "label": label,
                "prediction": prediction,
                "images": int(run.confusion[row, column]),
            }
            for run in results.finished
            for row, label in enumerate(expressions)
            for column, prediction in enumerate(expressions)
        ],
        "mcnemar": [
            {
                "first": test.first,
                "second": test.second,
                "seed": test.seed,
                "only_first_right": test.outcome.only_first,
                "only_second_right": test.outcome.only_second,
                "method": "exact binomial" if test.outcome.exact else "chi-squared, corrected",
                "p_value": test.outcome.p_value,
                "p_value_holm": test.adjusted,
            }
            for test in results.tests
        ],
        "duplicates": [
            {
                "test_image": match["filename"],
                "label": _name(expressions, match["label"]),
                "split": match["split"],
                "other_image": match["other_filename"],
                "other_label": _name(expressions, match["other_label"]),
            }
            for match in results.duplicates["matches"]
        ],
    }
    written = []
    for name, rows in tables.items():
        written.append(output_dir / f"{name}.csv")
        write_csv(written[-1], rows)
    return written


def comparison_row(results: Results, run: Run) -> dict[str, Any]:
    """A candidate's row of "comparison.csv"; an empty text where there is no figure."""
    settings, cost = results.settings, results.costs.get(run.candidate, {})
    row: dict[str, Any] = {
        "candidate": run.candidate,
        "seed": run.seed,
        "state": run.state,
        "reason": run.reason,
        "backbone": settings.candidates[run.candidate].backbone,
        "image_size": settings.data.image_size,
        "epochs": len(run.history),
        **dict.fromkeys(("best_epoch", "validation_accuracy"), ""),
        **dict.fromkeys((f"{split}_images" for split in ("train", "validation", "test")), ""),
        **_scores("test", None),
        **_scores("without_duplicates", None),
        **{name: cost.get(name, "") for name in _COSTS},
    }
    if isinstance(run, FinishedRun):
        best = run.result["best_epoch"]
        row |= {
            "best_epoch": best,
            "validation_accuracy": run.history[best - 1]["val_expression_accuracy"],
            **{f"{split}_images": count for split, count in run.result["num_examples"].items()},
            **_scores("test", run.score),
            **_scores("without_duplicates", run.score_without_duplicates),
        }
    return row


def console(results: Results) -> list[Sequence[str]]:
    """The table that ends a run, its titles first: a row a candidate and seed."""
    rows: list[Sequence[str]] = [
        ("candidate", "seed", "accuracy (95 %)", "macro F1", "without duplicates", "parameters", "int8")
    ]
    for run in results.runs:
        if not isinstance(run, FinishedRun):
            rows.append((run.candidate, str(run.seed), run.state, "", "", "", run.reason))
            continue
        accuracy, cost = run.score.accuracy, results.costs.get(run.candidate, {})
        unseen = run.score_without_duplicates
        rows.append(
            (
                run.candidate,
                str(run.seed),
                f"{accuracy.value:.1%} ({accuracy.low:.1%} to {accuracy.high:.1%})",
                f"{run.score.macro_f1.value:.1%}",
                f"{unseen.accuracy.value:.1%}" if unseen else "",
                f"{run.result['num_parameters']:,}",
                f"{cost['int8_ms']:.2f} ms, {cost['int8_mb']:.1f} MB" if cost else "not measured",
            )
        )
    return rows


def _scores(name: str, score: Score | None) -> dict[str, Any]:
    row: dict[str, Any] = {f"{name}_images": score.images if score else ""} if name != "test" else {}
    for figure in ("accuracy", "macro_f1"):
        interval = getattr(score, figure) if score else None
        row[f"{name}_{figure}"] = interval.value if interval else ""
        row[f"{name}_{figure}_low"] = interval.low if interval else ""
        row[f"{name}_{figure}_high"] = interval.high if interval else ""
    return row


def _name(expressions: Sequence[str], label: int) -> str:
    return expressions[label] if label >= 0 else ""
