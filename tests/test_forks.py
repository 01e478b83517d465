"""What is used after a fork raises at once; in processes of their own, which may fork."""

import os
import subprocess
import sys

import pytest

from kfer import forks

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

TOY = """
import os, sys
import numpy as np
from kfer import forks
from kfer.forks import ForkedError

def in_child(body):
    sys.stdout.flush()
    child = os.fork()
    if not child:
        try:
            print("said", body())
        except ForkedError as error:
            print("ForkedError", error)
        except BaseException as error:
            print("other", type(error), error)
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)
"""


def said(code: str, *arguments: object) -> str:
    process = subprocess.run(
        [sys.executable, "-c", TOY + code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_what_belongs_to_another_process_says_the_way_out():
    with pytest.raises(forks.ForkedError, match=r"forked from it.*in the child.*spawn"):
        forks.check(os.getpid() + 1, "it")
    forks.check(os.getpid(), "it")


def test_each_kind_of_thing_raises_in_the_child_before_any_lock():
    code = """
import threading
from kfer.generator.networks import Network
from kfer.inference import analyzer, runtime
from kfer.inference.detection import Detector
from kfer.inference.detection.whole import make
from kfer.inference.gallery.approximate import ApproximateIndex
from kfer.inference.gradcam import GradCAM
from kfer.inference.landmarks import DenseLandmarks
from kfer.inference.streaming import Stream

class Toy(Network):
    def __call__(self, inputs):
        self.check_process()

for kind in (Toy, Detector, ApproximateIndex, GradCAM, DenseLandmarks, Stream, runtime.Runner):
    assert issubclass(kind, forks.OfOneProcess), kind
made = make()
picture = np.zeros((40, 40, 3), np.uint8)
made.detect([picture])
in_child(lambda: made.detect([picture]))

class Held(analyzer.FaceAnalyzer):
    def __init__(self):
        self._loading, self._detector = threading.Lock(), made
        self._landmarks, self._turned = "detector", False

held = Held()
held.detect([picture])
held._loading.acquire()
in_child(lambda: held.detect([picture]))
"""
    lines = said(code).splitlines()
    assert len(lines) == 2 and all(line.startswith("ForkedError") for line in lines), lines
    assert "Held was made in process" in lines[1]


def test_what_was_not_used_before_the_fork_may_be_used_in_each_child():
    code = """
class Toy(forks.OfItsFirstUser):
    def use(self):
        self.check_process()
        return "well"

toy = Toy()
in_child(toy.use)
in_child(toy.use)
toy.use()
in_child(toy.use)
"""
    lines = said(code).splitlines()
    assert lines[:2] == ["said well"] * 2
    assert lines[2].startswith("ForkedError Toy was made in process")


def test_an_index_raises_in_the_child():
    pytest.importorskip("usearch")
    code = """
from kfer.inference.gallery.approximate import ApproximateIndex
index = ApproximateIndex(8)
index.extend(np.eye(8, dtype=np.float32))
in_child(lambda: index._search(np.eye(8, dtype=np.float32)[:1], 1))
in_child(lambda: index.extend(np.eye(8, dtype=np.float32)))
"""
    lines = said(code).splitlines()
    assert len(lines) == 2 and all(line.startswith("ForkedError ApproximateIndex") for line in lines), (
        lines
    )


@pytest.mark.parametrize(
    ("before", "expected"), [("tf.constant(1)", "ForkedError TensorFlow was used"), ("None", "said None")]
)
def test_tensorflow_that_ran_before_the_fork_is_not_waited_for(before: str, expected: str):
    code = f"""
import tensorflow as tf
{before}
in_child(forks.check_tensorflow)
forks.check_tensorflow()
"""
    assert said(code).startswith(expected)
