"""Compares two bench documents: what changed, and whether it is more than noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mobiledeploy.base.section import Section
from mobiledeploy.bench.latency.samples import Interval, change, ratio

__all__ = ["SESSION_NOISE", "Change", "Pair", "changes", "compared", "differences"]

SESSION_NOISE = 0.03
"""Calm medians of a file, taken twice on one machine, may differ by so much though nothing changed.

Ratios of two files that were taken in turns are spared two thirds of it. Where a measurement is not stable,
its own scatter takes the place of this figure. docs/benchmarking.md has what was measured.
"""

RATIO_SHARE = 1 / 3
"""Multiple of the noise of medians, in ratios."""

COUNT_NOISE = 1e-4
"""Two counts of one file agree to this share."""

ResultDocument = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """A figure that both documents have.

    Attributes:
        what: A model's name, or "b / a" for the ratio of two.
        unit: "ms", "instructions" or "" of a ratio.
        relative: New over old, with its 95 % interval.
        floor: Share below which a change is noise whatever the interval.
        same_file: Whether both are figures of the very same files.
    """

    what: str
    unit: str
    old: float
    new: float
    relative: Interval
    floor: float
    same_file: bool

    @property
    def is_noise(self) -> bool:
        """Whether the interval contains "no change", or the change is below the floor."""
        return self.relative.low <= 1 <= self.relative.high or abs(self.relative.value - 1) <= self.floor

    @property
    def verdict(self) -> str:
        """The change in a word."""
        if self.is_noise:
            return "noise"
        return "less" if self.relative.value < 1 else "more"

    def to_json(self) -> dict[str, Any]:
        """Plain data, with the verdict."""
        return asdict(self) | {"verdict": self.verdict}

    def row(self) -> dict[str, str]:
        """Return the cells of a table."""
        relative = f"{self.relative.value:.4f}"
        if self.relative.low < self.relative.high:
            relative += f" ({self.relative.low:.3f} - {self.relative.high:.3f})"
        name = self.what if self.same_file else f"{self.what} (another file)"
        figures = {"old": _figure(self.old, self.unit), "new": _figure(self.new, self.unit)}
        return {"model": name, **figures, "new / old": relative, "": self.verdict}


def changes(old: ResultDocument, new: ResultDocument) -> list[Change]:
    """Return all figures that two results of one kind share; models are matched by name."""
    before = {model["name"]: model for model in old["models"]}
    pairs = [(before[model["name"]], model) for model in new["models"] if model["name"] in before]
    if new["kind"] == "instructions":
        return [_count_change(a, b) for a, b in pairs]
    noise = max(SESSION_NOISE, *(_scatter(result) for result in (old, new)))
    return [*(_latency_change(a, b, noise) for a, b in pairs), *_ratio_changes(pairs, noise * RATIO_SHARE)]


def _scatter(result: ResultDocument) -> float:
    """The widest IQR over median of a measurement that is not stable."""
    if not result.get("reasons"):
        return 0.0
    return max(float(model["iqr_ms"] / model["median_ms"]["value"]) for model in result["models"])


def _count_change(old: ResultDocument, new: ResultDocument) -> Change:
    before, after = old["instructions"], new["instructions"]
    exact = Interval(after / before, after / before, after / before)
    same = old["sha256"] == new["sha256"]
    return Change(new["name"], "instructions", before, after, exact, COUNT_NOISE, same)


def _latency_change(old: ResultDocument, new: ResultDocument, noise: float) -> Change:
    before, after = old["calm_ms"]["value"], new["calm_ms"]["value"]
    relative = change(new["samples_ms"], old["samples_ms"])
    return Change(new["name"], "ms", before, after, relative, noise, old["sha256"] == new["sha256"])


def _ratio_changes(pairs: list[tuple[ResultDocument, ResultDocument]], noise: float) -> Iterator[Change]:
    for old, new in pairs[1:]:
        first_old, first_new = pairs[0]
        was = ratio(old["samples_ms"], first_old["samples_ms"])
        now = ratio(new["samples_ms"], first_new["samples_ms"])
        # Independent errors add up in squares; on the scale of shares that holds for a quotient, too.
        half = (was.half_width**2 + now.half_width**2) ** 0.5
        value = now.value / was.value
        same = old["sha256"] == new["sha256"] and first_old["sha256"] == first_new["sha256"]
        relative = Interval(value, value * (1 - half), value * (1 + half))
        name = f"{new['name']} / {first_new['name']}"
        yield Change(name, "", was.value, now.value, relative, noise, same)


def differences(old: ResultDocument, new: ResultDocument) -> list[str]:
    """Return the circumstances that differ, in words: what changed may be due to them."""
    found = [
        f"{what}: {before} -> {after}"
        for what, before, after in (
            ("device", old["device"]["name"], new["device"]["name"]),
            ("system", old["device"]["system"], new["device"]["system"]),
            ("runtime", old["runtime"], new["runtime"]),
            ("core", old.get("core"), new.get("core")),
        )
        if before != after
    ]
    asked, now = old.get("settings", {}), new.get("settings", {})
    found += [
        f"{name}: {asked[name]} -> {now[name]}" for name in asked if asked[name] != now.get(name, asked[name])
    ]
    for which, result in (("old", old), ("new", new)):
        if result.get("reasons"):
            found.append(f"the {which} measurement is not stable: {'; '.join(result['reasons'])}")
    return found


@dataclass(frozen=True)
class Pair:
    """A result and what it is set against.

    Attributes:
        old: None where the old document has nothing of the kind.
    """

    old: ResultDocument | None
    new: ResultDocument

    @property
    def changes(self) -> list[Change]:
        """The figures that both have."""
        return [] if self.old is None else changes(self.old, self.new)

    @property
    def differences(self) -> list[str]:
        """Circumstances that differ, and models that the old document lacks."""
        if self.old is None:
            return [f"the old document has no {self.new['kind']} to compare with"]
        known = {model["name"] for model in self.old["models"]}
        missing = [model["name"] for model in self.new["models"] if model["name"] not in known]
        return [*(f"not in the old document: {name}" for name in missing), *differences(self.old, self.new)]

    def to_json(self) -> dict[str, Any]:
        figures = [change.to_json() for change in self.changes]
        return {"device": self.new["device"], "figures": figures, "differs": self.differences}

    def section(self) -> Section:
        """Return a row for each figure; the circumstances that differ are its notes."""
        rows = [change.row() for change in self.changes]
        title = f"{self.new['device']['name']}: new against old"
        return Section(title, rows, self.differences, names=["model"], texts=[""])


def compared(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Pair]:
    """Pair each result of a new document with its counterpart in an old one."""
    return [Pair(_counterpart(result, old["results"]), result) for result in new["results"]]


def _counterpart(result: ResultDocument, candidates: list[ResultDocument]) -> ResultDocument | None:
    """A result of the same kind; of the same device rather than of another."""
    same_kind = [each for each in candidates if each["kind"] == result["kind"]]
    same_device = [each for each in same_kind if each["device"]["key"] == result["device"]["key"]]
    return next(iter(same_device or same_kind), None)


def _figure(value: float, unit: str) -> str:
    return {"ms": f"{value:.3f} ms", "instructions": f"{value / 1e6:.3f} M"}.get(unit, f"{value:.3f}")
