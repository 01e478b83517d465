"""Runs a graph of components in one process: cached, resumable, one run at a time in a root."""

import logging
import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from kfer.entry import reason
from kfer.files import DiskFullError, is_disk_full, told_if_full, write_text
from kfer.pipeline.artifacts import Artifact, ModelBlessing
from kfer.pipeline.cache import execution_key
from kfer.pipeline.component import LatestBlessed, Node, OutputOf
from kfer.pipeline.metadata import CACHED, COMPLETE, FAILED, MetadataStore, Stored

_log = logging.getLogger(__name__)


class ComponentError(RuntimeError):
    """A component could not do its work; the message says which and why."""


@dataclass(frozen=True)
class RunResult:
    """What a run leaves.

    Attributes:
        run: Its number.
        outputs: For each component that ran or was depended on, its outputs by name.
        states: For each component, COMPLETE or CACHED.
        seconds: For each component, how long it took in this run.
    """

    run: int
    outputs: Mapping[str, Mapping[str, Artifact]]
    states: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def all_cached(self) -> bool:
        """Whether no component had to run."""
        return COMPLETE not in self.states.values()


def run(
    nodes: Sequence[Node],
    store: MetadataStore,
    *,
    name: str,
    settings: str,
    use_cache: bool = True,
    from_node: str | None = None,
    to_node: str | None = None,
) -> RunResult:
    """Runs the nodes in their order, taking earlier outputs where nothing has changed.

    Args:
        nodes: The graph; each node comes after those whose outputs it takes.
        store: The metadata of the pipeline root. The caller holds the root's lock.
        name: Names the run.
        settings: The run's settings as JSON, kept for the record.
        use_cache: False runs every selected node, from its start.
        from_node: Runs only this node and those that depend on it; others' newest outputs serve.
        to_node: Runs only this node and those that it depends on.

    Raises:
        ComponentError: A component failed. What was finished before is kept.
        ValueError: `from_node` or `to_node` is unknown, or an earlier output that they need is missing.
    """
    selected = select(nodes, from_node, to_node)
    with told_if_full(store.root):
        _discard_unfinished(store)
        number = store.start_run(name, settings)
    try:
        result = _run_selected(nodes, selected, store, number, use_cache)
    except BaseException:
        with suppress(Exception):  # it fails where the disk is full, and the reason counts
            store.finish_run(number, FAILED)
        raise
    with told_if_full(store.root):
        store.finish_run(number, COMPLETE)
    return result


def select(nodes: Sequence[Node], from_node: str | None, to_node: str | None) -> set[str]:
    """The names of the nodes that a partial run runs."""
    names = [node.name for node in nodes]
    for wanted in (from_node, to_node):
        if wanted is not None and wanted not in names:
            raise ValueError(f"there is no component {wanted!r}; there are {', '.join(names)}")
    downstream = set(names) if from_node is None else {from_node}
    if from_node is not None:
        for node in nodes:
            if node.upstream & downstream:
                downstream.add(node.name)
    return downstream if to_node is None else downstream & _with_upstream(nodes, {to_node})


def _with_upstream(nodes: Sequence[Node], names: set[str]) -> set[str]:
    """These nodes and all that they depend on, directly or not."""
    found = set(names)
    for node in reversed(nodes):
        if node.name in found:
            found |= node.upstream
    return found


def _run_selected(
    nodes: Sequence[Node], selected: set[str], store: MetadataStore, number: int, use_cache: bool
) -> RunResult:
    made: dict[str, dict[str, Stored]] = {}
    states: dict[str, str] = {}
    seconds: dict[str, float] = {}
    taken = set().union(*(node.upstream for node in nodes if node.name in selected))
    ancestors = _with_upstream(nodes, selected)
    for position, node in enumerate(nodes, 1):
        label = f"[{position:>2}/{len(nodes)}] Component {node.name}"
        if node.name not in selected:
            # Earlier outputs of what comes after the selected nodes are not of this run's model.
            earlier = store.find_outputs(node.name) if node.name in ancestors else None
            if earlier is not None:
                made[node.name] = earlier
            elif node.name in taken:
                raise ValueError(
                    f"{node.name} has no finished execution in {store.root} to start from; run the "
                    "pipeline without --from-node once"
                )
            continue
        start = time.monotonic()
        inputs = _resolve(node, made, store)
        try:
            with told_if_full(store.root / node.name):
                made[node.name], states[node.name] = _outputs_of(
                    node, store, number, inputs, label, use_cache
                )
        except Exception as error:  # whatever a component raises, it has failed
            raise ComponentError(f"{node.name} failed: {_explain(error, store.root)}") from error
        seconds[node.name] = time.monotonic() - start
    outputs = {
        name: {output: stored.artifact for output, stored in stored_outputs.items()}
        for name, stored_outputs in made.items()
    }
    return RunResult(number, outputs, states, seconds)


def _outputs_of(
    node: Node,
    store: MetadataStore,
    number: int,
    inputs: Mapping[str, Stored | None],
    label: str,
    use_cache: bool,
) -> tuple[dict[str, Stored], str]:
    """Runs a node, or takes what it made of the same before; returns its outputs and its state."""
    values = {name: node.arguments[name] for name in node.component.parameters}
    present = {name: stored for name, stored in inputs.items() if stored is not None}
    start = time.monotonic()
    key = execution_key(node.component, values, inputs)
    earlier = store.find_outputs(node.name, key) if use_cache else None
    if earlier is not None and _usable(node, earlier):
        store.reuse_execution(number, node.name, key, present, earlier)
        _log.info("%s is cached.", label)
        return earlier, CACHED
    _log.info("%s is running.", label)
    execution = store.start_execution(number, node.name, key, present)
    made, said = _execute(node, store, execution, key, inputs, values, use_cache)
    _log.info("%s is finished in %.1f s: %s", label, time.monotonic() - start, said)
    return made, COMPLETE


def _resolve(
    node: Node, made: Mapping[str, Mapping[str, Stored]], store: MetadataStore
) -> dict[str, Stored | None]:
    inputs: dict[str, Stored | None] = {}
    latest = []
    for name in node.component.inputs:
        argument = node.arguments[name]
        if isinstance(argument, OutputOf):
            inputs[name] = made[argument.node][argument.output]
        else:
            latest.append((name, argument))
    for name, argument in latest:
        inputs[name] = _latest_blessed(argument, inputs[argument.model], store)
    return inputs


def _latest_blessed(wanted: LatestBlessed, present: Stored | None, store: MetadataStore) -> Stored | None:
    for inputs, outputs in store.newest_executions(wanted.node):
        blessing = outputs[wanted.blessing].artifact
        is_other = present is None or inputs[wanted.model].id != present.id
        if is_other and isinstance(blessing, ModelBlessing) and blessing.blessed:
            return outputs[wanted.output]
    return None


def _usable(node: Node, outputs: Mapping[str, Stored]) -> bool:
    folders = {name: stored.artifact.path for name, stored in outputs.items()}
    return all(path.is_dir() for path in folders.values()) and node.component.still_valid(folders)


def _execute(
    node: Node,
    store: MetadataStore,
    execution: int,
    key: str,
    inputs: Mapping[str, Stored | None],
    values: Mapping[str, Any],
    use_cache: bool,
) -> tuple[dict[str, Stored], str]:
    component = node.component
    arguments: dict[str, Any] = dict(values)
    for name, stored in inputs.items():
        arguments[name] = stored and stored.artifact
    partial = {
        name: kind(_folder(store.root, node.name, name, f".partial-{execution}"))
        for name, kind in component.outputs.items()
    }
    work = _folder(store.root, node.name, ".work", key[:16])
    try:
        if component.work:
            if not use_cache:
                shutil.rmtree(work, ignore_errors=True)
            work.mkdir(parents=True, exist_ok=True)
            arguments[component.work] = work
        if component.afresh:
            arguments[component.afresh] = not use_cache
        for output in partial.values():
            output.path.mkdir(parents=True)
        said = component.function(**arguments, **partial)
        final = {
            name: kind(_folder(store.root, node.name, name, str(execution)))
            for name, kind in component.outputs.items()
        }
        for name, artifact in final.items():
            _flush(partial[name].path)
            partial[name].path.rename(artifact.path)
        stored_outputs = store.complete_execution(execution, final, said)
    except BaseException as error:
        _remove_outputs(store.root, node.name, component.outputs, execution)
        with suppress(Exception):  # likewise
            store.fail_execution(execution, f"{type(error).__name__}: {error}")
        raise
    shutil.rmtree(work, ignore_errors=True)
    return stored_outputs, said


def _folder(root: Path, component: str, output: str, name: str) -> Path:
    return root / component / output / name


def _flush(folder: Path) -> None:
    """Brings a folder's files to the disk, so that a power cut leaves no empty ones behind."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _remove_outputs(
    root: Path,
    component: str,
    outputs: Mapping[str, type[Artifact]] | Sequence[str],
    execution: int,
) -> None:
    for output in outputs:
        for name in (f".partial-{execution}", str(execution)):
            shutil.rmtree(_folder(root, component, output, name), ignore_errors=True)


def _discard_unfinished(store: MetadataStore) -> None:
    """Removes what executions of a killed process had written; their work folders stay."""
    for execution, component in store.interrupt_unfinished():
        _log.info("Execution %d of %s was interrupted; it runs again.", execution, component)
        outputs = [path.name for path in (store.root / component).glob("*") if path.is_dir()]
        _remove_outputs(store.root, component, outputs, execution)


def _explain(error: Exception, root: Path) -> str:
    if is_disk_full(error, root):
        said = str(error) if isinstance(error, DiskFullError) else f"the disk is full ({error})"
        return (
            f"{said}. {shutil.disk_usage(root).free / 1e6:,.0f} MB are free at {root}. Take another "
            "place with --pipeline-root if need be, and run again: what was finished is kept."
        )
    return reason(error)


@contextmanager
def exclusive(root: Path) -> Iterator[None]:
    """Holds a pipeline root, so that two runs never write to one.

    Raises:
        RuntimeError: Another process holds it; the message says which.
    """
    root.mkdir(parents=True, exist_ok=True)
    lock, owner = FileLock(root / ".lock"), root / ".lock-owner"
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        who = owner.read_text().strip() if owner.exists() else "an unknown process"
        raise RuntimeError(
            f"another run holds the pipeline root {root} ({who}). Wait until it ends, or take another "
            "place with --pipeline-root."
        ) from error
    try:
        write_text(owner, f"process {os.getpid()} on {socket.gethostname()}\n")
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()
