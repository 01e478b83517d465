import dataclasses
import json
from pathlib import Path

import pytest

from kfer.comparison import runs
from kfer.pipeline import runner
from kfer.pipeline.artifacts import Model, ModelBlessing, ModelEvaluation
from kfer.pipeline.component import Input, LatestBlessed, Node, Output, component
from kfer.pipeline.dag import build
from kfer.pipeline.metadata import MetadataStore
from kfer.study import variant


def nodes_of(settings, name: str, root: Path) -> dict[str, Node]:
    return {node.name: node for node in variant.graph(settings, settings.variant(name, 3), root)}


def test_variants_share_what_comes_before_training(tmp_path: Path, settings):
    own = nodes_of(settings, "expression_only", tmp_path)
    base = {node.name: node for node in build(settings.base, tmp_path)}
    assert list(own) == list(base)
    for name in ("ExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "Transform"):
        assert own[name].arguments == base[name].arguments
    assert own["Trainer"].arguments["tasks"]["identity"].weight == 0
    assert own["Trainer"].arguments["training"].seed == 3
    assert own["Evaluator"].arguments["tasks"] == own["Trainer"].arguments["tasks"]


@component()
def trainer(model: Output[Model], number: int) -> str:
    return f"model {number}"


@component()
def evaluator(
    model: Input[Model],
    baseline: Input[ModelEvaluation] | None,
    evaluation: Output[ModelEvaluation],
    blessing: Output[ModelBlessing],
) -> str:
    (blessing.path / "BLESSED").touch()
    return "compared" if baseline else "compared with nothing"


def test_no_variant_is_compared_with_one_that_was_judged_before(tmp_path: Path, settings):
    baseline = nodes_of(settings, "fixed", tmp_path)["Evaluator"].arguments["baseline"]
    assert isinstance(baseline, LatestBlessed)
    store = MetadataStore(tmp_path)
    for number in (1, 2, 1):
        trained = trainer(number=number)
        nodes = [trained, evaluator(model=trained["model"], baseline=baseline)]
        done = runner.run(nodes, store, name="toy", settings="{}")
    store.close()
    # The third run is the first one again, though another model was blessed meanwhile.
    assert done.all_cached


def test_a_result_is_found_where_its_root_is_now(tmp_path: Path, settings, write_study):
    write_study(tmp_path / "before")
    (tmp_path / "before").rename(tmp_path / "now")
    result = variant.result(settings, "fixed", 0, tmp_path / "now")
    assert (result["artifacts"]["evaluation"] / "evaluation.json").is_file()
    assert result["memory_gb"] == 1.25
    assert variant.result(settings, "fixed", 1, tmp_path / "now") == {}


def test_a_result_of_other_settings_is_refused_by_name(tmp_path: Path, settings, write_study):
    write_study(tmp_path)
    variants = {**settings.variants, "fixed": {"training.learning_rate": "0.5"}}
    changed = dataclasses.replace(settings, variants=variants)
    with pytest.raises(ValueError, match=r"of other settings: training\.learning_rate was 0\.005 and is"):
        variant.result(changed, "fixed", 0, tmp_path)


def test_a_setting_that_came_later_must_have_its_default(tmp_path: Path, settings, write_study):
    write_study(tmp_path)
    path = runs.folder(tmp_path, "fixed", 0) / runs.RESULT
    older = json.loads(path.read_text())
    del older["settings"]["tasks"]["identity"]["stop_gradient"], older["settings"]["training"]["schedule"]
    path.write_text(json.dumps(older))
    assert variant.result(settings, "fixed", 0, tmp_path)["memory_gb"] == 1.25
