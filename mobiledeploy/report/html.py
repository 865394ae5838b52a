"""The report as one HTML page, whole in itself: for people who were not at the terminal.

It shows what ``report.json`` holds and nothing else, so that two runs with the same settings give the same
page.
"""

from __future__ import annotations

from pathlib import Path

import jinja2

from mobiledeploy.base.version import __version__
from mobiledeploy.report.record import Report
from mobiledeploy.report.sections import sections

__all__ = ["to_html"]


def to_html(report: Report) -> str:
    """Return the content of ``report.html``: no scripts, nothing that is loaded from elsewhere."""
    environment = jinja2.Environment(
        autoescape=True,
        keep_trailing_newline=True,
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    template = environment.get_template("report.html.jinja")
    return template.render(report=report, sections=sections(report), version=__version__)
