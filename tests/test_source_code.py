from pathlib import Path

import pytest

from kfer import source_code


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A package `kfer` with a few modules."""
    package = tmp_path / "kfer"
    monkeypatch.setattr(source_code, "_PACKAGE", package)
    source_code._imported.cache_clear()
    for name in ("rooms/__init__", "rooms/one", "rooms/two", "deep/__init__", "deep/inner"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / f"{name}.py").write_text("")
    (package / "spec.py").write_text("def f():\n    from kfer import deep\n")
    yield package
    source_code._imported.cache_clear()


@pytest.mark.parametrize(
    ("imports", "counted"),
    [
        ("from kfer.rooms import one\n", {"rooms/one"}),
        ("from kfer.rooms.one import f\n", {"rooms/one"}),
        ("import kfer.rooms.two\n", {"rooms/two"}),
        ("from kfer import rooms\n", {"rooms/__init__", "rooms/one", "rooms/two"}),
        ("from kfer.rooms import f\n", {"rooms/__init__", "rooms/one", "rooms/two"}),
        ("from kfer import spec\n", {"spec", "deep/__init__", "deep/inner"}),
        ("import os\n", set()),
    ],
)
def test_a_module_counts_with_what_it_imports(package, imports, counted):
    own = package / "own.py"
    own.write_text(imports)
    for path in sorted(package.rglob("*.py")):
        source_code._imported.cache_clear()
        before, text = source_code.digest(own), path.read_text()
        path.write_text(f"{text}# other\n")
        is_other = source_code.digest(own) != before
        path.write_text(text)
        assert is_other == (path.relative_to(package).as_posix()[:-3] in {"own", *counted}), path
