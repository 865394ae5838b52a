"""Plots are whole SVG, say their numbers, and put points where the axes say."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from mobiledeploy.report.svg_plot import Point, Series, plot, round_ticks

_SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("low", "high", "count", "ticks"),
    [
        (0.3, 9.2, 6, [0, 2, 4, 6, 8, 10]),
        (-0.013, 0.021, 4, [-0.02, 0.0, 0.02, 0.04]),
        (83.55, 83.55, 3, [75, 80, 85, 90]),
        (0, 0, 3, [-0.5, 0, 0.5]),
        (1e6, 3e6, 3, [1e6, 2e6, 3e6]),
    ],
)
def test_ticks_are_round_and_enclose(low: float, high: float, count: int, ticks: list[float]) -> None:
    assert round_ticks(low, high, count) == pytest.approx(ticks)


def texts(svg: str) -> dict[str, tuple[float, float]]:
    """Words -> where they stand."""
    found = ElementTree.fromstring(svg).iter(f"{_SVG}text")
    return {element.text or "": (float(element.attrib["x"]), float(element.attrib["y"])) for element in found}


def test_a_point_lies_where_the_ticks_of_its_numbers_cross() -> None:
    svg = plot([Series("ours", [Point(0, 10), Point(4, 20, "the best")])], x_label="cost", y_label="dB")
    words = texts(svg)
    circles = list(ElementTree.fromstring(svg).iter(f"{_SVG}circle"))
    best = next(circle for circle in circles if circle.findtext(f"{_SVG}title") == "the best")
    assert float(best.attrib["cx"]) == pytest.approx(words["4.0"][0])
    assert float(best.attrib["cy"]) == pytest.approx(words["20"][1] - 4, abs=0.2)
    assert {"cost", "dB", "ours"} <= set(words)


def test_everything_stays_inside_the_drawing() -> None:
    series = [Series(f"a method with a long name {i}", [Point(i, -i, label="far right")]) for i in range(9)]
    svg = plot(series, x_label="x", y_label="y", title="t", width=600, height=300)
    for x, y in texts(svg).values():
        assert 0 <= x <= 600 and 0 <= y <= 300


def test_what_looks_like_markup_is_text() -> None:
    svg = plot([Series("<a&b>", [Point(1, 1, 'a "title" <x>', "<y>")])], x_label="<", y_label="&")
    assert {"<a&b>", "<y>", "<", "&"} <= set(texts(svg))


def test_what_cannot_be_drawn_is_refused() -> None:
    for points in ([], [Point(float("inf"), 1)]):
        with pytest.raises(ValueError, match="expected at least one, with finite coordinates"):
            plot([Series("s", points)], x_label="x", y_label="y")
