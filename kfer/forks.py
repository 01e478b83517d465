"""What does not live through a fork: threads of native code, which a child process waits for in vain.

A fork copies memory and only the thread that forks. Who uses a loaded model, a detector or an index in
the child would wait for ever, so that it raises there.
"""

import os
import sys
from typing import Any

_ADVICE = (
    "make the analyzer (or model, detector, generator, gallery) in the child, or start it with the "
    '"spawn" method: multiprocessing.get_context("spawn")'
)
_tensorflow_forked = False


class ForkedError(RuntimeError):
    """Something is used in a process that was forked from the one that made it."""


class OfOneProcess:
    """What belongs to the process that it was made in."""

    _process: int

    def __new__(cls, *_: Any, **__: Any) -> Any:
        """Remembers the process."""
        made = super().__new__(cls)
        made._process = os.getpid()
        return made

    def check_process(self) -> None:
        """Checks that it is used where it was made; before any lock, which a fork may leave held.

        Raises:
            ForkedError: It is not.
        """
        check(self._process, type(self).__name__.strip("_"))


class OfItsFirstUser:
    """What belongs to the process that first uses it: who forks before that may use it in each child."""

    _process: int | None = None

    def check_process(self) -> None:
        """Checks as that of `OfOneProcess` does.

        Raises:
            ForkedError: Another process has used it.
        """
        if self._process is None:
            self._process = os.getpid()
        check(self._process, type(self).__name__)


def check(process: int, what: str) -> None:
    """Checks that this is a process.

    Args:
        process: Its number.
        what: What belongs to it.

    Raises:
        ForkedError: It is another one.
    """
    if process != os.getpid():
        raise ForkedError(
            f"{what} was made in process {process}, and this is {os.getpid()}, forked from it, where its "
            f"threads are missing: {_ADVICE}"
        )


def check_tensorflow() -> None:
    """Checks that TensorFlow, of which a process has only one, can be used.

    Raises:
        ForkedError: It was used before this process was forked.
    """
    if _tensorflow_forked:
        raise ForkedError(
            "TensorFlow was used before this process was forked, and would wait for ever here: fork "
            "before anything uses TensorFlow (a .tflite export with the detector blazeface or "
            "none does not), "
            'or start the process with the "spawn" method: multiprocessing.get_context("spawn")'
        )


def _remember() -> None:
    global _tensorflow_forked
    module = sys.modules.get("tensorflow.python.eager.context")
    context = getattr(module, "_context", None)
    _tensorflow_forked = _tensorflow_forked or bool(getattr(context, "_initialized", False))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_remember)
