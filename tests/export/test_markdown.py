import pytest

from kfer.export.markdown import code, escaped, table, write_sections


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("CC BY 4.0, https://example.org/a_b", "CC BY 4.0, https://example.org/a_b"),
        ("none<script>alert(1)</script>", "none&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("a\n\n## Figures\n\nAll are perfect", "a ## Figures All are perfect"),
        ("# Figures", "\\# Figures"),
        ("- a", "\\- a"),
        ("12. a", "12\\. a"),
        ("===", "\\==="),
        ("[a](javascript:b)", "\\[a\\](javascript:b)"),
        ("![](x)", "!\\[\\](x)"),
        ("*a* `b` ~~c~~ _d_ e_f", "\\*a\\* \\`b\\` \\~\\~c\\~\\~ \\_d\\_ e_f"),
        ("a|b", "a\\|b"),
        ("&lt;b&gt;", "&amp;lt;b&amp;gt;"),
        ("a\x1b[31mb\u202ec", "a \\[31mb c"),
        ("\\", "\\\\"),
    ],
)
def test_nothing_from_outside_is_markup(text, shown):
    assert escaped(text) == shown


def test_code_holds_backticks():
    assert (code("a"), code("a`b"), code("`")) == ("`a`", "``a`b``", "`` ` ``")


def test_cells_and_titles_are_escaped(tmp_path):
    assert table(("a", "b"), [("x|y", "<i>")]) == ["| a | b |", "| --- | --- |", "| x\\|y | &lt;i&gt; |"]
    assert table(("a",), []) == []
    write_sections(tmp_path / "a.md", {"<b>": ["text"], "None": [], "Last": ["1", "2"]})
    assert (tmp_path / "a.md").read_text() == "# &lt;b&gt;\n\ntext\n\n## Last\n\n1\n2\n"
