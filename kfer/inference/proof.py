"""Whether native code may be given an export: it is what was pushed, or another process has tried it.

LiteRT and TensorFlow end Python where a damaged file misleads them, or answer as if nothing were wrong.
So each file is compared with its digest in `model.json`. What has no digest there (a stranger's export)
is first loaded and asked once in another process, whose end harms nobody.
"""

import os
import subprocess
import sys
from pathlib import Path

from kfer import documents
from kfer.documents import digests
from kfer.documents.models import ModelDescription
from kfer.files import DamagedError, reason

#: What describes an export, in its folder.
DESCRIPTION = "model.json"
#: What to do about an export that is damaged.
ADVICE = "push the model again, or restore its folder from a copy"
# A trial's limits: seconds of one core, and bytes of memory beside four times the file's own.
_TRIAL_SECONDS, _TRIAL_BYTES = 60, 2**30
# Exports that passed a trial in this process, by what tells one from another.
_tried: set[tuple[object, ...]] = set()


def description(folder: Path) -> ModelDescription | None:
    """Returns what describes the exports in a folder; None where nothing does.

    Raises:
        DamagedError: Its `model.json` is damaged.
    """
    file = folder / DESCRIPTION
    return documents.read(file, ModelDescription, ADVICE) if file.exists() else None


def checked(export: Path, step: Path | None = None) -> ModelDescription | None:
    """Returns what describes an export, once native code may be given its files.

    Args:
        export: The `.tflite` file, or the folder of the SavedModel.
        step: A further `.tflite` file of the same network, in the same folder.

    Raises:
        DamagedError: A file is not the one that `model.json` describes, or the trial failed.
    """
    described = description(export if export.is_dir() else export.parent)
    for each in (export, *([step] if step else [])):
        files = {} if described is None else described.files
        if not digests.check(each, files, DESCRIPTION, ADVICE):
            try:
                try_first(each)
            except ValueError as error:
                kind = "SavedModel" if each.is_dir() else "TFLite file"
                raise DamagedError(
                    f"{each} cannot be loaded as a {kind} ({reason(error)}): export it again, or restore "
                    "it from a copy"
                ) from error
    return described


def try_first(export: Path) -> None:
    """Loads an export or a detector's ONNX file, and asks it once, in another process.

    Raises:
        ValueError: That process failed, or was ended by a signal or a limit.
    """
    folder = export if export.is_dir() else export.parent
    sizes = [(folder / name).stat() for name in digests.names_of(export)]
    key = (export.resolve(), *((each.st_ino, each.st_size, each.st_mtime_ns) for each in sizes))
    if key in _tried:
        return
    # TensorFlow reserves more than it uses.
    room = 4 * sum(each.st_size for each in sizes) + _TRIAL_BYTES * (8 if export.is_dir() else 1)

    def limit() -> None:
        import resource

        limits = {"CPU": _TRIAL_SECONDS, "DATA": room, "CORE": 0}
        for name, most in limits.items():
            kind = getattr(resource, f"RLIMIT_{name}")
            # Nobody may go beyond a limit that this process has already.
            _, hard = resource.getrlimit(kind)
            lowest = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (lowest, lowest))

    command = [sys.executable, "-m", "kfer.inference.trial", str(export)]
    trial = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        # Windows has neither; there the process itself is the limit.
        preexec_fn=limit if os.name == "posix" else None,
    )
    if trial.returncode:
        said = trial.stdout.decode(errors="replace").strip()
        if trial.returncode < 0 or not said:
            said = f"loading it ended a process with the code {trial.returncode}"
        raise ValueError(said)
    _tried.add(key)
