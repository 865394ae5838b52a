"""Scatter plots as SVG text: one self-contained element, the same bytes for the same numbers.

For a file of its own and inside an HTML page alike. Colours are told apart by colour-blind readers (Okabe
and Ito, https://jfly.uni-koeln.de/color/), and every series has a marker shape of its own beside.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Point", "Series", "plot", "round_ticks"]

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#a6761d")
_RADIUS = 4.5
_TEXT = 'font-family="system-ui, sans-serif" font-size="12"'
_TICK_PIXELS = 70  # about one tick for so many
_CHARACTER = 6.4  # width of a character of the text, about


@dataclass(frozen=True)
class Point:
    """One marker in a plot.

    Attributes:
        x, y: finite numbers, in the units of the axes.
        title: text that appears when the pointer rests on it.
        label: text beside it; empty for none.
    """

    x: float
    y: float
    title: str = ""
    label: str = ""


@dataclass(frozen=True)
class Series:
    """Points of one kind, with one colour and one marker."""

    name: str
    points: Sequence[Point]


@dataclass(frozen=True)
class _Axis:
    """A range of numbers, and the pixels that it is drawn on."""

    ticks: Sequence[float]
    start: float
    end: float

    def pixel(self, value: float) -> float:
        share = (value - self.ticks[0]) / (self.ticks[-1] - self.ticks[0])
        return self.start + share * (self.end - self.start)

    def text(self, value: float) -> str:
        step = self.ticks[1] - self.ticks[0]
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        return f"{value:.{digits}f}" if digits <= 6 and abs(value) < 1e9 else f"{value:g}"


def round_ticks(low: float, high: float, count: int) -> list[float]:
    """Return about ``count`` (at least 2) multiples of 1, 2 or 5 times 10^n that enclose [low, high]."""
    if high <= low:
        spread = abs(low) * 0.1 or 1.0
        low, high = low - spread / 2, high + spread / 2
    raw = (high - low) / max(count - 1, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [
        round(i * step, 12 - math.floor(math.log10(step))) for i in range(first, max(last, first + 1) + 1)
    ]


def plot(
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    title: str = "",
    width: int = 720,
    height: int = 400,
) -> str:
    """Return an ``<svg>`` element, whole and without references to anything outside.

    Args:
        series: at least one point among them; the legend lists those that have a name.
        width: width of the drawing in pixels, legend included; the element scales with the page.

    Raises:
        ValueError: There is no point, or a coordinate is not finite.
    """
    points = [point for each in series for point in each.points]
    if not points or not all(math.isfinite(point.x) and math.isfinite(point.y) for point in points):
        raise ValueError(f"{len(points)} points to plot, expected at least one, with finite coordinates")
    top = 34.0 if title else 14.0
    legend = _legend(series, width, top)
    bottom = height - 48.0
    y = _Axis(_ticks((p.y for p in points), bottom - top), bottom, top)
    left = 30.0 + _CHARACTER * max(len(y.text(tick)) for tick in y.ticks)
    right = width - 16.0 - (legend[0] if legend[1] else 0.0)
    x = _Axis(_ticks((p.x for p in points), right - left), left, right)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'style="max-width:{width}px;width:100%;height:auto" {_TEXT} fill="currentColor">',
        f"<title>{escape(title or f'{y_label} against {x_label}')}</title>",
        *_axes(x, y, x_label, y_label),
    ]
    if title:
        parts.append(_words((left + right) / 2, 18, title, 'text-anchor="middle" font-weight="bold"'))
    for number, each in enumerate(series):
        parts += _drawn(each, number, x, y)
    return "\n".join([*parts, *legend[1], "</svg>"]) + "\n"


def _ticks(values: Iterable[float], pixels: float) -> list[float]:
    found = list(values)
    return round_ticks(min(found), max(found), max(3, round(pixels / _TICK_PIXELS)))


def _axes(x: _Axis, y: _Axis, x_label: str, y_label: str) -> list[str]:
    grid = 'stroke="currentColor" stroke-opacity="0.15"'
    parts = []
    for tick in x.ticks:
        at = x.pixel(tick)
        parts.append(f'<line x1="{at:.1f}" y1="{y.end:.1f}" x2="{at:.1f}" y2="{y.start:.1f}" {grid}/>')
        parts.append(_words(at, y.start + 16, x.text(tick), 'text-anchor="middle"'))
    for tick in y.ticks:
        at = y.pixel(tick)
        parts.append(f'<line x1="{x.start:.1f}" y1="{at:.1f}" x2="{x.end:.1f}" y2="{at:.1f}" {grid}/>')
        parts.append(_words(x.start - 6, at + 4, y.text(tick), 'text-anchor="end"'))
    middle = (y.start + y.end) / 2
    parts.append(_words((x.start + x.end) / 2, y.start + 36, x_label, 'text-anchor="middle"'))
    turned = f'text-anchor="middle" transform="rotate(-90 14 {middle:.1f})"'
    parts.append(_words(14, middle, y_label, turned))
    return parts


def _drawn(series: Series, number: int, x: _Axis, y: _Axis) -> list[str]:
    parts = []
    for point in series.points:
        px, py = x.pixel(point.x), y.pixel(point.y)
        parts.append(_marker(number, px, py, point.title))
        if point.label:
            before = px + 8 + _CHARACTER * len(point.label) > x.end + 8
            side = 'text-anchor="end"' if before else 'text-anchor="start"'
            parts.append(_words(px - 8 if before else px + 8, py - 6, point.label, side))
    return parts


def _legend(series: Sequence[Series], width: int, top: float) -> tuple[float, list[str]]:
    """Return the pixels that the legend takes on the right, and its lines; none if no series has a name."""
    named = [(number, each.name) for number, each in enumerate(series) if each.name]
    room = 28.0 + _CHARACTER * max((len(name) for _, name in named), default=0)
    parts = []
    for row, (number, name) in enumerate(named):
        at = top + 10 + 20 * row
        parts.append(_marker(number, width - room + 6, at, ""))
        parts.append(_words(width - room + 18, at + 4, name, 'text-anchor="start"'))
    return room, parts


def _colour(number: int) -> str:
    return _COLOURS[number % len(_COLOURS)]


def _marker(number: int, x: float, y: float, title: str) -> str:
    """Draw a circle, square, diamond or triangle, in turn."""
    r = _RADIUS
    corners = (
        None,
        ((-r, -r), (r, -r), (r, r), (-r, r)),
        ((0, -r - 1.5), (r + 1.5, 0), (0, r + 1.5), (-r - 1.5, 0)),
        ((0, -r - 1), (r + 1, r), (-r - 1, r)),
    )[number % 4]
    inner = f"<title>{escape(title)}</title>" if title else ""
    if corners is None:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" fill="{_colour(number)}">{inner}</circle>'
    path = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{path}" fill="{_colour(number)}">{inner}</polygon>'


def _words(x: float, y: float, text: str, style: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'
