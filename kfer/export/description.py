"""The files that say what an exported model is: labels.txt and model.json."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import kfer
from kfer import knowledge, spec
from kfer.export.network import output_of
from kfer.machine import commit
from kfer.settings.tasks import Tasks


def write_labels(path: Path, labels: Sequence[str]) -> None:
    """Writes the names of a classifier's outputs: `labels_text` as a file.

    Raises:
        ValueError: There is no label, or one would not be exactly one line.
    """
    path.write_text(labels_text(labels), encoding="utf-8")


def labels_text(labels: Sequence[str]) -> str:
    """Returns the names of an output's numbers, one a line, in their order.

    Raises:
        ValueError: There is no label, or one would not be exactly one line.
    """
    bad = [label for label in labels if not label or label.splitlines() != [label]]
    if bad or not labels:
        raise ValueError(f"labels are one line of text each and at least one; got {list(labels)}")
    return "\n".join(labels) + "\n"


def write_model_json(
    path: Path,
    *,
    name: str,
    image_size: int,
    channels: int,
    tasks: Tasks,
    temperatures: Mapping[str, float],
    embedding_size: int | None,
    weights: str,
    alignment: Mapping[str, float],
    verification: Mapping[str, Any] | None,
    metrics: Mapping[str, Any],
    figures: Sequence[Mapping[str, Any]],
    parity: Mapping[str, Mapping[str, Any]],
    sources: Mapping[str, int],
    datasets: Mapping[str, str],
    contents: Mapping[str, Mapping[str, Any]],
    about: Mapping[str, str],
    clip: Mapping[str, Any] | None = None,
) -> None:
    """Writes what a user of the model must know, and lists the files beside it.

    Call it last: every file that lies in the folder of `path`, or below, is listed under its
    relative path with its "sha256" and its size in "bytes". "outputs" are the exports' outputs, "tasks"
    what each of them is, in the same order: its "kind" and "names", and for some its "temperature". The
    exports do not apply it: they say the probabilities p that the Evaluator's figures and the parity are
    of. Who needs probabilities that fit the accuracy takes p ** (1 / temperature) of each class, divided
    by the sum over the classes; of several labels, each label is the two classes p and 1 - p.

    Args:
        path: Where to write, `<model folder>/model.json`.
        name: The model's name.
        image_size: Height and width of the network's input in pixels.
        channels: 1 where the network sees grey, 3 for RGB. The exports take RGB either way.
        tasks: What the exports have an output for, in their order, from `exported_tasks`.
        temperatures: By task, those that the Evaluator fitted on the validation split.
        embedding_size: Numbers in an embedding; None without that task.
        weights: A digest of the network's weights: exports of which it is the same have embeddings that
            can be compared.
        alignment: What the network's images show around a face, as `kfer.inference.Crop` takes it.
        verification: The Evaluator's threshold, and how it was chosen; None without that task.
        metrics: The Evaluator's figures.
        figures: Those with an interval, from `figures_of`.
        parity: The `parity_report` of each export.
        sources: Training images by the name of their source.
        datasets: By the same names, the dataset's name and version.
        about: What no figure can say, as text: "license", "data_license", "pretrained_on", "limits" and
            "intended_use"; empty ones are left out.
        clip: Of a network of clips: the "frames" that it takes at once, and its "state_size", None where
            it has none.
        contents: Of TFLite files by name, `flatbuffer.contents`; it is told with the file.

    Raises:
        ValueError: A figure is not finite, so JSON cannot hold it.
    """
    description = {
        "name": name,
        "kfer_version": kfer.__version__,
        "commit": commit() or None,
        "image_size": image_size,
        "channels": channels,
        "expressions": list(tasks[spec.EXPRESSION].names) if spec.EXPRESSION in tasks else [],
        "outputs": [output_of(task, settings) for task, settings in tasks.items()],
        "tasks": {
            task: {"kind": settings.kind, "names": list(settings.names)}
            | ({"temperature": temperatures[task]} if task in temperatures else {})
            for task, settings in tasks.items()
        },
        "embedding_size": embedding_size,
        "preprocessing": {
            "outside": "RGB, 0 to 255, the face alone, upright, of image_size; int8 input: less 128",
            "inside": "grey by ITU-R BT.601 where channels is 1; then / 127.5 - 1",
        },
        "alignment": dict(alignment),
        "weights": weights,
        "training_images": dict(sources),
        "trained_on": knowledge.trained_on(sources, datasets),
        "datasets": dict(datasets),
        **{name: text for name, text in about.items() if text},
        "verification": verification,
        "metrics": metrics,
        "figures": list(figures),
        "parity": parity,
        **({"clip": dict(clip)} if clip else {}),
    }
    write_with_files(path, description, contents)


def write_with_files(
    path: Path, description: Mapping[str, Any], contents: Mapping[str, Mapping[str, Any]]
) -> None:
    """Writes a description of exports, and lists under "files" those that lie beside it and below.

    Args:
        path: Where to write.
        description: JSON-able.
        contents: Of TFLite files by name, `flatbuffer.contents`; it is told with the file.

    Raises:
        ValueError: A figure is not finite, so JSON cannot hold it.
    """
    folder = path.parent
    files = sorted(f for f in folder.rglob("*") if f.is_file() and f != path)
    listed = {
        name: {**_fingerprint(folder / name), **contents.get(name, {})}
        for name in (f.relative_to(folder).as_posix() for f in files)
    }
    text = json.dumps({**description, "files": listed}, indent=2, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _fingerprint(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"sha256": digest, "bytes": path.stat().st_size}
