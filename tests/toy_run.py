"""A run of the pipeline that trained nothing: its artifacts are plausible, for tests of its report."""

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np

from kfer import evaluation, spec
from kfer.input_pipeline import Decoded
from kfer.pipeline import artifacts
from kfer.pipeline.dag import build
from kfer.pipeline.metadata import MetadataStore
from kfer.pipeline.runner import RunResult
from kfer.settings import (
    DataSettings,
    EvaluationSettings,
    PipelineSettings,
    SourceSettings,
    TaskSettings,
    default_tasks,
)

SIZE = 48
SIZES = {"train": 420, "validation": 120, "test": 210}
#: Tasks beside expression and identity, and the names of what examples are sliced by.
FURTHER = {
    "action_units": TaskSettings("multi_label", ("inner brow raiser", "lip corner puller", "jaw drop")),
    "angles": TaskSettings("regression", ("yaw", "pitch")),
    "age": TaskSettings("soft_classes", ("child", "adult", "elderly")),
}
NAMES = {
    "source": ("faces", "people"),
    "pose": ("left", "straight", "right", "up"),
    "eyes": ("open", "sunglasses"),
}
MOUTHS = {"happy": 9, "sad": -8, "angry": -5, "disgust": -4, "fear": 3, "surprise": 6, "neutral": 0}


def draw(expression: int, identity: int, rng: np.random.Generator) -> np.ndarray:
    """A plain face, uint8 [SIZE, SIZE, 1]."""
    name = spec.EXPRESSIONS[expression] if expression >= 0 else "neutral"
    skin, width = 120 + identity * 17 % 110, 14 + identity % 5
    image = np.full((SIZE, SIZE), 30 + identity * 23 % 90, np.uint8)
    cv2.ellipse(image, (24, 25), (width, 20), 0, 0, 360, skin, -1, cv2.LINE_AA)
    cv2.ellipse(image, (24, 10), (width, 8), 0, 180, 360, 20 + identity * 31 % 80, -1, cv2.LINE_AA)
    open_eye = 4 if name in ("surprise", "fear") else 2
    for x in (17, 31):
        cv2.ellipse(image, (x, 22), (4, open_eye), 0, 0, 360, 245, -1, cv2.LINE_AA)
        cv2.circle(image, (x, 22), 2, 20, -1, cv2.LINE_AA)
        tilt = (4 if x < 24 else -4) if name in ("angry", "disgust") else 0
        cv2.line(image, (x - 4, 16 - tilt // 2), (x + 4, 16 + tilt // 2), 25, 1, cv2.LINE_AA)
    curve = [(x, int(36 + MOUTHS[name] * (1 - ((x - 24) / 8) ** 2) / 2)) for x in range(16, 33)]
    cv2.polylines(image, [np.array(curve)], name == "surprise", 40, 2, cv2.LINE_AA)
    return np.clip(image + rng.normal(0, 5, image.shape), 0, 255).astype(np.uint8)[..., None]


def write(artifact: artifacts.Artifact, name: str, value: object) -> None:
    (artifact.path / name).write_text(value if isinstance(value, str) else json.dumps(value))


def fill_transform(made: dict[str, artifacts.Artifact], rng: np.random.Generator) -> None:
    examples = made["transformed_examples"]
    assert isinstance(examples, artifacts.TransformedExamples)
    examples.write_labels(
        {
            "labels": {
                "expression": {"kind": "classes", "names": spec.EXPRESSIONS},
                "identity": {"kind": "embedding", "names": ()},
            },
            "sources": ["faces", "people"],
            "num_identities": 40,
            "num_examples": SIZES,
            "num_pairs": 0,
        }
    )
    for split, count in SIZES.items():
        folder = examples.split(split)
        folder.mkdir()
        source = (np.arange(count) % 3 == 2).astype(np.int32)
        shares = np.array([4, 1, 3, 7, 5, 4, 3]) / 27
        expression = np.where(source == 0, rng.choice(7, count, p=shares), -1).astype(np.int32)
        start, people = (0, 40) if split == "train" else (40, 12)
        identity = start + np.minimum(rng.geometric(0.08, count) - 1, people - 1).astype(np.int32)
        identity[(source == 0) & (np.arange(count) % 2 == 0)] = -1
        images = [draw(int(e), max(int(i), 0), rng) for e, i in zip(expression, identity, strict=True)]
        np.save(folder / "images.npy", np.stack(images))
        for name, values in (("expression", expression), ("identity", identity), ("source", source)):
            np.save(folder / f"{name}.npy", values)
        np.save(folder / "filename.npy", np.array([f"{index}.png" for index in range(count)]))


class Network:
    """Says of each image what it is told to."""

    def __init__(self, images: np.ndarray, outputs: dict[str, np.ndarray]) -> None:
        self.output = outputs
        self._positions = {image.tobytes(): position for position, image in enumerate(images)}

    def predict_on_batch(self, images: np.ndarray) -> dict[str, np.ndarray]:
        positions = [self._positions[image.tobytes()] for image in images]
        return {name: output[positions] for name, output in self.output.items()}


def read_split(folder: Path, rng: np.random.Generator) -> Decoded:
    """The examples of a split, with labels for `FURTHER` and for slices."""
    names = ("images", "expression", "identity", "source", "filename")
    arrays = {name: np.load(folder / f"{name}.npy") for name in names}
    count = len(arrays["images"])
    units = rng.integers(0, 2, (count, 3)).astype(np.float32)
    units[: count // 4, 1] = np.nan
    angles = rng.normal(0, 20, (count, 2)).astype(np.float32)
    angles[-count // 3 :] = np.nan
    further = {
        "action_units": units,
        "angles": angles,
        "age": rng.multinomial(10, [0.2, 0.5, 0.3], count).astype(np.float32) / 10,
        "pose": rng.choice(5, count, p=[0.2, 0.3, 0.34, 0.04, 0.12]).astype(np.int32) - 1,
        "eyes": (rng.random(count) < 0.35).astype(np.int32),
    }
    return Decoded(**arrays, further=further)


def say(examples: Decoded, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A network's outputs for examples: often right, less so with sunglasses."""
    count = len(examples)
    seen = 1.0 - 0.6 * examples.label("eyes")[:, np.newaxis]
    people = np.random.default_rng(0).normal(0, 0.25, (100, 16))[np.maximum(examples.identity, 0)]
    embedding = people + rng.normal(0, 0.22, (count, 16)) / seen
    votes = examples.label("age")
    return {
        "expression": rng.normal(0, 1, (count, 7))
        + 4 * seen * np.eye(7)[np.maximum(examples.expression, 0)],
        "embedding": embedding / np.linalg.norm(embedding, axis=1, keepdims=True),
        "action_units": rng.normal(0, 1, (count, 3))
        + 2 * seen * np.nan_to_num(2 * examples.label("action_units") - 1),
        "angles": 0.8 * np.nan_to_num(examples.label("angles")) + rng.normal(0, 4, (count, 2)) / seen,
        "age": rng.normal(0, 0.7, votes.shape) + 5 * votes,
    }


def judge(made: dict[str, artifacts.Artifact], root: Path, settings: PipelineSettings) -> None:
    rng = np.random.default_rng(8)
    folder = next((root / "Transform" / "transformed_examples").iterdir())
    test, validation = (read_split(folder / f"Split-{split}", rng) for split in ("test", "validation"))
    said = [say(examples, rng) for examples in (test, validation)]
    network = Network(
        np.concatenate([test.images, validation.images]),
        {name: np.concatenate([outputs[name] for outputs in said]) for name in said[0]},
    )
    report, predictions = evaluation.evaluate(
        network, test, validation, None, settings.tasks, NAMES, settings.evaluation
    )
    write(made["evaluation"], "evaluation.json", {**report, "judged_on": "3"})
    np.savez(made["evaluation"].path / "predictions.npz", **predictions)
    verdict = evaluation.bless(report["metrics"], settings.evaluation, report["metrics"])
    write(made["blessing"], "checks.json", {"reasons": verdict.reasons, "checks": verdict.checks})


def compare(difference: float, settings: PipelineSettings) -> dict[str, object]:
    """The parity of an export whose probabilities are as far from Keras's."""
    further: dict[str, dict[str, object]] = {}
    for name, task in settings.tasks.items():
        if name in FURTHER:
            further[name] = {"kind": task.kind, "max_probability_difference": difference}
            further[name]["mean_probability_difference"] = difference / 8
            if task.kind == "regression":
                numbers = {"max_difference": 40 * difference, "mean_difference": difference}
                further[name] = {"kind": task.kind, **numbers, "largest_number": 52.5}
    return {
        "num_images": 200,
        "max_probability_difference": difference,
        "top_class_agreement": 1 - difference / 4,
        "accuracy_change": None if difference == 4e-4 else -difference / 20,
        "embedding_cosine_min": 1 - difference / 10,
        "tasks": further,
    }


def history(settings: PipelineSettings) -> str:
    """The figures of twelve epochs in two stages; with further tasks, their weights change."""
    rows = []
    for epoch in range(1, 13):
        fall = 0.8**epoch
        row = {
            "epoch": epoch,
            "stage": 1 + (epoch > 4),
            "trainable_parameters": 4321 if epoch > 4 else 321,
        }
        row |= {"loss": 2 + 9 * fall, "expression_loss": 0.4 + 1.5 * fall, "identity_loss": 1 + 12 * fall}
        for number, name in enumerate(settings.tasks):
            row.setdefault(f"{name}_loss", 0.3 + fall / number if number else 0)
            row[f"{name}_weight"] = 1 + 0.3 * number * (len(settings.tasks) > 2) * (1 - fall)
        row |= {"expression_accuracy": 0.8 - 0.6 * fall, "learning_rate": 0.0041 * np.cos(epoch / 8)}
        row["images_per_second"] = 900 + 50 * np.sin(epoch)
        row["val_expression_accuracy"] = 0.75 - 0.5 * fall if epoch > 1 else ""
        row |= {
            "val_expression_macro_f1": 0.7 - 0.5 * fall,
            "val_verification_accuracy": 0.9 - 0.4 * fall,
        }
        if "angles" in settings.tasks:
            row |= {"val_angles_mae": 4 + 16 * fall, "val_angles_ccc": 0.9 - 0.9 * fall}
        rows.append(row)
    return "\n".join([",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]) + "\n"


def fill(name: str, made: dict[str, artifacts.Artifact], root: Path, settings: PipelineSettings) -> str:
    rng = np.random.default_rng(7)
    if name == "ExampleValidator":
        found = [
            {
                "feature": "expression",
                "severity": "ERROR",
                "short": "No labels",
                "description": "no label in <validation>",
            },
            {
                "feature": "image",
                "severity": "WARNING",
                "short": "Training images in the test split",
                "description": "3 test images are training images: 1.png, 2.png, 3.png",
            },
        ]
        write(made["anomalies"], "anomalies.json", found)
    elif name == "Transform":
        fill_transform(made, rng)
    elif name == "Tuner":
        trials = [
            {
                "trial": str(i),
                "values": {"training.learning_rate": rate},
                "score": score,
                "failure": "",
                # The rate that the schedule ended with must not stand for the trial's.
                "figures": {"epoch": 1.0, "learning_rate": 0.0, "val_expression_accuracy": score},
            }
            for i, (rate, score) in enumerate([(0.002, 0.71), (0.0041, 0.78), (0.0007, 0.64)])
        ]
        write(made["tuner_results"], "trials.json", trials)
        write(made["best_hyperparameters"], "best_values.json", {"training.learning_rate": 0.0041})
    elif name == "Trainer":
        write(made["model_run"], "history.csv", history(settings))
        facts = {"backbone": "compact", "num_parameters": 2812345, "num_examples": 420}
        facts |= {"num_identities": 40, "epochs": 12, "values": {"training.learning_rate": 0.0041}}
        facts["stages"] = [
            {
                "epochs": epochs,
                "unfreeze": unfreeze,
                "learning_rate_factor": factor,
                "trainable_parameters": 4321 - frozen,
                "frozen_parameters": frozen,
            }
            for epochs, unfreeze, factor, frozen in (
                (4, [], 1.0, 4000),
                (8, ["layer3", "layer4"], 0.1, 0),
            )
        ]
        write(made["model_run"], "training.json", facts)
    elif name == "Evaluator":
        judge(made, root, settings)
    elif name == "InfraValidator":
        differences = {"saved_model": 2e-7, "float32": 3e-6, "float16": 4e-4, "int8": 0.07}
        parity = {name: compare(difference, settings) for name, difference in differences.items()}
        write(made["infra_blessing"], "parity.json", {"parity": parity, "reasons": []})
        for variant, size in (("float32", 112000), ("float16", 56000), ("int8", 29700)):
            (made["serving_model"].path / f"{variant}.tflite").write_bytes(bytes(size))
        (made["serving_model"].path / "saved_model.pb").write_bytes(bytes(140000))
    elif name == "Pusher":
        write(made["pushed_model"], "pushed.json", {"path": "/models/synthetic/1", "reasons": []})
    return f"what {name} said"


def settings_with(
    expressions: tuple[str, ...] = spec.EXPRESSIONS, **further: TaskSettings
) -> PipelineSettings:
    """Settings of a run with expression, identity and some of `FURTHER`; with these, sliced."""
    sources = (SourceSettings("faces"), SourceSettings("people"))
    tasks = default_tasks()
    tasks["expression"] = dataclasses.replace(tasks["expression"], names=expressions)
    slices = ("pose", "eyes") if further else ()
    return PipelineSettings(
        name="toy",
        tasks=tasks | further,
        data=DataSettings(sources=sources),
        evaluation=EvaluationSettings(slices=slices, resamples=100, max_pairs=1000),
    )


def make_run(root: Path, settings: PipelineSettings, last: str = "Pusher") -> RunResult:
    """A run whose components up to `last` left plausible artifacts."""
    store, outputs = MetadataStore(root), {}
    number = store.start_run(settings.name, "{}")
    for node in build(settings, root):
        execution = store.start_execution(number, node.name, "key", {})
        outputs[node.name] = {
            name: kind(root / node.name / name / str(execution))
            for name, kind in node.component.outputs.items()
        }
        for artifact in outputs[node.name].values():
            artifact.path.mkdir(parents=True)
        said = fill(node.name, outputs[node.name], root, settings)
        store.complete_execution(execution, outputs[node.name], said)
        if node.name == last:
            break
    store.close()
    return RunResult(number, outputs, dict.fromkeys(outputs, "COMPLETE"), dict.fromkeys(outputs, 1.0))
