from __future__ import annotations

from mobiledeploy.base.version import __version__
from mobiledeploy.bench.evaluation.page import made_by, page, table
from mobiledeploy.bench.evaluation.rows import Row

COLUMNS = {"half": lambda found: f"{found / 2:g}", "twice": lambda found: f"{found * 2}"}
ROWS = [Row(("a|b",), 3), Row(("c",), None, "InputError: no")]


def test_a_table_has_a_line_for_each_row_and_the_reason_of_a_failure() -> None:
    lines = table(["name"], COLUMNS, ROWS).splitlines()
    assert lines == [
        "| name | half | twice |",
        "| --- | --- | --- |",
        r"| a\|b | 1.5 | 6 |",
        "| c |  | no result: InputError: no |",
    ]


def test_an_aligned_table_is_the_same_with_columns_below_each_other() -> None:
    aligned = table(["name"], COLUMNS, ROWS, aligned=True).splitlines()
    assert len({line.rindex("|") for line in aligned}) == 1
    plain = table(["name"], COLUMNS, ROWS).splitlines()
    assert [line.split() for line in aligned[2:]] == [line.split() for line in plain[2:]]


def test_a_page_says_what_wrote_it_and_on_what() -> None:
    text = page("Title", "zoo --only net", "text", table(["name"], COLUMNS, ROWS))
    assert text.startswith("# Title\n\nWritten by `python -m mobiledeploy.bench.evaluation zoo --only net`")
    assert f"mobiledeploy {__version__}, torch {made_by()['packages']['torch']}" in text
    assert "logical cores" in text and "| name |" in text
