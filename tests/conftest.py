"""Fixtures that every test may use."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts files with slow tests first: of two processes, neither then ends long before the other."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real data, named by KFER_TEST_DATA; the test is skipped without it."""
    folder = os.environ.get("KFER_TEST_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("KFER_TEST_DATA does not name a folder of real data")
    return Path(folder)


@pytest.fixture(scope="session")
def toy_generators(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the generators "grey" and "colour" of `toy_generator`, a version of each."""
    import toy_generator

    folder = tmp_path_factory.mktemp("saved_models")
    toy_generator.export_all(folder)
    return folder


@pytest.fixture(autouse=True)
def shipped_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where models that ship with kfer would be: tests answer alike with them in the tree and without."""
    from kfer.inference import pushed, shipped

    folder = tmp_path / "shipped_models"
    monkeypatch.setattr(shipped, "folder", lambda: folder)
    monkeypatch.delenv(pushed.VARIABLE, raising=False)
    return folder


@pytest.fixture(autouse=True)
def console_stays_as_it_was() -> Iterator[None]:
    """A command that runs in this process must not send later tests' log lines to its console."""
    logger = logging.getLogger("kfer")
    before = list(logger.handlers), logger.level, logger.propagate
    yield
    logger.handlers[:], logger.level, logger.propagate = before
