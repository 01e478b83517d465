import doctest
import importlib
import pkgutil

import pytest

from kfer import losses

MODULES = [module.name for module in pkgutil.iter_modules(losses.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_hold(name: str) -> None:
    outcome = doctest.testmod(importlib.import_module(f"kfer.losses.{name}"))
    assert outcome.failed == 0


def test_every_loss_has_an_example() -> None:
    functions = [function for function in vars(losses).values() if hasattr(function, "__code__")]
    assert len(functions) > 15
    without = {f.__name__ for f in functions if ">>>" not in f.__doc__}
    assert without == {"for_task", "distillation_for_task"}
