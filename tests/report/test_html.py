"""The HTML report: all there is to say, safe, the same every time."""

from __future__ import annotations

import math
from dataclasses import replace
from html.parser import HTMLParser

from mobiledeploy.quantize.explain.layer_findings import LayerFinding
from mobiledeploy.quantize.mixed.mixed_precision import BudgetStep, MixedPrecision
from mobiledeploy.quantize.mixed.sensitivity import LayerSensitivity
from mobiledeploy.report.html import to_html
from mobiledeploy.report.record import ArtifactRecord, Report
from mobiledeploy.runtime.partitions import OutsideOp, Partitions
from mobiledeploy.tasks.task import Figure
from mobiledeploy.verify.metrics import Difference
from mobiledeploy.verify.thresholds import Limit
from mobiledeploy.verify.verify import AccuracyReport, Check, LayerDifference

PARTITIONS = Partitions(2, 9, (OutsideOp("HARD_SWISH", "y", "not in int8"),))
DIFFERENCE = Difference(16, 0.1, 2.0, 24.5, 0.998)
MIXED = MixedPrecision(
    "at most 0.5 points of top-1 lost",
    "points of top-1 lost on 500 images",
    [
        BudgetStep("everything in int8", 0, 1.0, 18.0, 1.2, False),
        BudgetStep("head in float", 2, 1.1, math.inf, 0.0, True),
        BudgetStep("head back in int8", 1, 1.08, 22.0, 0.4, True),
        BudgetStep("stem back in int8", 1, 1.02, 19.0, 0.9, False),
    ],
    ["stem"],
    ["stem"],
    True,
    0.4,
)


def report() -> Report:
    return Report(
        model={"name": "net"},
        weights={"description": "w.pt"},
        settings={"samples": 64},
        checked_on="16 of 80 images",
        artifacts={"int8": ArtifactRecord("net_int8.tflite", 2_500_000, "ab", partitions=PARTITIONS)},
        checks=[Check("int8 TFLite", "fp32 TFLite", "y", DIFFERENCE, Limit("sqnr_db", 30))],
        layers=[LayerDifference("block", 12.34)],
        findings=[LayerFinding("block", "Conv", 12.3, 14.0, "range", "few values", "cut", ("next",))],
        sensitivity=[LayerSensitivity("block", "Conv", 1.25, 30.0, 1.08)],
        kept_float=["gate"],
        mixed_precision=MIXED,
        accuracy=[AccuracyReport("int8 TFLite", 50, (Figure("top1", "top-1 %", 0.125),))],
        warnings=["<script>alert(1)</script> & more"],
    )


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
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data.strip())


def test_the_page_says_everything_and_is_whole_in_itself() -> None:
    page = Page(to_html(report()))
    text = " ".join(page.words)
    assert not page.open and not page.loaded and "script" not in page.tags
    for said in (
        "net_int8.tflite",
        "2.50 MB",
        "1 of 9: not in int8",
        "fails: SQNR >= 30 dB",
        "differs from fp32 TFLite",
        "12.50",
        "few values",
        "passed on to: next",
        "+1.25",
        "at most 0.5 points of top-1 lost",
        "cost against int8 throughout",
        "misses it",
        "keeps it",
        "chosen",
        "head back in int8: 1 in float, 22.0 dB",
        "<script>alert(1)</script> & more",
        "gate",
    ):
        assert said in text, said
    assert "svg" in page.tags


def test_a_report_without_anything_special_is_short() -> None:
    plain = replace(report(), findings=[], sensitivity=[], mixed_precision=None, layers=[])
    page = Page(to_html(replace(plain, checks=[], warnings=[], accuracy=[], kept_float=[])))
    known = ("Artifacts", "Settings", "Warnings", "Worst layers")
    headings = [word for word in page.words if word in known]
    assert headings == ["Artifacts", "Settings"] and "All checks passed." in page.words


def test_the_same_report_gives_the_same_bytes() -> None:
    assert to_html(report()) == to_html(report())
