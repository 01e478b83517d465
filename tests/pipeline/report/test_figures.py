from kfer.pipeline.report import figures


def interval(value, low, high):
    return {"value": value, "low": low, "high": high}


def row(name, count, small=False, task="eyes", **values):
    sizes = {"num_examples": count} | ({"num_pairs": 9} if task == "identity" else {})
    return {
        "attribute": "head_pose",
        "slice": name,
        "task": task,
        "small": small,
        "figures": values,
        **sizes,
    }


EVALUATION = {
    "expression": None,
    "tasks": {
        "eyes": {
            "kind": "classes",
            "num_examples": 90,
            "accuracy": 0.8,
            "intervals": {"accuracy": interval(0.8, 0.7, 0.9)},
            "drawn": "people",
            "num_drawn": 1200,
        },
        "angles": {
            "kind": "regression",
            "num_examples": 5,
            "root_mean_squared_error": 2.5,
            "pearson": None,
            "intervals": {"mean_absolute_error": interval(12.0, None, None)},
            "drawn": "examples",
            "num_drawn": 5,
        },
        "brows": None,
        "identity": {
            "kind": "embedding",
            "num_pairs": 9,
            "intervals": {"accuracy": interval(0.9, 0.8, 1.0)},
            "drawn": "pairs",
            "num_drawn": 9,
        },
    },
    "slices": [
        row("left", 60, accuracy=interval(0.9, 0.85, 1.0), macro_f1=interval(0.5, 0.4, 0.6)),
        row("right", 30, accuracy=interval(0.6, 0.5, 0.7)),
        row("up", 3, True, accuracy=interval(0.5, 0.0, 1.0)),
        row("left", 20, True, task="identity", accuracy=interval(0.7, None, None)),
    ],
    "worst_slices": [
        {"attribute": "head_pose", "task": "eyes", "figure": "accuracy", "slice": "right"},
        {"attribute": "head_pose", "task": "eyes", "figure": "macro_f1", "slice": "left"},
    ],
    "calibration": {"eyes": {"temperature": 1.5}},
}


def test_figures_are_written_with_their_intervals():
    tasks = figures.judged_tasks(EVALUATION, 1000)
    assert tasks["eyes"]["intervals"] == {
        "accuracy": figures.Figure("accuracy", "80.0%", "70.0% to 90.0%")
    }
    assert tasks["eyes"]["drawn"] == "1,200 people 1,000 times"
    angles = tasks["angles"]
    assert angles["intervals"]["mean_absolute_error"] == figures.Figure("mean absolute error", "12", "")
    assert angles["means"] == [
        figures.Figure("root mean squared error", "2.5"),
        figures.Figure("Pearson's correlation", "–"),  # noqa: RUF001
    ]
    assert tasks["brows"] == {"title": "Brows", "report": None}


def test_shares_of_votes_are_percent_and_divergence_is_not():
    votes = {"agreement": 0.5, "highest_agreement": 0.75, "divergence": 0.25, "cross_entropy": 1.0}
    report = EVALUATION["tasks"]["eyes"] | {"kind": "soft_classes", "votes": votes}
    (task,) = figures.judged_tasks({"tasks": {"age": report}}, 10).values()
    assert [figure.value for figure in task["means"]] == ["50.0%", "75.0%", "0.25"]


def test_further_tasks_are_those_without_a_section_of_their_own():
    def titles(evaluation):
        tasks = figures.judged_tasks(evaluation, 1)
        return [task["title"] for task in figures.further_tasks(tasks, evaluation)]

    assert titles(EVALUATION) == ["Eyes", "Angles", "Brows"]
    judged = {"expression": EVALUATION["tasks"]["eyes"], **EVALUATION["tasks"]}
    assert titles(EVALUATION | {"tasks": judged})[0] == "Expression"  # of numbers, for one
    assert titles(EVALUATION | {"tasks": judged, "expression": {}})[0] == "Expression"
    assert titles(EVALUATION | {"tasks": judged, "expression": {"accuracy": 1}})[0] == "Eyes"


def test_slices_are_placed_on_the_scale_of_their_column():
    (table, _) = figures.slice_tables(EVALUATION)["head pose"]
    assert table.task == "Eyes" and table.columns == ["accuracy", "macro F1"]
    # The lowest number of the column is 0, the highest 1.
    left, right, up = (row.cells[0] for row in table.rows)
    assert (left.low, left.at, left.high) == (85, 90, 100)
    assert (right.low, right.at, right.high) == (50, 60, 70)
    assert table.everything is not None and table.everything.sizes == [90]
    everything = table.everything.cells[0]
    assert everything is not None and (everything.low, everything.at, everything.high) == (70, 80, 90)
    assert table.rows[1].cells[1] is None and table.everything.cells[1] is None
    assert [cell.is_worst for cell in (left, right, up)] == [False, True, False]
    assert table.rows[0].cells[1].is_worst and not everything.is_worst
    assert [row.is_small for row in table.rows] == [False, False, True]


def test_identity_has_pairs_and_no_row_of_all():
    table = figures.slice_tables(EVALUATION)["head pose"][1]
    assert table.everything is None
    (row,) = table.rows
    assert row.sizes == [20, 9]
    (cell,) = row.cells
    assert cell.figure.interval == "" and cell.low is None
    assert cell.at == 0  # the column's only number


def test_without_an_evaluation_there_is_nothing():
    assert figures.judged_tasks(None, 1) == {}
    assert figures.further_tasks({}, None) == []
    assert figures.slice_tables(None) == {}
    assert figures.calibrations(None) == []
