import hashlib
import sys
import types

import pytest
import toy_dlib

from kfer import backbones, public_weights
from kfer.pipeline import early
from kfer.settings import ModelSettings

TOY = {"widths": (3, 4, 5), "blocks": (1, 2, 1)}


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    monkeypatch.delenv("KFER_HOME", raising=False)
    monkeypatch.setattr(public_weights, "_PACKAGE", "a_package_that_nobody_has")


@pytest.fixture
def content(monkeypatch) -> bytes:
    content = toy_dlib.network()
    monkeypatch.setattr(public_weights, "_SHA256", hashlib.sha256(content).hexdigest())
    return content


def test_where_it_is_nowhere_the_three_ways_are_said(nowhere) -> None:
    with pytest.raises(FileNotFoundError, match=r"pip install 'kfer\[faces\]'.*KFER_HOME.*its path"):
        public_weights.dlib()


def test_it_comes_from_kfer_home(nowhere, monkeypatch, tmp_path, content) -> None:
    (tmp_path / public_weights.FILENAME).write_bytes(content)
    monkeypatch.setenv("KFER_HOME", str(tmp_path))
    assert public_weights.dlib() == tmp_path / public_weights.FILENAME
    model = backbones.build("dlib_resnet", (40, 40, 1), "dlib", **TOY)
    assert model.get_layer("stem.conv").bias.shape == (3,)


def test_it_comes_from_the_package_of_the_extra(monkeypatch, tmp_path, content) -> None:
    monkeypatch.delenv("KFER_HOME", raising=False)
    package = tmp_path / "face_recognition_models"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('nothing of it is run')")
    (package / "models" / public_weights.FILENAME).write_bytes(content)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "face_recognition_models", raising=False)
    assert public_weights.dlib() == package / "models" / public_weights.FILENAME


def test_another_file_of_this_name_is_refused(nowhere, monkeypatch, tmp_path) -> None:
    (tmp_path / public_weights.FILENAME).write_bytes(toy_dlib.network())
    monkeypatch.setenv("KFER_HOME", str(tmp_path))
    with pytest.raises(ValueError, match="is not the published file: expected a SHA-256 of 55533b28"):
        public_weights.dlib()


def test_the_package_may_be_a_name_without_a_place(monkeypatch) -> None:
    monkeypatch.delenv("KFER_HOME", raising=False)
    found = types.SimpleNamespace(submodule_search_locations=None)
    monkeypatch.setattr(public_weights.importlib.util, "find_spec", lambda name: found)
    with pytest.raises(FileNotFoundError):
        public_weights.dlib()


def test_a_pipeline_says_so_before_its_first_component(nowhere) -> None:
    with pytest.raises(FileNotFoundError, match=r"pip install 'kfer\[faces\]'"):
        early.check_backbone(ModelSettings("dlib_resnet", weights="dlib"), "model")
