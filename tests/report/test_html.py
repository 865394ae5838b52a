"""The HTML report: all there is to say, safe, the same every time."""

from __future__ import annotations

import io
from html.parser import HTMLParser

from rich.console import Console

from mobiledeploy.base.terminal import drawn
from mobiledeploy.report.html import to_html
from mobiledeploy.report.record import Report
from mobiledeploy.report.sections import sections


class Page(HTMLParser):
    """Collects text, tags, and everything that a browser would load."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.loaded: list[str] = []
        self.feed(content)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loaded += [name for name, _ in attributes if name in ("src", "href", "onclick", "onload")]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data.strip())


def test_the_page_is_whole_in_itself_and_runs_nothing(full_report: Report) -> None:
    page = Page(to_html(full_report))
    assert not page.open and not page.loaded and "script" not in page.tags and "svg" in page.tags
    assert "<script>alert(1)</script> & more" in page.words


def test_the_page_and_the_terminal_say_all_of_every_section(full_report: Report) -> None:
    page, screen = Page(to_html(full_report)), io.StringIO()
    terminal = Console(file=screen, width=300)  # with markup, as a careless caller would have it
    for section in sections(full_report):
        terminal.print(drawn(section))
        cells = [cell for row in section.rows for cell in row.values()]
        for text in (section.title, *section.columns, *section.notes, *cells):
            assert not str(text) or str(text) in page.words, text
            assert str(text) in screen.getvalue(), text
    assert "misses it" in page.words


def test_the_page_begins_with_the_verdict(full_report: Report) -> None:
    words = [word for word in Page(to_html(full_report)).words if word]
    at = words.index("Warnings")
    assert all(failure in words[:at] for failure in full_report.failures) and full_report.failures
    plain = Report(full_report.model, full_report.weights, full_report.settings, full_report.checked_on)
    words = Page(to_html(plain)).words
    assert "All checks passed." in words and "Warnings" not in words and "Checks" not in words


def test_the_same_report_gives_the_same_bytes(full_report: Report) -> None:
    assert to_html(full_report) == to_html(full_report)
