import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from toy_tasks import tasks

from kfer import backbones
from kfer.models import multitask
from kfer.pretrained import hdf5, load_weights
from kfer.settings import ModelSettings

TOY = {"widths": (4, 8)}


def compact(**arguments: object) -> keras.Model:
    network = backbones.build("compact", (16, 16, 1), **{**TOY, **arguments})
    generator = np.random.default_rng(len(network.weights))
    network.set_weights([generator.uniform(0.5, 1.5, w.shape) for w in network.get_weights()])
    return network


def zeroed(network: keras.Model) -> keras.Model:
    network.set_weights([np.zeros_like(weight) for weight in network.get_weights()])
    return network


def assert_same(first: keras.Model, second: keras.Model) -> None:
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def assert_refused(network: keras.Model, path: Path, match: str) -> None:
    before = [weight.tobytes() for weight in network.get_weights()]
    with pytest.raises(ValueError, match=match) as caught:
        load_weights(network, path)
    assert str(path) in str(caught.value)
    assert [weight.tobytes() for weight in network.get_weights()] == before


@pytest.fixture
def weights(tmp_path) -> Path:
    path = tmp_path / "compact.weights.h5"
    compact().save_weights(path)
    return path


@pytest.mark.parametrize("ending", [".weights.h5", ".keras"])
def test_a_network_that_was_saved_is_loaded(tmp_path, ending: str) -> None:
    network = compact()
    path = tmp_path / f"compact{ending}"
    network.save_weights(path) if ending == ".weights.h5" else network.save(path)
    loaded = zeroed(compact())
    load_weights(loaded, path)
    assert_same(network, loaded)


@pytest.mark.parametrize("ending", [".weights.h5", ".keras"])
def test_the_trunk_of_a_trained_model_is_taken(tmp_path, ending: str) -> None:
    settings = ModelSettings(backbone="compact", backbone_arguments=TOY)
    model = multitask.build(settings, 16, 1, tasks(), num_identities=4, seed=1)
    model.compile("adam")
    model.optimizer.build(model.trainable_variables)
    path = tmp_path / f"model{ending}"
    model.save_weights(path) if ending == ".weights.h5" else model.save(path)
    loaded = zeroed(compact())
    load_weights(loaded, path)
    assert_same(next(layer for layer in model.layers if isinstance(layer, keras.Model)), loaded)


def test_both_kinds_of_normalisation_take_each_others_weights(tmp_path) -> None:
    for fused in (True, False):
        network = compact(fused=fused)
        network.save_weights(tmp_path / "a.weights.h5")
        other = zeroed(compact(fused=not fused))
        load_weights(other, tmp_path / "a.weights.h5")
        assert_same(network, other)


def test_states_of_random_generators_stay(tmp_path) -> None:
    def network(seed: int) -> keras.Model:
        images = keras.Input((4,))
        return keras.Model(images, keras.layers.Dropout(0.5, seed=seed)(keras.layers.Dense(2)(images)))

    saved, loaded = network(1), network(2)
    saved.save_weights(tmp_path / "a.weights.h5")
    states = [np.array(variable) for variable in loaded.non_trainable_variables]
    load_weights(loaded, tmp_path / "a.weights.h5")
    np.testing.assert_array_equal(saved.layers[1].kernel, loaded.layers[1].kernel)
    for state, variable in zip(states, loaded.non_trainable_variables, strict=True):
        np.testing.assert_array_equal(state, variable)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (
            {"widths": (4, 6)},
            r"15 arrays have another shape. .*conv2d_3/vars/0\): expected \(3, 3, 4, 6\), got",
        ),
        ({"widths": (4, 8, 8)}, r"15 of the network's \d+ arrays are not in the file: .*layers/conv2d"),
        ({"widths": (4,)}, r"15 of the file's 30 arrays are not in the network: "),
        ({"squeeze_excitation": True}, "arrays are not in the file"),
    ],
)
def test_another_network_is_refused_before_anything_is_assigned(
    weights: Path, arguments: dict[str, object], match: str
) -> None:
    assert_refused(compact(**arguments), weights, match)


@pytest.mark.parametrize("length", [0, 100, 5000, -1])
def test_a_truncated_file_is_refused(weights: Path, length: int) -> None:
    weights.write_bytes(weights.read_bytes()[:length])
    assert_refused(compact(), weights, "is damaged")


def test_a_truncated_archive_is_refused(tmp_path) -> None:
    path = tmp_path / "a.keras"
    compact().save(path)
    path.write_bytes(path.read_bytes()[:-10_000])
    assert_refused(compact(), path, r"is damaged \(File is not a zip file")


def test_an_archive_without_weights_is_refused(tmp_path) -> None:
    path = tmp_path / "a.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    assert_refused(compact(), path, "no item named 'model.weights.h5\"?'")


def test_a_compressed_archive_could_be_a_bomb(tmp_path) -> None:
    path = tmp_path / "a.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", "0" * 10_000)
    assert_refused(compact(), path, r"model.weights.h5 is compressed")


def test_numbers_in_other_files_are_not_followed(weights: Path, tmp_path) -> None:
    name = "layers/conv2d/vars/0"
    with h5py.File(weights, "r") as file:
        kernel = file[name][...]
    (tmp_path / "raw").write_bytes(kernel.tobytes())
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["kernel"] = kernel

    def external_link(file: h5py.File) -> None:
        file[name] = h5py.ExternalLink(str(tmp_path / "other.h5"), "kernel")

    def soft_link(file: h5py.File) -> None:
        file[name] = h5py.SoftLink("/layers/conv2d_1/vars/0")

    def external_numbers(file: h5py.File) -> None:
        file.create_dataset(
            name, kernel.shape, kernel.dtype, external=[(str(tmp_path / "raw"), 0, kernel.nbytes)]
        )

    def virtual(file: h5py.File) -> None:
        layout = h5py.VirtualLayout(kernel.shape, kernel.dtype)
        layout[...] = h5py.VirtualSource(str(tmp_path / "other.h5"), "kernel", kernel.shape)
        file.create_virtual_dataset(name, layout)

    for change in (external_link, soft_link, external_numbers, virtual):
        with h5py.File(weights, "r+") as file:
            del file[name]
            change(file)
        assert_refused(compact(), weights, "'0' is a link|'0' has its numbers in another file")


def test_a_group_within_itself_ends(weights: Path) -> None:
    with h5py.File(weights, "r+") as file:
        file["layers/again"] = file["layers"]
    assert_refused(compact(), weights, "is in several places, as Keras's never are")


def test_nothing_in_an_archive_runs(tmp_path) -> None:
    """Keras's own loader would build the model, and with it what a Lambda layer holds."""
    path = tmp_path / "a.keras"
    network = compact()
    evil = keras.Model(network.input, keras.layers.Lambda(lambda values: values * 2)(network.output))
    evil.save(path)
    loaded = zeroed(compact())
    load_weights(loaded, path)
    assert_same(network, loaded)


def test_more_numbers_than_the_file_has_bytes_are_refused(weights: Path) -> None:
    name = "layers/conv2d/vars/0"
    for arguments in ({}, {"chunks": (1, 1, 1, 4)}):
        with h5py.File(weights, "r+") as file:
            del file[name]
            # Nothing of it is in the file: it would be made of zeros.
            file.create_dataset(name, (3, 3, 10**9, 4), "f4", **arguments)
        assert_refused(
            compact(), weights, r"'layers/conv2d/vars/0' says that it has 144,000,000,000 bytes"
        )


def test_compressed_numbers_could_be_a_bomb(weights: Path) -> None:
    with h5py.File(weights, "r+") as file:
        del file["layers/conv2d/vars/0"]
        file.create_dataset("layers/conv2d/vars/0", data=np.zeros((3, 3, 1, 4), "f4"), compression="gzip")
    assert_refused(compact(), weights, "'0' is compressed, which Keras never does")


@pytest.mark.parametrize("name", [np.bytes_(b"\xff"), 3.0, np.zeros(4)])
def test_a_layer_whose_name_is_none_is_refused(weights: Path, name: object) -> None:
    with h5py.File(weights, "r+") as file:
        file["layers/conv2d/vars"].attrs["name"] = name
    assert_refused(compact(), weights, "is damaged .*the name of a layer is no text")


def test_deep_groups_are_refused(weights: Path) -> None:
    with h5py.File(weights, "r+") as file:
        file.create_group("/".join(["a"] * 80))
    assert_refused(compact(), weights, "groups deeper than 64")


@pytest.mark.parametrize(
    ("script", "match"),
    [
        ("import os; os.kill(os.getpid(), 11)", r"it crashes the HDF5 library \(SIGSEGV\)"),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGXCPU)",
            "reading it takes more time or memory",
        ),
        ("import sys; sys.exit('no memory')", "HDF5 says nothing of it; no memory"),
    ],
)
def test_what_ends_the_reading_process_is_told(
    weights: Path, tmp_path, monkeypatch, script: str, match: str
) -> None:
    (tmp_path / "reader.py").write_text(script)
    monkeypatch.setattr("kfer.pretrained.hdf5.__file__", str(tmp_path / "reader.py"))
    assert_refused(compact(), weights, rf"compact.weights.h5 is damaged \({match}")


def test_reading_for_ever_ends(weights: Path, monkeypatch, tmp_path) -> None:
    """The process limits itself to a time of its processor."""
    reader = Path(hdf5.__file__).read_text()
    (tmp_path / "reader.py").write_text(
        reader.replace("_SECONDS, _BYTES_A_SECOND = 5,", "_SECONDS, _BYTES_A_SECOND = 1,").replace(
            "    return _arrays(file", "    while True: pass\n    return _arrays(file"
        )
    )
    monkeypatch.setattr("kfer.pretrained.hdf5.__file__", str(tmp_path / "reader.py"))
    assert_refused(compact(), weights, "takes more time or memory than a file of its size should")


def test_a_lower_limit_of_the_system_is_kept(weights: Path, monkeypatch, tmp_path) -> None:
    limited = "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (3, 3))\n"
    (tmp_path / "reader.py").write_text(limited + Path(hdf5.__file__).read_text())
    monkeypatch.setattr("kfer.pretrained.hdf5.__file__", str(tmp_path / "reader.py"))
    loaded = zeroed(compact())
    load_weights(loaded, weights)
    assert_same(compact(), loaded)
