import json
from pathlib import Path

import pytest

from kfer.documents.claims import claim
from kfer.files import DamagedError


def test_a_folder_has_one_owner(tmp_path: Path) -> None:
    claim(tmp_path / "new", "study", "mine")
    claim(tmp_path / "new", "study", "mine")
    with pytest.raises(ValueError, match=r"holds the study 'mine', this one is 'yours': give another"):
        claim(tmp_path / "new", "study", "yours")
    assert json.loads((tmp_path / "new" / "study.json").read_text()) == {"name": "mine"}


@pytest.mark.parametrize("content", ["{}", '{"name": 3}', '{"name": "a\\nb"}'])
def test_a_damaged_claim_names_the_field(tmp_path: Path, content: str) -> None:
    (tmp_path / "study.json").write_text(content)
    with pytest.raises(DamagedError, match=r"study\.json is damaged \(.*name.*restore it"):
        claim(tmp_path, "study", "mine")
