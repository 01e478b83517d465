import dataclasses

import pytest

from kfer.settings import EvaluationSettings, PipelineSettings, TaskSettings, TuningSettings, dotted

ACTION_UNITS = {"units": TaskSettings("multi_label", names=("1",))}
VOTES = {"expression": TaskSettings("soft_classes", names=("a", "b"), feature="votes")}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": ()}, r"different numbers, at least one; got \(\)"),
        ({"seeds": (1, 1)}, r"different numbers, at least one; got \(1, 1\)"),
        ({"resamples": 0}, "resamples must be at least 1; got 0"),
        ({"variants": {}}, "variants must name at least one; got none"),
        ({"variants": {"a/b": {}}}, "since they name folders; got 'a/b'"),
        (
            {"baseline": "fixd"},
            "one of the variants, expression_only, .*uncertainty, or empty; got 'fixd'",
        ),
        ({"name": "a b"}, "since they name folders; got 'a b'"),
        ({"base": {"tuning": TuningSettings(trials=2)}}, r"base\.tuning\.trials must be 0.*got 2"),
        ({"base": {"tasks": ACTION_UNITS}}, "must have expression or identity.*got units"),
        ({"base": {"tasks": VOTES}}, "labelled by the feature expression; got 'votes'"),
        (
            {"base": {"evaluation": EvaluationSettings(false_accept_rates=(0.1,))}},
            r"false_accept_rates must have 0\.01; got \(0\.1,\)",
        ),
        (
            {"variants": {"one": {"tasks.identity.weight": 0}}},
            r"variants\.one\.tasks\.identity\.weight must be a text; got 0",
        ),
        (
            {"variants": {"one": {"training.epoch": "3"}}},
            r"variants\.one: there is no setting 'training\.epoch'; did you mean training\.epochs",
        ),
        (
            {"variants": {"one": {"data.image_size": "64"}}},
            r"variants\.one: all variants must have the examples.*got data\.image_size",
        ),
        (
            {"variants": {"one": {"evaluation.seed": "3"}}},
            r"variants\.one: all variants must have the examples.*got evaluation\.seed",
        ),
        (
            {"variants": {"one": {"tasks.expression.names": "a,b"}}},
            r"variants\.one: all variants must have the examples.*got tasks\.expression\.names",
        ),
    ],
)
def test_what_makes_no_study_is_refused(make_study, changes, message):
    if "base" in changes:
        changes = {"base": dataclasses.replace(make_study().base, **changes["base"])}
    with pytest.raises(ValueError, match=message):
        make_study(**changes)


def test_a_variant_is_the_base_with_its_changes_and_seed(make_study):
    study = make_study(seeds=(3, 4))
    chosen = study.variant("expression_only", 4)
    assert chosen.tasks["identity"].weight == 0 and chosen.training.seed == 4
    assert study.variant("fixed", 0) == study.base


def test_a_variant_may_change_a_sources_share_of_the_batches(make_study):
    study = make_study(variants={"one": {"data.sources.0.weight": "2"}})
    assert study.variant("one", 0).data.sources[0].weight == 2


def test_a_variant_without_a_source_leaves_weights_to_the_others(make_study):
    # Without any, the examples of all sources would be mixed.
    with pytest.raises(
        ValueError, match=r"variants\.one: data\.sources\.0\.weight: weight must be above 0"
    ):
        make_study(variants={"one": {"data.sources.0.weight": "0"}})


def test_who_learns_a_task_alone_is_found(make_study):
    study = make_study()
    assert study.learned("fixed") == ("expression", "identity")
    assert study.reference("expression") == "expression_only"
    assert study.reference("identity") == "identity_only"
    assert make_study(variants={"fixed": {}}).reference("expression") is None


def test_a_baseline_is_what_others_are_compared_with_in_the_tasks_that_it_learns(make_study):
    study = make_study(baseline="fixed")
    assert study.reference("expression") == study.reference("identity") == "fixed"
    study = make_study(baseline="identity_only")
    assert study.reference("expression") is None and study.reference("identity") == "identity_only"


def test_settings_are_overridden_by_name(make_study):
    changed = dotted.override(make_study(), {"base.training.epochs": "7", "seeds": "1,2"})
    assert changed.seeds == (1, 2)
    assert changed.variant("uncertainty", 2).training.epochs == 7


def test_a_change_of_the_base_is_checked_against_the_variants(make_study):
    tasks = {"expression": TaskSettings(names=("a", "b"))}
    wrong = PipelineSettings(tuning=TuningSettings(trials=0), tasks=tasks)
    with pytest.raises(ValueError, match=r"variants\.expression_only: tasks\.identity"):
        dataclasses.replace(make_study(), base=wrong)
