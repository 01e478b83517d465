"""Settings of a pipeline, or of what trains several, read from a Python file."""

import importlib.util
import traceback
from pathlib import Path
from typing import TypeVar

from kfer.settings import PipelineSettings

T = TypeVar("T")


def load_settings(path: str | Path, kind: type[T] = PipelineSettings) -> T:  # type: ignore[assignment]
    """The `settings` that a Python settings file defines.

    Args:
        path: The file.
        kind: The class that `settings` must have.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file cannot be run, or defines no `settings` of that class.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no settings file {path}; give a Python file such as pipelines/synthetic.py"
        )
    spec = importlib.util.spec_from_file_location(f"kfer_settings_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is not a Python file; settings files end in .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # it may call exit(), or use up the memory
        raise ValueError(
            f"{path}{_line(error, path)} cannot be run: {type(error).__name__}: {error}"
        ) from error
    settings = getattr(module, "settings", None)
    if not isinstance(settings, kind):
        raise ValueError(
            f"{path} must define `settings = {kind.__name__}(...)`; got {type(settings).__name__}"
        )
    return settings


def _line(error: BaseException, path: Path) -> str:
    """Where in the file an error arose, ", line 12"; empty where that is not known."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f", line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return f", line {lines[-1]}" if lines else ""
