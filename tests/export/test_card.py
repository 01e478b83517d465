from pathlib import Path

from kfer.export.card import write_card
from kfer.settings import ExportSettings, TaskSettings

TASKS = {
    "expression": TaskSettings(names=("calm", "glad")),
    "identity": TaskSettings("embedding"),
    "gaze": TaskSettings("regression", ("yaw",)),
}
INTERVAL = {"value": 0.5, "low": 0.4, "high": 0.625}
EVALUATION = {
    "threshold": {"threshold": 0.4567, "false_accept_rate": 0.01, "true_accept_rate": 0.75},
    "tasks": {
        "expression": {"num_examples": 1200, "intervals": {"accuracy": INTERVAL}},
        "identity": {"num_pairs": 6000, "intervals": {"accuracy": INTERVAL}},
    },
    "slices": [
        {
            "attribute": "pose",
            "slice": "left",
            "task": "expression",
            "num_examples": 12,
            "small": True,
            "figures": {"accuracy": INTERVAL, "macro_f1": {"value": None, "low": None, "high": None}},
        }
    ],
}
PARITY = {
    "saved_model": {"num_images": 500, "max_probability_difference": 0.0},
    "int8": {
        "num_images": 500,
        "max_probability_difference": 0.0312,
        "top_class_agreement": 0.98,
        "accuracy_change": -0.0042,
        "verification_accuracy_change": 0.001,
        "embedding_cosine_min": 0.9931,
    },
}


def card(folder: Path, settings: ExportSettings, evaluation: dict) -> str:
    path = folder / "MODEL_CARD.md"
    sources = {"fer2013": 28_709, "lfw": 9_617}
    datasets = {"fer2013": "kfer_fer2013/1.0.0", "lfw": "kfer_lfw/1.1.0"}
    write_card(path, "faces", TASKS, settings, 48, sources, datasets, evaluation, PARITY)
    return path.read_text()


def test_the_card_says_what_a_model_is(tmp_path: Path) -> None:
    text = card(tmp_path, ExportSettings(data_license="CC BY 4.0", intended_use="Plays."), EVALUATION)
    assert text.startswith("# Model card: faces\n\nA network for faces of 48 pixels")
    for line in (
        "- `expression`: the probability of each class: calm, glad.",
        "- `embedding`: a vector of length 1; the cosine of two of them says how alike two faces are.",
        "- `gaze`: numbers in the unit of the labels: yaw.",
        "- fer2013 (kfer_fer2013/1.0.0): 28,709 training images.",
        "Licence of the data: CC BY 4.0.",
        "| expression | accuracy | 0.500 | 0.400 to 0.625 | 1,200 images |",
        "| identity | accuracy | 0.500 | 0.400 to 0.625 | 6,000 pairs |",
        "| expression | pose | left | accuracy | 0.500 | 0.400 to 0.625 | 12 (few) |",
        "| SavedModel | 500 | 0 |  |  |  |  |  |",
        "| int8.tflite | 500 | 0.031 | 0.980 | -0.42 |  | 0.9931 | +0.10 |",
        "## Intended use\n\nPlays.",
    ):
        assert f"{line}\n" in text, line
    assert "a cosine of 0.457. It was chosen on held-out people" in text
    assert "where 75.0% of genuine pairs were accepted" in text


def test_what_was_not_measured_is_left_out(tmp_path: Path) -> None:
    text = card(tmp_path, ExportSettings(), {"threshold": None, "tasks": {}, "slices": []})
    assert "## Slices" not in text and "## Figures" not in text
    assert "not stated (export.data_license" in text
    assert "## Intended use\n\nResearch and products" in text


def test_the_card_says_where_weights_come_from_and_whom_they_know(tmp_path: Path) -> None:
    settings = ExportSettings(license="MIT", pretrained_on="X's network (CC0)", limits="No children.")
    text = card(tmp_path, settings, EVALUATION | {"threshold": None})
    assert "photographs.\nTraining started from X's network (CC0).\n\nLicence of the data: " in text
    assert "\nLicence of these weights: MIT.\n" in text
    assert text.endswith("are not listed.\n- No children.\n")
    assert "thresholds.json beside this card, where `kfer calibrate` wrote it, says" in text


def test_a_task_that_no_test_image_is_labelled_for_has_no_figures(tmp_path: Path) -> None:
    evaluation = EVALUATION | {"tasks": EVALUATION["tasks"] | {"identity": None}}
    text = card(tmp_path, ExportSettings(), evaluation)
    assert "| expression | accuracy |" in text and "| identity | accuracy |" not in text


def test_texts_from_outside_are_no_markup(tmp_path: Path) -> None:
    settings = ExportSettings(
        data_license="none<script>alert(1)</script>\n\n## Figures\n\nAll are perfect",
        intended_use="# Mine\n<img src=x>",
    )
    tasks = {**TASKS, "expression": TaskSettings(names=("<b>calm</b>", "gl|ad"))}
    path = tmp_path / "MODEL_CARD.md"
    slices = [{**EVALUATION["slices"][0], "slice": "<i>left\n## Limits"}]
    evaluation = {**EVALUATION, "slices": slices}
    write_card(path, "faces", tasks, settings, 48, {"a<b": 1}, {"a<b": "[x](y)"}, evaluation, PARITY)
    text = path.read_text()
    assert "<script" not in text and "<img" not in text and "<b" not in text and "<i>" not in text
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Outputs",
        "## Data",
        "## Figures",
        "## Slices",
        "## Exports against the Keras network",
        "## Intended use",
        "## Limits",
    ]
    assert "none&lt;script&gt;alert(1)&lt;/script&gt; ## Figures All are perfect." in text


def test_the_card_says_what_the_network_knows(tmp_path: Path) -> None:
    path = tmp_path / "MODEL_CARD.md"
    for sources, words in (
        ({"lfw": 2}, "The training images were photographs.\n"),
        (
            {"synthetic": 2},
            "The training images were drawn. It was trained on drawn faces alone: what it says of "
            "photographs means nothing.\n",
        ),
    ):
        datasets = dict(zip(sources, sources, strict=True))
        write_card(path, "faces", TASKS, ExportSettings(), 48, sources, datasets, EVALUATION, PARITY)
        assert words in path.read_text()
