import pytest
from toy_tuning import make_results

from kfer.tuning.results import Results


@pytest.fixture
def results() -> Results:
    """Fourteen trials, two of which failed."""
    return make_results()
