from kfer.comparison import provenance


def test_what_was_typed_and_whose_versions_count_is_kept():
    made = dict(provenance.made("python -m kfer.comparison toy.py", ("numpy",)))
    assert made["command"] == "python -m kfer.comparison toy.py"
    assert "kfer " in made["versions"] and "numpy 2." in made["versions"]
