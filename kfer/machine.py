"""The machine that figures are measured on, and the code that they are measured with."""

import functools
import os
import platform
import subprocess
from pathlib import Path

import kfer


def machine() -> str:
    """This machine's processor and how many cores of it there are."""
    name = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        lines = information.read_text().splitlines()
        models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        name = next(iter(models), name)
    return f"{name}, {os.cpu_count()} cores"


@functools.cache
def commit() -> str:
    """The commit that this package lies in, and whether it was changed since; empty outside git."""
    own = Path(kfer.__file__)
    folder = own.parent
    texts = []
    for arguments in (
        # Fails where kfer is installed inside of a repository that is another project's.
        ("ls-files", "--error-unmatch", own.name),
        ("rev-parse", "HEAD"),
        ("status", "--porcelain", "--", str(folder)),
    ):
        try:
            process = subprocess.run(
                ["git", "-C", str(folder), *arguments], capture_output=True, text=True
            )
        except OSError:
            return ""
        if process.returncode:
            return ""
        texts.append(process.stdout.strip())
    _, number, changes = texts
    return number + (", with changes that are not committed" if changes else "")
