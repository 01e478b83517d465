import dataclasses
from pathlib import Path

import pytest

from kfer import metrics
from kfer.comparison import runs
from kfer.study import results, words


@pytest.fixture
def found(tmp_path: Path, settings, write_study) -> results.Results:
    write_study(tmp_path)
    return results.collect(settings, tmp_path)


def test_what_was_compared_is_said(found):
    said = words.compared(found)
    assert "4 variants of one network on synthetic: compact, 32 x 32 px in grey, 2 epochs" in said
    assert "1 seed each" in said and "All variants of a seed see the same batches" in said
    assert "Trained on 1,000 images" in said and "240 images of the test split and 400 verif" in said


def test_the_epoch_that_was_judged_is_named(found):
    assert "judged once, after its last epoch, on" in words.compared(found)
    training = dataclasses.replace(found.settings.base.training, stop_metric="val_loss", keep_best=True)
    base = dataclasses.replace(found.settings.base, training=training)
    best = dataclasses.replace(found, settings=dataclasses.replace(found.settings, base=base))
    assert "judged once, as it was when val_loss was best, on" in words.compared(best)


def test_other_batches_are_not_called_the_same(found):
    changes = {**found.settings.variants, "large": {"training.batch_size": "32"}}
    other = dataclasses.replace(found.settings, variants=changes)
    assert "same batches" not in words.compared(dataclasses.replace(found, settings=other))


def test_the_outcome_names_what_is_more_than_chance(found):
    expression, identity = words.outcome(found)
    single = found.rows[0].figures["expression_accuracy"].value
    assert expression.startswith(f"Expression accuracy of the task alone: expression_only {single:.1%} (")
    assert (
        "Of 2 other variants that learn it with another task, 1 is better and 0 are worse" in expression
    )
    highest = found.rows[2].differences["expression_accuracy"].over_examples
    assert f"The highest, fixed, differs by {words.points(highest)}." in expression
    assert "0 are better and 1 is worse by more than chance explains" in identity
    assert "The highest, uncertainty, differs by" in identity


def test_without_the_task_alone_variants_are_ranked(tmp_path: Path, settings, write_study):
    write_study(tmp_path)
    (runs.folder(tmp_path, "expression_only", 0) / runs.RESULT).unlink()
    found = results.collect(settings, tmp_path)
    expression, _ = words.outcome(found)
    accuracies = {row.variant: row.figures.get("expression_accuracy") for row in found.rows}
    fixed, uncertainty = accuracies["fixed"].value, accuracies["uncertainty"].value
    assert fixed > uncertainty
    assert expression.startswith(f"Expression accuracy: fixed {fixed:.1%} (")
    assert f" and uncertainty {uncertainty:.1%} (" in expression


def test_a_baseline_is_named_for_what_it_is(tmp_path: Path, settings, write_study):
    write_study(tmp_path)
    chosen = dataclasses.replace(settings, baseline="fixed")
    expression, identity = words.outcome(results.collect(chosen, tmp_path))
    assert expression.startswith("Expression accuracy of the baseline: fixed ")
    assert "Of 2 other variants, 0 are better and 2 are worse by more than chance" in expression
    assert "task" not in expression and "task" not in identity
    for name in ("expression_only", "identity_only"):
        (runs.folder(tmp_path, name, 0) / runs.RESULT).unlink()
    found = results.collect(chosen, tmp_path)
    expression, _ = words.outcome(found)
    difference = found.rows[1].differences["expression_accuracy"].over_examples
    assert expression.endswith(
        f". uncertainty differs by {words.points(difference)}, which is more than chance explains."
    )
    (runs.folder(tmp_path, "uncertainty", 0) / runs.RESULT).unlink()
    expression, _ = words.outcome(results.collect(chosen, tmp_path))
    assert expression.endswith("). None of the other variants has finished.")


def test_sources_of_other_weights_and_no_pairs_are_told(two_sources, tmp_path: Path):
    found = results.collect(two_sources, tmp_path)
    assert "2 variants of one network on synthetic: compact" in words.compared(found)
    said = " ".join(words.caveats(found))
    assert "Variants give sources other shares of a batch" in said
    assert "Learning rate and epochs were chosen once" in said and "pairs" not in said
    assert words.drawn(two_sources) == "images"


def test_nothing_finished_is_said(tmp_path: Path, settings):
    found = results.collect(settings, tmp_path)
    assert words.outcome(found) == ["No run has finished yet."]
    assert "Times and memory" not in " ".join(words.caveats(found))


def test_few_impostors_and_known_people_are_caveats(found):
    said = " ".join(words.caveats(found))
    # One percent of 200.
    assert "TAR at FAR 1% hangs on the 2 most similar of 200 impostor pairs" in said
    assert "The test split has 7 people." in said
    assert "known people" not in said and "One seed each" in said
    # Of two variants: four figures each, and the recalls of three expressions.
    assert "There are 14 differences" in said
    many = dataclasses.replace(
        found.examples,
        num_impostors=1000,
        num_test_people=30,
        num_pairs=0,
        test_people_are_trained_on=True,
    )
    said = " ".join(words.caveats(dataclasses.replace(found, examples=many)))
    assert "most similar of" not in said and "The test split has" not in said
    assert "known people" in said


def test_points_have_a_sign_and_an_interval():
    assert words.points(metrics.Interval(0.0123, -0.002, 0.0266)) == "+1.23 points (-0.20 to +2.66)"
    assert words.points(metrics.Interval(-1e-9, -0.01, 0.01)) == "+0.00 points (-1.00 to +1.00)"
