import re

import pytest

from kfer.datasets import naming


def test_allowed_name_is_returned():
    assert naming.check_name("sad", ("happy", "sad"), "The label") == "sad"


def test_wrong_name_is_told_with_the_allowed_and_the_nearest():
    with pytest.raises(ValueError, match=r"The label is 'Hapy'; .* happy, sad\. .*'happy'\?"):
        naming.check_name("Hapy", ("happy", "sad"), "The label")


def test_name_unlike_any_gets_no_suggestion():
    with pytest.raises(ValueError, match=r"expected one of happy, sad\.$"):
        naming.check_name("xyz", ("happy", "sad"), "The label")


def test_names_of_another_form_are_listed():
    form = re.compile(r"\d+")
    naming.check_form(["1", "22"], form, "numbers", "here", "Get them.")
    with pytest.raises(ValueError, match=r"^here has a, 1b; expected numbers\. Get them\.$"):
        naming.check_form(["1", "a", "1b"], form, "numbers", "here", "Get them.")
    with pytest.raises(ValueError, match=r"^here has x, x, x, x, x and 2 more; expected"):
        naming.check_form(["x"] * 7, form, "numbers", "here", "Get them.")
