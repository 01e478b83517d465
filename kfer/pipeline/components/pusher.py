"""Pusher: a blessed model to where servers and phones take it."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from kfer.pipeline.artifacts import InfraBlessing, ModelBlessing, PushedModel, ServingModel
from kfer.pipeline.component import Input, Output, component


def _still_there(outputs: Mapping[str, Path]) -> bool:
    pushed = json.loads((outputs["pushed_model"] / "pushed.json").read_text())
    return pushed["path"] is None or Path(pushed["path"]).is_dir()


@component(still_valid=_still_there)
def pusher(
    serving_model: Input[ServingModel],
    blessing: Input[ModelBlessing],
    infra_blessing: Input[InfraBlessing],
    pushed_model: Output[PushedModel],
    name: str,
    serving_dir: str,
) -> str:
    """Copies the exports to `<serving_dir>/<name>/<version>/`, where they appear all at once."""
    reasons = []
    if not blessing.blessed:
        reasons.append("the Evaluator did not bless the model")
    if not infra_blessing.blessed:
        reasons.append("the InfraValidator did not bless its exports")
    destination = None if reasons else push(serving_model.path, Path(serving_dir) / name)
    record = {"path": destination and str(destination), "reasons": reasons}
    (pushed_model.path / "pushed.json").write_text(json.dumps(record, indent=1))
    return f"to {destination}" if destination else f"not pushed: {' and '.join(reasons)}"


def push(model: Path, versions: Path) -> Path:
    """Copies a folder to the next version under `versions` and returns its place.

    The folder is copied beside its place and renamed, so that nobody sees half of it. A version that
    holds this very model already (a run was killed after its push) is taken as it is.

    Raises:
        OSError: A file cannot be copied, for want of room say; nothing is left of the others.
    """
    versions.mkdir(parents=True, exist_ok=True)
    for leftover in versions.glob(".pushing-*"):
        shutil.rmtree(leftover)
    while True:
        present = sorted(int(path.name) for path in versions.iterdir() if path.name.isdecimal())
        newest = versions / str(present[-1]) if present else None
        if newest is not None and _same_model(newest, model):
            return newest
        version = present[-1] + 1 if present else 1
        copy = versions / f".pushing-{os.getpid()}"
        shutil.rmtree(copy, ignore_errors=True)
        _copy(model, copy)
        try:
            copy.rename(versions / str(version))
        except OSError:
            if not (versions / str(version)).exists():
                raise
            continue  # another pipeline pushed this version meanwhile: take the next
        return versions / str(version)


def _copy(model: Path, copy: Path) -> None:
    try:
        shutil.copytree(model, copy)
    except shutil.Error as error:  # a list of what went wrong with each file
        shutil.rmtree(copy, ignore_errors=True)
        file, _, reason = error.args[0][0]
        raise OSError(
            f"{file} cannot be copied to {copy.parent}, nothing was pushed: {reason}"
        ) from error


def _same_model(pushed: Path, model: Path) -> bool:
    return (pushed / "model.json").is_file() and (pushed / "model.json").read_bytes() == (
        model / "model.json"
    ).read_bytes()
