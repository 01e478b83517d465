"""What the fuzzer damages: for each kind of file, a whole one, how to damage it, and who reads it."""

import bz2
import functools
import gzip
import io
import json
import lzma
import pickle
import struct
import sys
import tarfile
import tempfile
import wave
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import mutations
import numpy as np
from PIL import Image

from kfer.datasets import archives

ADVICE = "take another file"


@dataclass(frozen=True)
class Reader:
    """A kind of file.

    Attributes:
        file: Its path in the folder that `read` takes.
        make: Returns whole files, any of which is damaged.
        read: Reads all that is in the file in a folder.
        damage: Returns a damaged file.
        others: Files beside it, which stay whole.
        beside: Makes such files.
        share: How often it is tried, beside others.
        is_refused: Whether whole files are refused too.
    """

    file: str
    make: Callable[[], list[bytes]]
    read: Callable[[Path], object]
    damage: mutations.Mutation = mutations.damaged_bytes
    others: dict[str, bytes] = field(default_factory=dict)
    beside: Callable[[], dict[str, bytes]] = dict
    share: float = 1.0
    is_refused: bool = False


def _image(mode: str = "RGB") -> Image.Image:
    levels = np.random.default_rng(0).integers(0, 256, (24, 32, 4), np.uint8)
    image = Image.fromarray(levels, "RGBA")
    if mode in ("I;16", "F"):
        deep = levels[..., 0] * np.uint16(257) if mode == "I;16" else levels[..., 0] / np.float32(255)
        return Image.fromarray(deep)
    return image.convert(mode)


def _picture(kind: str, *modes: str, **options: object) -> Callable[[], list[bytes]]:
    def made() -> list[bytes]:
        found = []
        for mode in modes:
            file = io.BytesIO()
            _image(mode).save(file, kind, **options)
            found.append(file.getvalue())
        return found

    return made


def _files() -> dict[str, bytes]:
    (png,) = _picture("PNG", "RGB")()
    return {"a/1.png": png, "a/2.png": png[:400], "b/notes.txt": b"words " * 300}


def _zips() -> list[bytes]:
    found = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            for name, content in _files().items():
                archive.writestr(name, content)
        found.append(file.getvalue())
    return found


def _tar(form: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for name, content in _files().items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            if form == tarfile.PAX_FORMAT:
                info.pax_headers = {"comment": "words " * 200, "path": name}
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def _tars() -> list[bytes]:
    return [_tar(form) for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]


def _archive(folder: Path) -> None:
    (path,) = folder.iterdir()
    names = archives.list_files(path, ADVICE)
    list(archives.read_files(path, lambda _: True, ADVICE))
    for name in names[:1]:
        with archives.file_in(path, name, ADVICE) as copy:
            copy.read_bytes()


def _pth() -> list[bytes]:
    def text(value: object) -> bytes:
        return pickle.dumps(value, 2)[2:-1]

    def tensor(key: str) -> bytes:
        storage = (
            b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu") + text(6) + b"tQ"
        )
        whole = (
            b"(" + storage + text(0) + text((2, 3)) + text((3, 1)) + b"\x89ccollections\nOrderedDict\n)Rt"
        )
        return b"ctorch._utils\n_rebuild_tensor_v2\n" + whole + b"R"

    state = b"\x80\x02ccollections\nOrderedDict\n)R"
    for number in range(4):
        state += text(f"layer{number}.weight") + tensor(str(number)) + b"s"
    state += b"."
    numbers = np.arange(6, dtype="<f4").tobytes()
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("net/data.pkl", state)
        archive.writestr("net/byteorder", "little")
        for number in range(4):
            archive.writestr(f"net/data/{number}", numbers)
    head = b"".join(
        pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    )
    keys = pickle.dumps([str(number) for number in range(4)], 2)
    return [zipped.getvalue(), head + state + keys + 4 * (struct.pack("<q", 6) + numbers)]


def _read_pth(folder: Path) -> None:
    from kfer.pretrained import pth

    for array in pth.read(folder / "a.pth").values():
        array.sum()


def _damaged_pth(content: bytes, generator: np.random.Generator) -> bytes:
    damage = mutations.damaged_zip if content.startswith(b"PK") else mutations.damaged_bytes
    return damage(content, generator)


def _dlib() -> list[bytes]:
    sys.path.append(str(Path(__file__).parents[1]))
    import toy_dlib

    return [toy_dlib.network(), toy_dlib.network(1, (2, 3), (1, 1), 4)]


def _read_dlib(folder: Path) -> None:
    from kfer.pretrained import dlib

    for array in dlib.read(folder / "a.dat").values():
        array.sum()


def _safetensors() -> list[bytes]:
    from safetensors.numpy import save

    return [save({"a.weight": np.ones((3, 4), np.float32), "b.bias": np.zeros(5, np.float16)})]


def _read_safetensors(folder: Path) -> None:
    from kfer.pretrained import state_dicts

    state_dicts._read_safetensors(folder / "a.safetensors")


def _hdf5() -> list[bytes]:
    import h5py

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.h5"
        with h5py.File(path, "w") as file:
            for layer in ("conv2d", "dense"):
                group = file.create_group(f"layers/{layer}/vars")
                group.attrs["name"] = layer
                group["0"] = np.ones((3, 4), np.float32)
                group["1"] = np.ones(4, np.float32)
        return [path.read_bytes()]


def _keras() -> list[bytes]:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", _hdf5()[0])
    return [file.getvalue()]


def _read_keras(folder: Path) -> None:
    from kfer.files import named_if_damaged
    from kfer.pretrained import keras_files

    (path,) = folder.iterdir()
    with tempfile.TemporaryDirectory() as copies, named_if_damaged(path, ADVICE):
        found = keras_files._read(path, Path(copies))
        for array in found.arrays.values():
            if array.dtype.kind == "f":
                array.sum()


def _description() -> dict[str, object]:
    return {
        "name": "faces",
        "weights": "5e1f",
        "kfer_version": "1.0",
        "image_size": 48,
        "channels": 1,
        "expressions": ["calm", "glad"],
        "embedding_size": 8,
        "tasks": {
            "expression": {"kind": "classes", "names": ["calm", "glad"], "temperature": 1.5},
            "identity": {"kind": "embedding", "names": []},
        },
        "alignment": {"margin": -0.06, "shift": 0.07},
        "verification": {
            "threshold": 0.31,
            "false_accept_rate": 0.01,
            "measured_false_accept_rate": 0.009,
        },
        "training_images": {"synthetic": 100},
        "trained_on": {"drawn": 1.0},
        "clip": {"frames": 8, "state_size": 4},
    }


def _text(content: object) -> Callable[[], list[bytes]]:
    return lambda: [json.dumps(content).encode()]


def _read_model(folder: Path) -> None:
    from kfer.inference import pushed

    pushed.find(folder)
    pushed.all_models(folder.parent)


def _thresholds() -> dict[str, object]:
    ends = {"value": 0.4, "low": 0.3, "high": 0.5}
    each = {"false_accept_rate": 0.01, "threshold": ends, "true_accept_rate": ends}
    return {
        "weights": "5e1f",
        "thresholds": [each | {"measured_false_accept_rate": ends, "reliable": True}] * 2,
        "num_genuine": 10,
        "num_impostor": 20,
    }


def _read_thresholds(folder: Path) -> None:
    from kfer.inference import thresholds

    thresholds.calibrated(folder, "5e1f")


def _generator() -> dict[str, object]:
    return {
        "name": "drawer",
        "weights": "5e1f",
        "image_size": 48,
        "channels": 1,
        "noise_size": 16,
        "classes": {"expression": ["calm", "glad"]},
        "files": {"a.tflite": {"sha256": "0" * 64, "bytes": 4}},
    }


def _read_generator(folder: Path) -> None:
    from kfer.generator import description

    description.read(folder)


def _recording() -> list[bytes]:
    model = {"name": "faces/1", "fingerprint": "5e1f", "tasks": _description()["tasks"]}
    face = {
        "track": 1,
        "quality": 0.9,
        "expressions": {"calm": 0.2, "glad": 0.8},
        "name": None,
        "similarity": None,
    }
    frames = [{"frame": n, "seconds": n / 25, "faces": [face | {"outputs": {}}]} for n in range(5)]
    frames[0]["model"] = model
    return [b"\n".join(json.dumps(frame).encode() for frame in frames) + b"\n"]


def _read_recording(folder: Path) -> None:
    from kfer.inference import observations

    observations.read(folder / "a.jsonl")


def _read_json(folder: Path) -> None:
    from kfer import files

    files.read_json(folder / "a.json")


def _table(*rows: str) -> Callable[[], list[bytes]]:
    return lambda: ["\n".join(rows).encode() + b"\n"]


def _read_labels(folder: Path) -> None:
    from kfer.datasets import label_table

    table = folder / "labels.csv"
    own = label_table.columns(table, ("expression", "identity"), ADVICE)
    files = ("a/1.png", "a/2.png", "b/3.png")
    label_table.read(table, files, folder, own, ("happy", "sad"), "image", ADVICE)


def _read_pair_table(folder: Path) -> None:
    from kfer.commands import pair_list

    pair_list.read_pairs(folder / "pairs.csv", folder, 10, 0)


def _read_lfw(folder: Path) -> None:
    from kfer.datasets import lfw

    lfw.read_pairs(folder / "pairs.txt")


def _read_fer(folder: Path) -> None:
    from kfer.datasets import fer2013

    list(fer2013._read_csv(folder / "fer2013.csv", "Training"))


def _read_votes(folder: Path) -> None:
    from kfer.datasets import fer2013

    fer2013._read_votes(folder, True)


def _read_boxes(folder: Path) -> None:
    from kfer.datasets import vggface2

    vggface2._read_boxes(folder, "train")("n000002/0001_01")


def _wavs() -> list[bytes]:
    found = []
    for width, channels in ((1, 1), (2, 2), (3, 1), (4, 1)):
        file = io.BytesIO()
        with wave.open(file, "wb") as written:
            written.setnchannels(channels)
            written.setsampwidth(width)
            written.setframerate(8000 if width != 2 else 16_000)
            written.writeframes(np.random.default_rng(0).bytes(width * channels * 800))
        found.append(file.getvalue())
    return found


def _read_wav(folder: Path) -> None:
    from kfer.media import sound

    sound.read_wav(folder / "a.wav")


def _video(ending: str, code: str) -> Callable[[], list[bytes]]:
    def made() -> list[bytes]:
        import cv2

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"a{ending}"
            writer = cv2.VideoWriter(
                str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*code), 25, (64, 48)
            )
            for number in range(8):
                writer.write(np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8))
            writer.release()
            return [path.read_bytes()]

    return made


def _read_video(folder: Path) -> None:
    from kfer.media.frames import Video

    (path,) = folder.iterdir()
    for number, _ in enumerate(Video(path)):
        if number == 30:
            break


def _metadata() -> list[bytes]:
    from kfer.pipeline.artifacts import Schema
    from kfer.pipeline.metadata import MetadataStore

    with tempfile.TemporaryDirectory() as folder:
        store = MetadataStore(Path(folder))
        for _ in range(5):
            run = store.start_run("toy", json.dumps({"settings": "words " * 100}))
            execution = store.start_execution(run, "SchemaGen", "key", {})
            store.complete_execution(
                execution, {"schema": Schema(Path(folder) / "SchemaGen/schema/1")}, "done"
            )
            store.finish_run(run, "COMPLETE")
        store.close()
        return [(Path(folder) / "metadata.sqlite").read_bytes()]


def _read_metadata(folder: Path) -> None:
    from kfer.pipeline.metadata import MetadataStore

    store = MetadataStore(folder)
    try:
        for run in store.runs()[:20]:
            store.executions(run.id)
        store.find_outputs("SchemaGen")
        list(store.newest_executions("SchemaGen"))
        store.finish_run(store.start_run("toy", "{}"), "FAILED")
        store.interrupt_unfinished()
    finally:
        store.close()


def _galleries() -> list[bytes]:
    from kfer.inference.gallery import Gallery

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "people"
        gallery = Gallery("m", 8)
        for name in ("Ada", "Grace", "Zoë"):
            gallery.enroll(name, np.random.default_rng(len(name)).standard_normal((5, 8)))
        gallery.save(path)
        return [path.read_bytes()]


def _with_checksums(content: bytes) -> bytes:
    """A gallery whose checksums fit what is in it."""
    from kfer.inference.gallery import file

    end = len(content) - 4
    return content[:end] + bytes(file._checksums(memoryview(content), end))


def _read_gallery(folder: Path) -> None:
    from kfer.inference.gallery import Gallery

    gallery = Gallery.load(folder / "people")
    gallery.identify(np.ones((1, gallery.embedding_size)) / gallery.embedding_size**0.5, k=2)


def _read_picture(folder: Path) -> None:
    from kfer.media import pictures

    (path,) = folder.iterdir()
    pictures.read(path)
    pictures.as_stored(path.read_bytes(), str(path))


def _with_png_checksums(content: bytes) -> bytes:
    """A PNG whose chunks' checksums fit what is in them."""
    numbers, place = bytearray(content), 8
    while place + 12 <= len(numbers):
        (size,) = struct.unpack_from(">I", numbers, place)
        end = place + 8 + size
        if end + 4 > len(numbers):
            break
        struct.pack_into(">I", numbers, end, zlib.crc32(numbers[place + 4 : end]))
        place = end + 4
    return bytes(numbers)


def _pgm() -> list[bytes]:
    return [b"P5\n# words\n32 24\n255\n" + np.random.default_rng(0).bytes(32 * 24)]


def _read_pgm(folder: Path) -> None:
    from kfer.datasets import pgm

    pgm.to_png((folder / "a.pgm").read_bytes())


def _npy() -> list[bytes]:
    file = io.BytesIO()
    np.save(file, np.zeros((2, 4, 4, 3), np.uint8))
    return [file.getvalue()]


def _read_npy(folder: Path) -> None:
    from kfer.inference import __main__ as command

    np.asarray(command._read_images(folder / "a.npy")).sum()


def _checkpoint() -> list[bytes]:
    file = io.BytesIO()
    content = np.array(json.dumps({"run": {"epochs": 1}, "history": [{"loss": 1.0}]}))
    np.savez(file, json=content, network_0=np.ones((3, 4), np.float32), network_1=np.ones(4, np.float32))
    return [file.getvalue()]


def _read_checkpoint(folder: Path) -> None:
    from kfer.training import checkpoint

    found = checkpoint.load(folder, {"epochs": 1})
    found.restore("network", [_Variable((3, 4)), _Variable((4,))])  # type: ignore[list-item]


class _Variable:
    """What a checkpoint restores, without Keras."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape, self.dtype = shape, "float32"

    def assign(self, value: np.ndarray) -> None:
        np.broadcast_to(value, self.shape)


def _statistics() -> list[bytes]:
    from tensorflow_metadata.proto.v0 import statistics_pb2

    found = statistics_pb2.DatasetFeatureStatisticsList()
    data = found.datasets.add(name="train", num_examples=10)
    for name in ("image", "expression"):
        feature = data.features.add(name=name)
        feature.string_stats.unique = 3
        feature.string_stats.common_stats.num_non_missing = 10
    return [found.SerializeToString()]


def _read_statistics(folder: Path) -> None:
    from kfer.data_validation import files

    files.load_statistics(folder)


def _schema() -> list[bytes]:
    lines = ['feature {\n  name: "image"\n  type: BYTES\n  presence { min_fraction: 1.0 }\n}\n'] * 4
    return ["".join(lines).encode()]


def _read_schema(folder: Path) -> None:
    from kfer.data_validation import files

    files.load_schema(folder)


def _records() -> list[bytes]:
    from kfer.input_pipeline import records

    (png,) = _picture("PNG", "RGB")()
    example = {"image": png, "filename": "a.png", "expression": 1, "identity": 2, "source": 0}
    with tempfile.TemporaryDirectory() as folder:
        records.write_examples([example] * 4, Path(folder))
        (path,) = Path(folder).iterdir()
        return [path.read_bytes()]


def _read_records(folder: Path) -> None:
    from kfer.input_pipeline import records

    records.count_records(folder)
    list(records.iterate_examples(folder))


def _tflite() -> list[bytes]:
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([1, 4, 4, 3], tf.uint8, "image")])
    def share(image: tf.Tensor) -> dict[str, tf.Tensor]:
        colours = tf.reduce_sum(tf.cast(image, tf.float32), axis=(1, 2))
        return {"expression": colours / tf.reduce_sum(colours, axis=-1, keepdims=True)}

    module = tf.Module()
    module.function = share
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, {"serving_default": share})
        return [tf.lite.TFLiteConverter.from_saved_model(folder).convert()]


@functools.cache
def _exported() -> dict[str, bytes]:
    """The files of a SavedModel."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None, 4, 4, 3], tf.uint8, "images")])
    def share(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"expression": tf.reduce_mean(tf.cast(images, tf.float32), axis=(1, 2))}

    module = tf.Module()
    module.function = share
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, {"image_tensor": share})
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _saved_model() -> list[bytes]:
    return [_exported()["saved_model.pb"]]


def _read_export(folder: Path) -> None:
    from kfer.inference import runtime

    (tflite,) = [*folder.glob("*.tflite")] or [folder]
    runner = runtime.load(tflite)
    runner(np.zeros((1, 4, 4, 3), np.uint8))


def _pushed(name: str) -> dict[str, bytes]:
    """A `model.json` that knows no such content of the file."""
    files = {name: {"sha256": "0" * 64, "bytes": 4}}
    return {"model.json": json.dumps(_description() | {"files": files}).encode()}


def _onnx() -> list[bytes]:
    """The bytes of a network of one addition, in ONNX's own encoding."""

    def part(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    node = part(1, b"x") + part(1, b"x") + part(2, b"y") + part(4, b"Add")
    shape = part(1, b"\x08\x01") + part(1, b"\x08\x03")
    value = part(2, part(1, b"\x08\x01" + part(2, shape)))
    graph = (
        part(1, node) + part(2, b"g") + part(11, part(1, b"x") + value) + part(12, part(1, b"y") + value)
    )
    return [b"\x08\x08" + part(7, graph) + part(8, b"\x10\x11")]


def _read_onnx(folder: Path) -> None:
    from kfer.inference.detection.yunet import YuNet

    YuNet(folder / "a.onnx")


def _pairs_csv() -> list[bytes]:
    return [b"first,second,same\na/1.png,a/2.png,1\na/1.png,b/3.png,0\n"]


_LABELS = (
    "filename,expression,identity,split",
    "a/1.png,happy,1,train",
    "a/2.png,sad,2,train",
    "b/3.png,sad,3,test",
)
_VOTES = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
_PICTURES = {"a/1.png": b"1", "a/2.png": b"2", "b/3.png": b"3"}

_DAMAGED_PNG = mutations.damaged_sums(_with_png_checksums)

READERS = {
    "zip": Reader("a.zip", _zips, _archive, mutations.damaged_zip),
    "tar": Reader("a.tar", _tars, _archive, mutations.damaged_tar),
    "tar.gz": Reader(
        "a.tgz", lambda: list(map(gzip.compress, _tars())), _archive, mutations.damaged_gzip
    ),
    "tar.bz2": Reader("a.tbz", lambda: list(map(bz2.compress, _tars())), _archive, share=0.5),
    "tar.xz": Reader("a.txz", lambda: list(map(lzma.compress, _tars())), _archive, share=0.5),
    "pth": Reader("a.pth", _pth, _read_pth, _damaged_pth, share=2),
    "dlib": Reader("a.dat", _dlib, _read_dlib),
    "safetensors": Reader("a.safetensors", _safetensors, _read_safetensors),
    "weights.h5": Reader("a.weights.h5", _hdf5, _read_keras, share=0.4),
    "keras": Reader("a.keras", _keras, _read_keras, mutations.damaged_zip, share=0.2),
    "model.json": Reader(
        "model.json",
        _text(_description()),
        _read_model,
        mutations.damaged_json,
        {"float32.tflite": b"\0\0\0\0TFL3"},
    ),
    "thresholds.json": Reader(
        "thresholds.json", _text(_thresholds()), _read_thresholds, mutations.damaged_json
    ),
    "generator.json": Reader(
        "generator.json", _text(_generator()), _read_generator, mutations.damaged_json
    ),
    "recording": Reader("a.jsonl", _recording, _read_recording, mutations.damaged_json),
    "json": Reader("a.json", _text(_description()), _read_json, mutations.damaged_json),
    "labels.csv": Reader("labels.csv", _table(*_LABELS), _read_labels, mutations.damaged_csv, _PICTURES),
    "pairs.csv": Reader("pairs.csv", _pairs_csv, _read_pair_table, mutations.damaged_csv, _PICTURES),
    "pairs.txt": Reader(
        "pairs.txt",
        _table("1\t2", "Ada\t1\t2", "Zoe\t1\t3", "Ada\t1\tZoe\t1", "Ada\t2\tZoe\t3"),
        _read_lfw,
    ),
    "fer2013.csv": Reader(
        "fer2013.csv",
        _table("emotion,pixels,Usage", *[f"{n},{' '.join(['128'] * 2304)},Training" for n in (0, 3)]),
        _read_fer,
        mutations.damaged_csv,
        share=0.5,
    ),
    "fer2013new.csv": Reader(
        "ferplus/fer2013new.csv",
        _table(
            _VOTES, "Training,fer0000000.png,4,0,0,1,3,2,0,0,0,0", "Training,fer1.png,0,9,0,0,0,0,0,0,0,1"
        ),
        _read_votes,
        mutations.damaged_csv,
    ),
    "boxes.csv": Reader(
        "loose_bb_train.csv",
        _table("NAME_ID,X,Y,W,H", '"n000002/0001_01",161,140,224,324', '"n000002/0002_01",20,30,40,50'),
        _read_boxes,
        mutations.damaged_csv,
    ),
    "wav": Reader("a.wav", _wavs, _read_wav),
    "mp4": Reader("a.mp4", _video(".mp4", "mp4v"), _read_video, share=0.5),
    "avi": Reader("a.avi", _video(".avi", "MJPG"), _read_video, share=0.5),
    "mkv": Reader("a.mkv", _video(".mkv", "MJPG"), _read_video, share=0.5),
    "webm": Reader("a.webm", _video(".webm", "VP80"), _read_video, share=0.5),
    "flv": Reader("a.flv", _video(".flv", "FLV1"), _read_video, share=0.5),
    "mpg": Reader("a.mpg", _video(".mpg", "MPG1"), _read_video, share=0.5),
    "sqlite": Reader("metadata.sqlite", _metadata, _read_metadata),
    "gallery": Reader(
        "people", _galleries, _read_gallery, mutations.damaged_sums(_with_checksums), share=1.5
    ),
    "png": Reader("a.png", _picture("PNG", "RGB", "L", "P", "RGBA", "I;16"), _read_picture, _DAMAGED_PNG),
    "jpeg": Reader("a.jpg", _picture("JPEG", "RGB", "L", "CMYK"), _read_picture),
    "webp": Reader("a.webp", _picture("WEBP", "RGB", "RGBA"), _read_picture),
    "bmp": Reader("a.bmp", _picture("BMP", "RGB", "L", "P"), _read_picture),
    "gif": Reader("a.gif", _picture("GIF", "P"), _read_picture),
    "tiff": Reader("a.tif", _picture("TIFF", "RGB", "L", "F", "I;16"), _read_picture),
    "ppm": Reader("a.ppm", _picture("PPM", "RGB", "L"), _read_picture),
    "pgm": Reader("a.pgm", _pgm, _read_pgm),
    "npy": Reader("a.npy", _npy, _read_npy),
    "npz": Reader("checkpoint.npz", _checkpoint, _read_checkpoint, mutations.damaged_zip),
    "statistics": Reader("FeatureStats.pb", _statistics, _read_statistics),
    "schema": Reader("schema.pbtxt", _schema, _read_schema),
    "tfrecord": Reader("data_tfrecord-00000-of-00001", _records, _read_records, share=0.3),
    "tflite": Reader("a.tflite", _tflite, _read_export, share=0.01),
    "pushed tflite": Reader(
        "a.tflite", _tflite, _read_export, others=_pushed("a.tflite"), share=0.5, is_refused=True
    ),
    "saved model": Reader("saved_model.pb", _saved_model, _read_export, beside=_exported, share=0.002),
    "pushed saved model": Reader(
        "saved_model.pb",
        _saved_model,
        _read_export,
        others=_pushed("saved_model.pb"),
        share=0.5,
        is_refused=True,
    ),
    "onnx": Reader("a.onnx", _onnx, _read_onnx, is_refused=True),
}
