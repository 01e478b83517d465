"""Tasks of toy networks, for every test that builds one."""

from kfer.settings import TaskSettings


def tasks(
    expressions: int = 3, expression: float = 1.0, identity: float = 0.1, label_smoothing: float = 0.05
) -> dict[str, TaskSettings]:
    """Expression with a number of classes, and identity, with weights."""
    names = tuple(f"expression_{number}" for number in range(expressions))
    return {
        "expression": TaskSettings(
            names=names, weight=expression, loss_arguments={"label_smoothing": label_smoothing}
        ),
        "identity": TaskSettings(
            "embedding", weight=identity, loss_arguments={"margin": 0.2, "scale": 24.0}
        ),
    }
