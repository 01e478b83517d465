"""The whole study: examples, trials on one machine or several, and what the best values are worth."""

import dataclasses
import logging
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kfer import files
from kfer.documents import claims
from kfer.processes import Apart, in_fresh_process, share_cores
from kfer.settings import TuningSettings
from kfer.settings.dotted import as_text
from kfer.study import StudySettings, variant
from kfer.study import study as studies
from kfer.tuning.settings import TuningStudySettings

if TYPE_CHECKING:
    from kfer.pipeline.components.trials import Trials
    from kfer.search import Cluster

#: The variants of a study's whole trainings: the values that are set, and the best ones.
AS_SET, BEST = "as_set", "best"
_PREPARED = "prepared.json"
# What trials that are compared must have alike.
_EXAMPLES = ("num_examples", "num_identities", "digest")
_log = logging.getLogger(__name__)


def claim(settings: TuningStudySettings, output_dir: Path) -> None:
    """Makes the output folder the study's own.

    Args:
        settings: The study.
        output_dir: Its folder.

    Raises:
        ValueError: It is another one's.
    """
    claims.claim(output_dir, "study", settings.name)


def search_dir(output_dir: Path) -> Path:
    """Where the trials are."""
    return output_dir / "search"


def run(
    settings: TuningStudySettings,
    output_dir: Path,
    address: str = "",
    workers: Sequence[str] = (),
    gpus: Sequence[str] = (),
    others_join: bool = False,
) -> list[str]:
    """Runs the study's trials, or goes on with those that are missing.

    Args:
        settings: The study.
        output_dir: Its folder.
        address: Where workers reach this process; empty for a free port of this machine.
        workers: Names of workers, each in a process of its own on this machine; none, and no
            `others_join`: the trials run in this process.
        gpus: Of each worker, the number of the GPU that is its own; empty: all see all.
        others_join: Whether workers of other machines join.

    Returns:
        Nothing, or that all trials failed.

    Raises:
        OSError: The address cannot be listened at.
        RuntimeError: Another process runs the study, the examples cannot be prepared, or all workers
            failed.
        ValueError: As `kfer.search.search` raises it.
    """
    with studies.exclusive(output_dir, "join it with --worker"):
        prepare(settings, output_dir)
        from kfer import search

        arguments = trials(settings, output_dir), settings.base, search_dir(output_dir)
        processes: dict[str, Apart] = {}
        try:
            if workers or others_join:
                # Before there are workers, who would take a search that was done before for done.
                search.begin(*arguments)
                cluster = _cluster(
                    settings, address or f"127.0.0.1:{_free_port()}", others_join=others_join
                )
                _log.info("the chief is at %s", cluster.address)
                processes |= _start(settings, output_dir, cluster.address, workers, gpus)
                search.search(*arguments, cluster, _check(processes, others_join))
            else:
                search.search(*arguments)
        except search.AllFailedError as error:
            return [str(error)]
        finally:
            for process in processes.values():
                process.end()
        return []


def prepare(settings: TuningStudySettings, output_dir: Path) -> None:
    """Makes the examples that all trials share, where they are not there yet.

    Args:
        settings: The study.
        output_dir: Its folder.

    Raises:
        ComponentError: A component failed.
        RuntimeError: Another process holds the pipeline root.
        ValueError: There are trials of other examples.
    """
    place = in_fresh_process(variant.prepare, retraining(settings, {}), output_dir)
    root, file = variant.pipeline_root(output_dir), output_dir / _PREPARED
    labels = files.read_json(root / place / "labels.json")
    prepared = {
        "transformed_examples": place,
        "datasets": versions(output_dir),
        **{name: labels[name] for name in _EXAMPLES},
    }
    if file.exists() and any(search_dir(output_dir).glob("*/trial_*")):
        found = files.read_json(file)
        different = [
            f"{name} was {found.get(name)} and is {value}"
            for name, value in prepared.items()
            if name in _EXAMPLES and found.get(name) != value
        ]
        if different:
            raise ValueError(
                f"the trials in {output_dir} are of other examples: {'; '.join(different)}. Give the "
                "data that they had, or another --output-dir"
            )
    files.write_json(file, prepared)


def versions(output_dir: Path) -> list[str]:
    """Returns the datasets that were prepared, as "builder/configuration/version".

    Args:
        output_dir: The study's folder.
    """
    root = variant.pipeline_root(output_dir) / "datasets"
    return sorted(place.parent.relative_to(root).as_posix() for place in root.rglob("dataset_info.json"))


def work(
    settings: TuningStudySettings,
    output_dir: Path,
    address: str,
    workers: Sequence[str],
    gpus: Sequence[str] = (),
) -> None:
    """Runs trials that the chief at an address gives, until there are none.

    Args:
        settings: The study, as the chief has it.
        output_dir: Its folder, the very one that the chief has.
        address: "host:port" of the chief.
        workers: Names of workers; several have a process each.
        gpus: As for `run`.

    Raises:
        ConnectionError: The chief does not answer.
        RuntimeError: A worker failed.
        ValueError: As `kfer.search.work` raises it.
    """
    if len(workers) == 1 and not gpus:
        _work(settings, output_dir, address, workers[0])
        return
    processes = _start(settings, output_dir, address, workers, gpus)
    try:
        endings = {name: process.wait() for name, process in processes.items()}
    finally:
        for process in processes.values():
            process.end()
    failed = [f"{name}: {ending.reason}" for name, ending in endings.items() if ending.code]
    if failed:
        raise RuntimeError(f"{len(failed)} of {len(workers)} workers failed: {'; '.join(failed)}")


def retrain(settings: TuningStudySettings, output_dir: Path) -> list[str]:
    """Trains the values that are set and the best ones whole, with every seed, and judges them.

    Args:
        settings: The study.
        output_dir: Its folder.

    Returns:
        The trainings that failed, with the reason.

    Raises:
        RuntimeError: Another process trains in the folder.
        ValueError: No trial has a score yet.
    """
    from kfer.tuning import results

    best = results.collect(settings, output_dir).best
    if best is None:
        raise ValueError("there is nothing to train again: no trial has a score yet")
    return studies.train(retraining(settings, best.judged_values(settings.base)), output_dir)


def retraining(settings: TuningStudySettings, values: Mapping[str, object]) -> StudySettings:
    """Returns the study that compares the values that are set with others.

    Args:
        settings: The study.
        values: By dotted names.
    """
    texts = {name: value if isinstance(value, str) else as_text(value) for name, value in values.items()}
    return StudySettings(
        settings.name,
        dataclasses.replace(settings.base, tuning=TuningSettings(trials=0)),
        {AS_SET: {}, BEST: texts},
        settings.seeds,
    )


def trials(settings: TuningStudySettings, output_dir: Path) -> "Trials":
    """Returns what trains on the examples that `prepare` made.

    Args:
        settings: The study.
        output_dir: Its folder.
    """
    from kfer.pipeline.artifacts import TransformedExamples
    from kfer.pipeline.components.trials import Trials

    place = files.read_json(output_dir / _PREPARED)["transformed_examples"]
    examples = TransformedExamples(variant.pipeline_root(output_dir) / place)
    return Trials(examples, settings.base.tuning.example_share, output_dir / "features")


def _work_beside(
    settings: TuningStudySettings,
    output_dir: Path,
    address: str,
    worker: str,
    gpu: str,
    index: int,
    count: int,
) -> None:
    """One of several workers of this machine: it has a GPU, or a share of the cores, to itself."""
    if gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    else:
        share_cores(index, count)
    _work(settings, output_dir, address, worker)


def _work(settings: TuningStudySettings, output_dir: Path, address: str, worker: str) -> None:
    from kfer import search

    own, folder = _cluster(settings, address, worker), search_dir(output_dir)
    if search.wait_for_chief(settings.base, folder, own):
        search.work(trials(settings, output_dir), settings.base, folder, own)


def _cluster(
    settings: TuningStudySettings, address: str, worker: str = "", others_join: bool = False
) -> "Cluster":
    from kfer.search import Cluster

    timeouts = settings.worker_timeout_s, settings.chief_timeout_s
    return Cluster(address, worker, *timeouts, others_join)


def _start(
    settings: TuningStudySettings,
    output_dir: Path,
    address: str,
    workers: Sequence[str],
    gpus: Sequence[str],
) -> dict[str, Apart]:
    gpu_of = dict(zip(workers, gpus, strict=True)) if gpus else {}
    return {
        name: Apart(
            _work_beside, settings, output_dir, address, name, gpu_of.get(name, ""), index, len(workers)
        )
        for index, name in enumerate(workers)
    }


def _check(processes: dict[str, Apart], others_join: bool) -> Callable[[], None]:
    """What finds that nobody is left to work; a worker that ends before all is done has failed."""
    told: set[str] = set()

    def check() -> None:
        for name, process in processes.items():
            if name not in told and not process.is_running:
                told.add(name)
                ending = process.wait()
                if ending.code:
                    _log.warning("worker %s failed: %s", name, ending.reason)
        if processes and not others_join and len(told) == len(processes):
            reasons = {process.wait().reason for process in processes.values()} - {""}
            reasons = reasons or {"they ended before the search was done"}
            raise RuntimeError(f"all {len(processes)} workers failed: {'; '.join(sorted(reasons))}")

    return check


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
