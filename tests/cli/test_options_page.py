from __future__ import annotations

from pathlib import Path

from mobiledeploy.cli.options_page import options_page

PAGE = Path(__file__).parents[2] / "docs" / "options.md"


def test_the_page_of_options_is_what_the_declarations_say() -> None:
    command = "python -m mobiledeploy.cli.options_page > docs/options.md"
    assert PAGE.read_text() == options_page(), f"an option has changed; write the page anew: {command}"
