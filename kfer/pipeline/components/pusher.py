"""Pusher: a blessed model to where servers and phones take it."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from kfer import files
from kfer.pipeline.artifacts import InfraBlessing, ModelBlessing, PushedModel, ServingModel
from kfer.pipeline.component import Input, Output, component


def _still_there(outputs: Mapping[str, Path]) -> bool:
    try:
        path = PushedModel(outputs["pushed_model"]).record().path
        return path is None or Path(path).is_dir()
    except (OSError, ValueError):
        # Damaged: the model is pushed again, which takes a version that is there.
        return False


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

    Several processes may push to one name at the same moment: each gets a version of its own, which is
    there at once and whole. A version that holds this very model already (a run was killed after its
    push) is taken as it is.

    Raises:
        DiskFullError: There is no room; nothing was pushed.
        OSError: A file cannot be copied; likewise.
    """
    versions.mkdir(parents=True, exist_ok=True)
    files.remove_leftovers(versions)
    newest = _newest(versions)
    if newest and _same_model(versions / str(newest), model):
        return versions / str(newest)
    with files.private_folder(versions / str(newest + 1)) as folder:
        copy = folder / "model"
        _copy(model, copy, versions)
        with files.locked(versions):
            return _put_in_place(copy, versions)


def _put_in_place(copy: Path, versions: Path) -> Path:
    while True:
        newest = _newest(versions)
        if newest and _same_model(versions / str(newest), copy):
            return versions / str(newest)
        version = versions / str(newest + 1)
        try:
            return copy.rename(version)
        except OSError:
            # Somebody copied a version there by hand, or the file system has no locks.
            if not version.exists():
                raise


def _newest(versions: Path) -> int:
    """The highest version; 0 where there is none."""
    return max((int(path.name) for path in versions.iterdir() if path.name.isdecimal()), default=0)


def _copy(model: Path, copy: Path, versions: Path) -> None:
    try:
        shutil.copytree(model, copy)
    except shutil.Error as error:  # a list of what went wrong with each file
        file, _, reason = error.args[0][0]
        raise OSError(f"{file} cannot be copied to {versions}, nothing was pushed: {reason}") from error


def _same_model(pushed: Path, model: Path) -> bool:
    return (pushed / "model.json").is_file() and (pushed / "model.json").read_bytes() == (
        model / "model.json"
    ).read_bytes()
