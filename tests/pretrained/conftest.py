from pathlib import Path

import pytest


@pytest.fixture
def fixtures() -> Path:
    """The folder of checkpoints that torch wrote: see tests/backbones/make_fixtures.py."""
    return Path(__file__).parents[1] / "backbones" / "fixtures"
