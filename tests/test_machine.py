import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import kfer
from kfer.machine import machine

COMMIT = "from kfer.machine import commit; print(commit())"


def git(folder, *arguments):
    own = ("-c", "user.name=tester", "-c", "user.email=tester@example.com")
    return subprocess.run(
        ["git", *own, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )


def commit_of(folder):
    command = [sys.executable, "-c", COMMIT]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def test_the_machine_tells_its_cores():
    assert machine().endswith(" cores")


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here")
def test_the_commit_is_that_of_kfers_own_repository(tmp_path):
    package = tmp_path / "kfer"
    package.mkdir()
    for name in ("__init__.py", "machine.py"):
        shutil.copy(Path(kfer.__file__).with_name(name), package)
    assert commit_of(tmp_path) == ""
    git(tmp_path, "init")
    git(tmp_path, "commit", "--allow-empty", "-m", "Another project")
    assert commit_of(tmp_path) == ""
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "kfer")
    head = git(tmp_path, "rev-parse", "HEAD").stdout.strip()
    assert commit_of(tmp_path) == head
    (package / "machine.py").write_text((package / "machine.py").read_text() + "\n")
    assert commit_of(tmp_path) == f"{head}, with changes that are not committed"
