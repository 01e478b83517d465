"""One variant with one seed: a run of the pipeline, in a root that all variants share."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kfer import files
from kfer.comparison import runs
from kfer.pipeline.component import LatestBlessed, Node
from kfer.pipeline.dag import build
from kfer.pipeline.metadata import COMPLETE, MetadataStore, canonical_json, plain
from kfer.pipeline.runner import RunResult, exclusive, select
from kfer.pipeline.runner import run as run_components
from kfer.pipeline.summary import peak_memory_gb
from kfer.settings import PipelineSettings
from kfer.study.settings import StudySettings

_MEMORY = "memory.json"
#: The settings that a result hangs on, but for the code and the data.
GROUPS = ("tasks", "data", "augmentation", "model", "training", "evaluation")
#: No component of this name ever runs, so nothing is ever found.
_NO_MODEL = LatestBlessed("(none)", "evaluation", "blessing", "model")


def prepare(settings: StudySettings, output_dir: Path) -> str:
    """Makes the examples that all variants share, where they are not there yet.

    Args:
        settings: The study.
        output_dir: Its folder.

    Returns:
        The folder of the transformed examples in the pipeline root.

    Raises:
        ComponentError: A component failed.
        RuntimeError: Another process holds the pipeline root.
    """
    root = pipeline_root(output_dir)
    with exclusive(root):
        made = _run(graph(settings, settings.base, root), settings.base, root, "Transform")
        return _place(made, "Transform", "transformed_examples", root)


def run(settings: StudySettings, name: str, seed: int, output_dir: Path) -> None:
    """Trains and judges one variant with one seed, or finds that this was done.

    It leaves, in the run's folder of `kfer.comparison.runs`, "result.json": "settings"; "artifacts", the
    folders of "model_run", "evaluation" and "transformed_examples" in the pipeline root; and
    "memory_gb", the most that a process held which trained and did nothing else (None where it was
    killed too early to say).

    Args:
        settings: The study.
        name: A key of `settings.variants`.
        seed: In place of the base's.
        output_dir: The study's folder.

    Raises:
        ComponentError: A component failed.
        RuntimeError: Another process holds the pipeline root.
    """
    folder, root = runs.folder(output_dir, name, seed), pipeline_root(output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    # What is there is of the last try, whose settings or code may be others.
    (folder / runs.RESULT).unlink(missing_ok=True)
    chosen = settings.variant(name, seed)
    nodes = graph(settings, chosen, root)
    with exclusive(root):
        trained = _run(nodes, chosen, root, "Trainer")
        model_run = _place(trained, "Trainer", "model_run", root)
        if trained.states["Trainer"] == COMPLETE:
            # Before the Evaluator, whose memory is not the training's.
            files.write_json(folder / _MEMORY, {"model_run": model_run, "memory_gb": peak_memory_gb()})
        judged = _run(nodes, chosen, root, "Evaluator")
    result = {
        "settings": {group: files.plain(getattr(chosen, group)) for group in GROUPS},
        "artifacts": {
            "model_run": model_run,
            "evaluation": _place(judged, "Evaluator", "evaluation", root),
            "transformed_examples": _place(judged, "Transform", "transformed_examples", root),
        },
        "memory_gb": _memory(folder, model_run),
    }
    files.write_json(folder / runs.RESULT, result)


def graph(settings: StudySettings, chosen: PipelineSettings, root: Path) -> list[Node]:
    """The components of a variant, with what comes before training as `settings.base` has it.

    A task's weight does not change the examples, but the ExampleValidator takes it: built of the variant,
    it and all after it would run again for each. The Evaluator compares with no model before this one, so
    that no variant's report hangs on which were judged before it.

    Args:
        settings: The study.
        chosen: The variant's settings.
        root: The pipeline root.
    """
    nodes, shared = build(chosen, root), {node.name: node for node in build(settings.base, root)}
    prepared = select(nodes, None, "Transform")
    return [
        shared[node.name]
        if node.name in prepared
        else dataclasses.replace(node, arguments={**node.arguments, "baseline": _NO_MODEL})
        if node.name == "Evaluator"
        else node
        for node in nodes
    ]


def pipeline_root(output_dir: Path) -> Path:
    """Where the pipeline's runs and artifacts are."""
    return output_dir / "pipeline"


def result(settings: StudySettings, name: str, seed: int, output_dir: Path) -> dict[str, Any]:
    """A run's "result.json", the folders as paths; empty where there is none.

    Raises:
        ValueError: It is of other settings, or its artifacts are gone; the message says which.
    """
    folder, root = runs.folder(output_dir, name, seed), pipeline_root(output_dir)
    if not runs.is_finished(folder):
        return {}
    found, chosen = runs.result(folder), settings.variant(name, seed)
    different = [
        text
        for group in GROUPS
        for text in files.differences(getattr(chosen, group), found["settings"].get(group), group)
    ]
    if different:
        raise ValueError(f"the results that are there are of other settings: {'; '.join(different)}")
    places = {kind: root / place for kind, place in found["artifacts"].items()}
    for place in places.values():
        if not place.is_dir():
            raise ValueError(f"{place} is gone")
    return {**found, "artifacts": places}


def _run(nodes: Sequence[Node], settings: PipelineSettings, root: Path, to_node: str) -> RunResult:
    store = MetadataStore(root)
    try:
        kept = canonical_json(plain(settings))
        return run_components(nodes, store, name=settings.name, settings=kept, to_node=to_node)
    finally:
        store.close()


def _place(result: RunResult, component: str, output: str, root: Path) -> str:
    """An artifact's folder in the root, so that the root may move."""
    return result.outputs[component][output].path.relative_to(root).as_posix()


def _memory(folder: Path, model_run: str) -> float | None:
    path = folder / _MEMORY
    found: Mapping[str, Any] = files.read_json(path) if path.exists() else {}
    return found["memory_gb"] if found.get("model_run") == model_run else None
