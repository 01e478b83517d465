import subprocess
import sys

import kfer


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "kfer", *arguments], capture_output=True, text=True)


def test_the_version_is_told():
    assert run("--version").stdout == f"kfer {kfer.__version__}\n"


def test_pipeline_takes_its_own_arguments():
    assert "--training.epochs" in run("pipeline", "--help").stdout
    process = run("pipeline", "--training.epoch", "3")
    assert process.returncode == 2
    assert "did you mean training.epochs?" in process.stderr


def test_export_needs_a_pipeline_that_has_run(tmp_path):
    command = [sys.executable, "-m", "kfer", "export"]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert process.returncode == 2
    assert "ExampleGen" in process.stderr or "no" in process.stderr, process.stderr


def test_an_unknown_command_names_those_there_are():
    process = run("pipelin")
    assert process.returncode == 2
    assert "pipeline" in process.stderr
