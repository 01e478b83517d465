import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_damaged_files_end_in_errors_that_name_them(tmp_path) -> None:
    """1,500 damaged files of every kind; `run.py` says what counts, and takes as many as one likes."""
    script = Path(__file__).with_name("run.py")
    command = [sys.executable, script, "--inputs", "1500", "--seed", "1", "--keep", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
