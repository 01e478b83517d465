"""What variants are compared by."""

from dataclasses import dataclass

from kfer import spec
from kfer.study.settings import FALSE_ACCEPT_RATE


@dataclass(frozen=True)
class Figure:
    """Something that variants are compared by; higher is better.

    Attributes:
        name: Its column in tables.
        task: Whose it is.
        key: Its name among the intervals of differences, and of the Evaluator's report of the task where
            that has it.
        title: Its words.
    """

    name: str
    task: str
    key: str
    title: str

    @property
    def drawn(self) -> str:
        """What is drawn for its interval."""
        return "pairs" if self.task == spec.IDENTITY else "images"


_TAR = f"tar_at_far_{FALSE_ACCEPT_RATE:g}"
#: Those of every study, which the Evaluator reports; `kfer.study.recalls` has further ones.
FIGURES = (
    Figure("expression_accuracy", spec.EXPRESSION, "accuracy", "expression accuracy"),
    Figure("expression_macro_f1", spec.EXPRESSION, "macro_f1", "expression macro F1"),
    Figure("verification_accuracy", spec.IDENTITY, "accuracy", "verification accuracy"),
    Figure(_TAR, spec.IDENTITY, _TAR, f"TAR at FAR {FALSE_ACCEPT_RATE:.0%}"),
)
