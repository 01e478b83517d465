import io
import os
import pickle
import re
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from kfer.pretrained import pickles, pth

FLOAT = "torch FloatStorage"


def named(name: str) -> bytes:
    """The pickle instruction that mentions "module name"."""
    return b"c" + name.replace(" ", "\n").encode() + b"\n"


def plain(value: Any) -> bytes:
    """The instructions that make a plain value."""
    return pickle.dumps(value, protocol=2)[2:-1]


def tensor(
    storage: str = FLOAT,
    key: str = "0",
    count: int = 6,
    offset: Any = 0,
    size: Any = (2, 3),
    stride: Any = (3, 1),
    rebuild: str = "torch._utils _rebuild_tensor_v2",
) -> bytes:
    description = b"(" + plain("storage") + named(storage) + plain(key) + plain("cpu") + plain(count)
    arguments = b"(" + description + b"tQ" + plain(offset) + plain(size) + plain(stride) + b"\x89"
    return named(rebuild) + arguments + named("collections OrderedDict") + b")RtR"


def state(**values: bytes) -> bytes:
    items = b"".join(plain(key) + value + b"s" for key, value in values.items())
    return b"\x80\x02" + named("collections OrderedDict") + b")R" + items + b"."


def archive(
    path: Path, pickled: bytes, order: str = "little", compression: int = 0, **storages: bytes
) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("net/data.pkl", pickled)
        file.writestr("net/byteorder", order)
        for key, content in storages.items():
            file.writestr(f"net/data/{key[1:]}", content)
    return path


SIX = np.arange(6, dtype="<f4").tobytes()


def test_both_formats_hold_what_torch_wrote(fixtures) -> None:
    wanted = load_file(fixtures / "densenet.safetensors")
    found = pth.read(fixtures / "densenet.pth")
    legacy = pth.read(fixtures / "densenet_legacy.pth")
    assert found.keys() == wanted.keys()
    for key, array in wanted.items():
        assert found[key].dtype == array.dtype
        np.testing.assert_array_equal(found[key], array)
        if not key.endswith("num_batches_tracked"):
            old_key = re.sub(r"(denselayer\d\.(norm|conv))", r"\1.", key)
            np.testing.assert_array_equal(legacy[old_key], array)


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize(
    ("storage", "dtype"),
    [("Float", "f4"), ("Double", "f8"), ("Half", "f2"), ("Long", "i8"), ("Short", "i2"), ("Byte", "u1")],
)
def test_types_and_byte_orders(tmp_path, order: str, storage: str, dtype: str) -> None:
    stored = np.arange(6, dtype=np.dtype(dtype).newbyteorder("<" if order == "little" else ">"))
    pickled = state(a=tensor(storage=f"torch {storage}Storage"))
    array = pth.read(archive(tmp_path / "a.pth", pickled, order, _0=stored.tobytes()))["a"]
    assert array.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(array, [[0, 1, 2], [3, 4, 5]])


def test_bfloat16_is_the_upper_half_of_float32(tmp_path) -> None:
    pickled = state(a=tensor(storage="torch BFloat16Storage", count=3, size=(3,), stride=(1,)))
    # 1.0 is 0x3F800000, -2.5 is 0xC0200000, infinity is 0x7F800000.
    content = struct.pack("<3H", 0x3F80, 0xC020, 0x7F80)
    array = pth.read(archive(tmp_path / "a.pth", pickled, _0=content))["a"]
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, [1.0, -2.5, np.inf])


def test_booleans(tmp_path) -> None:
    pickled = state(a=tensor(storage="torch BoolStorage", count=3, size=(3,), stride=(1,)))
    array = pth.read(archive(tmp_path / "a.pth", pickled, _0=b"\x01\x00\x01"))["a"]
    np.testing.assert_array_equal(array, [True, False, True])


def test_views_share_a_storage(tmp_path) -> None:
    pickled = state(
        transposed=tensor(size=(3, 2), stride=(1, 3)),
        last=tensor(offset=4, size=(2,), stride=(1,)),
        scalar=tensor(offset=5, size=(), stride=()),
        empty=tensor(size=(0, 3), stride=(3, 1)),
        parameter=named("torch._utils _rebuild_parameter") + b"(" + tensor() + b"\x88)tR",
        old=tensor(rebuild="torch._utils _rebuild_tensor").replace(
            b"\x89" + named("collections OrderedDict") + b")R", b""
        ),
    )
    arrays = pth.read(archive(tmp_path / "a.pth", pickled, _0=SIX))
    np.testing.assert_array_equal(arrays["transposed"], [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(arrays["last"], [4, 5])
    assert arrays["scalar"] == 5 and arrays["scalar"].shape == ()
    assert arrays["empty"].shape == (0, 3)
    for name in ("parameter", "old"):
        np.testing.assert_array_equal(arrays[name], [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize("wrapper", ["state_dict", "model"])
def test_the_state_within_a_training_checkpoint_is_taken(tmp_path, wrapper: str) -> None:
    inner = state(a=tensor())[2:-1]
    optimizer = b"}" + plain("step") + tensor(key="1", size=(1,), stride=(1,)) + b"s"
    pickled = b"\x80\x02}" + plain("epoch") + plain(3) + b"s" + plain("optimizer") + optimizer + b"s"
    pickled += plain(wrapper) + inner + b"s."
    assert list(pth.read(archive(tmp_path / "a.pth", pickled, _0=SIX))) == ["a"]


class Command:
    """Runs a command where a pickle of it is loaded."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.reduced = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.reduced


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("function", [os.system, eval, exec, getattr])
def test_whatever_is_no_tensor_is_refused_and_not_run(
    tmp_path, function: Any, zipped: bool, nested: bool, protocol: int
) -> None:
    trap = tmp_path / "trap"
    code = f"touch {trap}" if function is os.system else f"open({str(trap)!r}, 'w')"
    command: Any = Command(function, code)
    content = OrderedDict(a=[{"b": (1, command)}]) if nested else command
    pickled = pickle.dumps(content, protocol=protocol)
    path = tmp_path / "a.pth"
    if zipped:
        archive(path, pickled)
    else:
        head = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
        path.write_bytes(b"".join(pickle.dumps(part, 2) for part in head) + pickled)
    # The instructions of the oldest protocols are in text, which torch never wrote.
    name = "posix.system" if function is os.system else f"{function.__name__}'"
    with pytest.raises(ValueError, match=name if protocol >= 2 else "refuses"):
        pth.read(path)
    assert not trap.exists()


@pytest.mark.parametrize(
    ("instructions", "match"),
    [
        (named("os system") + plain(("true",)) + b"R.", "refuses 'os.system'"),
        (named("builtins eval") + b".", "refuses 'builtins.eval'"),
        (named("torch load") + b".", "refuses 'torch.load'"),
        (named("collections OrderedDict.fromkeys") + b".", "refuses 'collections.OrderedDict.fromkeys'"),
        (named(FLOAT) + b")R.", "refuses the call of 'torch.FloatStorage'"),
        (plain("text") + b")R.", "refuses the call of 'str'"),
        (named("collections OrderedDict") + plain((1, 2)) + b"R.", "refuses the call .* 2 arguments"),
        (named("collections OrderedDict") + plain(([1],)) + b"R.", "other than pairs"),
        (named("torch._utils _rebuild_tensor_v2") + b"}b.", "has a Global where a dict belongs"),
        (tensor() + b"}b.", "has a Tensor where a dict belongs"),
        (b"(i" + b"os\nsystem\n.", "refuses the pickle instruction INST"),
        (named("collections OrderedDict") + b")\x81.", "refuses the pickle instruction NEWOBJ"),
        (b"\x82\x01.", "refuses the pickle instruction EXT1"),
        (b"}" + plain((1,)) + b"Ns.", "a key is a tuple"),
        (plain("module") + b"\x85Q.", "refers to something that is no storage"),
        (b"j\xff\xff\xff\x7f.", "is damaged"),
        (b"r\xff\xff\xff\x7f.", "is damaged"),
        (b"t.", "is damaged"),
        (b"]", "exhausted"),
        (plain([1, 2]) + b".", "holds a list, not a state dictionary"),
        (plain({"a": 1}) + b".", "has no tensors"),
    ],
)
def test_other_instructions_are_refused(tmp_path, instructions: bytes, match: str) -> None:
    path = archive(tmp_path / "a.pth", b"\x80\x02" + instructions, _0=SIX)
    with pytest.raises(ValueError, match=match) as caught:
        pth.read(path)
    assert str(path) in str(caught.value)


def test_a_pickle_has_a_largest_size(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(pickles, "_LARGEST_PICKLE", 1024)
    with pytest.raises(ValueError, match="its pickle is larger than 1,024 bytes"):
        pth.read(archive(tmp_path / "a.pth", b"\x80\x02" + b"]" * 1024 + b"."))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"offset": 1}, "reaches beyond"),
        ({"size": (2, 4)}, "reaches beyond"),
        ({"stride": (4, 1)}, "reaches beyond"),
        # Would show few numbers many times.
        ({"size": (1000, 1000), "stride": (0, 0)}, "reaches beyond"),
        ({"stride": (-3, 1)}, "no number in range"),
        ({"offset": -1}, "no number in range"),
        ({"offset": 2**62}, "no number in range"),
        ({"size": (2.0, 3)}, "no number in range"),
        ({"size": (6,)}, "1 sizes and 2 strides"),
        ({"size": (1,) * 17, "stride": (1,) * 17}, "17 sizes"),
        ({"count": 7}, "24 bytes; expected 7 numbers"),
        ({"key": "../0"}, "has no 'net/data/../0'"),
        ({"storage": "torch ComplexFloatStorage"}, "refuses 'torch.ComplexFloatStorage'"),
        ({"storage": "collections OrderedDict"}, "unknown type"),
    ],
)
def test_a_tensor_stays_within_its_storage(tmp_path, changes: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        pth.read(archive(tmp_path / "a.pth", state(a=tensor(**changes)), _0=SIX))


def test_a_storage_has_one_length(tmp_path) -> None:
    pickled = state(a=tensor(), b=tensor(count=7))
    with pytest.raises(ValueError, match="storage '0' has two types or lengths"):
        pth.read(archive(tmp_path / "a.pth", pickled, _0=SIX))


def test_a_compressed_archive_could_be_a_bomb(tmp_path) -> None:
    with pytest.raises(ValueError, match="is compressed, which torch's files never are"):
        pth.read(archive(tmp_path / "a.pth", state(a=tensor()) + b" " * 10_000, compression=8, _0=SIX))


def test_a_member_cannot_be_larger_than_the_file(tmp_path) -> None:
    path = archive(tmp_path / "a.pth", state(a=tensor()), _0=SIX)
    content = bytearray(path.read_bytes())
    # Both stated sizes of the last member in the archive's directory.
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 20 : entry + 28] = struct.pack("<2I", 2**31, 2**31)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged"):
        pth.read(path)


def test_a_changed_byte_of_the_numbers_is_noticed(tmp_path) -> None:
    path = archive(tmp_path / "a.pth", state(a=tensor()), _0=SIX)
    path.write_bytes(path.read_bytes().replace(SIX, SIX[:-1] + b"\x01"))
    with pytest.raises(ValueError, match="CRC"):
        pth.read(path)


@pytest.mark.parametrize("name", ["densenet.pth", "densenet_legacy.pth"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9999])
def test_a_truncated_file_is_refused(fixtures, tmp_path, name: str, share: float) -> None:
    content = (fixtures / name).read_bytes()
    path = tmp_path / "cut.pth"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match=r"cut.pth is damaged"):
        pth.read(path)


def test_other_files_are_refused(tmp_path) -> None:
    path = tmp_path / "a.pth"
    path.write_text("<html>not found</html>")
    with pytest.raises(ValueError, match="neither a zip archive nor a stream of pickles"):
        pth.read(path)
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ValueError, match=r"not one of torch.save"):
        pth.read(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("readme", "")
    with pytest.raises(ValueError, match=r"expected one data.pkl .*; found 0"):
        pth.read(path)
    with pytest.raises(FileNotFoundError):
        pth.read(tmp_path / "nothing.pth")


def test_a_long_list_in_a_list_is_neither_deep_nor_slow(tmp_path) -> None:
    """A tuple of itself twice, forty times over, has 2 ** 40 leaves for whoever walks it."""
    twice = b")" + b"q\x00h\x00h\x00\x86" * 40 + b"."
    for instructions in (twice, b")" + b"\x85" * 100_000 + b"."):
        with pytest.raises(ValueError, match="holds a tuple"):
            pth.read(archive(tmp_path / "a.pth", b"\x80\x02" + instructions))


def test_broken_files_give_arrays_or_an_error(fixtures) -> None:
    script = Path(__file__).with_name("fuzz_pth.py")
    command = [sys.executable, script, fixtures, "250", "1"]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    refused = int(done.stdout.split()[0])
    # Changes in the legacy format's numbers cannot be noticed.
    assert 200 < refused < 250


def test_read_only_arrays_take_the_file_once(tmp_path) -> None:
    arrays = pth.read(archive(tmp_path / "a.pth", state(a=tensor(), b=tensor()), _0=SIX))
    assert np.shares_memory(arrays["a"], arrays["b"])
    assert not arrays["a"].flags.writeable
    assert io.BytesIO(arrays["a"].tobytes()).read() == SIX


def legacy(keys: Any) -> bytes:
    """A checkpoint of torch before 1.6 with one number and this list of storages."""
    head = b"".join(
        pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    )
    one = tensor(count=1, size=(1,), stride=(1,))
    return head + state(a=one) + pickle.dumps(keys, 2) + struct.pack("<qf", 1, 1.0)


def test_lists_that_take_forever_to_compare_are_refused(tmp_path) -> None:
    endless = []
    for _ in range(2):
        inner: list[Any] = [1]
        for _ in range(60):
            inner = [inner, inner]
        endless.append(inner)
    path = tmp_path / "a.pth"
    for keys in (endless, [1, "0"], ["0", "0"], ["1"], "0", {"0": 1}, None):
        path.write_bytes(legacy(keys))
        with pytest.raises(ValueError, match=r"a.pth is damaged \(the storages that it lists"):
            pth.read(path)
    path.write_bytes(legacy(["0"]))
    assert pth.read(path)["a"] == [1.0]


def test_a_list_that_is_made_a_dictionary_again_and_again_is_refused(tmp_path) -> None:
    pairs = b"](" + plain(("a", 1)) + b"q\x01" + b"h\x01" * 100_000 + b"e\x85q\x00"
    again = b"(" + (named("collections OrderedDict") + b"h\x00R") * 30 + b"t"
    with pytest.raises(ValueError, match="more pairs than it has bytes"):
        pth.read(archive(tmp_path / "a.pth", b"\x80\x02" + pairs + again + b"."))


def test_a_long_tuple_is_no_size(tmp_path) -> None:
    long = b"(" + b"K\x01" * 100_000 + b"t"
    many = tensor().replace(plain((2, 3)), long)
    with pytest.raises(ValueError, match="100000 sizes and 2 strides"):
        pth.read(archive(tmp_path / "a.pth", state(a=many), _0=SIX))


def test_the_first_format_of_torch_is_named(tmp_path) -> None:
    (tmp_path / "a.pth").write_bytes(bytes(257) + b"ustar" + bytes(250))
    with pytest.raises(
        ValueError, match=r"a.pth is damaged \(it is a tar, as torch wrote before 0\.1\.10"
    ):
        pth.read(tmp_path / "a.pth")
