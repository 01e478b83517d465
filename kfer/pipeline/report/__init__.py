"""The report: one self-contained HTML file that shows what a run used, made and measured.

Nothing heavy is imported where the report is there already.
"""

import filecmp
import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from kfer.files import remove_leftovers, write_bytes, write_text
from kfer.pipeline.artifacts import Artifact
from kfer.pipeline.dag import build
from kfer.pipeline.metadata import canonical_json, plain
from kfer.pipeline.runner import RunResult
from kfer.settings import PipelineSettings

_SOURCES = Path(__file__).parent


def update(settings: PipelineSettings, root: Path, result: RunResult) -> Path | None:
    """Writes the report of a run where it is not there yet, and makes it the newest.

    Its name holds a hash of the artifacts' folders, so that a run that is all cached finds it written.

    Args:
        settings: The run's settings.
        root: The pipeline root; the report is kept in `<root>/reports/`.
        result: What the run left.

    Returns:
        `<root>/report.html`; None where the run ran nothing.
    """
    if not result.outputs:
        return None
    remove_leftovers(root / "reports")
    report = root / "reports" / f"{_key(settings, root, result.outputs)}.html"
    if not report.exists():
        from kfer.pipeline.report.page import render

        report.parent.mkdir(parents=True, exist_ok=True)
        write_text(report, render(settings, root, build(settings, root), result.outputs))
    newest = root / "report.html"
    if not newest.exists() or not filecmp.cmp(report, newest, shallow=False):
        write_bytes(newest, report.read_bytes())
    return newest


def _key(settings: PipelineSettings, root: Path, outputs: Mapping[str, Mapping[str, Artifact]]) -> str:
    """A hash of all that the page is made of; whether a component was cached does not count."""
    folders = {
        component: {name: os.path.relpath(artifact.path, root) for name, artifact in artifacts.items()}
        for component, artifacts in outputs.items()
    }
    digest = hashlib.sha256(canonical_json([plain(settings), folders]).encode())
    for source in _sources():
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


def _sources() -> Iterable[Path]:
    return sorted(path for path in _SOURCES.iterdir() if path.suffix in (".py", ".html", ".css"))
