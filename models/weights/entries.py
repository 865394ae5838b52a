"""Which published weights an export gets, and whose conventions a weights file was trained with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from mobiledeploy.base.errors import InputError, WeightsError
from mobiledeploy.models.spec import ModelSpec, WeightsEntry
from mobiledeploy.models.weights.layouts import publisher_of

__all__ = ["Likeness", "entry_like", "in_words", "named_entry", "official_entry"]


class Likeness(NamedTuple):
    """The entry that a weights file is read as.

    Attributes:
        rivals: entries that the file may be as well, with other conventions.
    """

    entry: WeightsEntry | None
    rivals: tuple[WeightsEntry, ...] = ()


def named_entry(spec: ModelSpec, name: str) -> WeightsEntry:
    """The entry called `name`.

    Raises:
        InputError: there is none; the message lists those that there are.
    """
    for entry in spec.weights:
        if entry.name == name:
            return entry
    names = ", ".join(entry.name for entry in spec.weights) or "none, as it has no entries"
    raise InputError(
        f"{name!r} is no weights entry of {spec.name}, expected one of {names}; name one of them"
    )


def official_entry(spec: ModelSpec, asked: Mapping[str, float | str], name: str | None) -> WeightsEntry:
    """The entry called `name`, else the preferred one that can be downloaded, for these options.

    Raises:
        WeightsError: none fits the options, or the one that is named cannot be downloaded.
    """
    if name is None:
        found = [entry for entry in spec.weights if entry.path is not None and _fits(entry, asked)]
        if found:
            return found[0]
        wanted = f" for {in_words(asked)}" if asked else ""
        raise WeightsError(
            f"{spec.name} has no official weights{wanted}, expected a network that was published with some; "
            "pass --weights FILE"
        )
    entry = named_entry(spec, name)
    if not _fits(entry, {"width_mult": entry.width_mult, **asked}):
        raise WeightsError(
            f"{name} of {spec.name} is not for {in_words(asked)}, expected num_classes {entry.num_classes} "
            f"and width_mult {entry.width_mult:g}; leave that out, or pass --weights FILE"
        )
    if entry.path is None:
        raise WeightsError(
            f"{name} of {spec.name} has no address of its own, expected a file; get it from "
            f"{entry.publisher} and pass --weights FILE --weights-as {name}"
        )
    return entry


def entry_like(
    spec: ModelSpec, state: Mapping[str, Tensor], sha256: str, width_mult: float | None
) -> Likeness:
    """The entry that a weights file is, by its hash; else the first one with its layout and width.

    Args:
        state: the file's tensors.
        sha256: of the file, hex.
        width_mult: of the network; None where nobody said.
    """
    for entry in spec.weights:
        if entry.sha256_prefix and sha256.startswith(entry.sha256_prefix):
            return Likeness(entry)
    theirs = [entry for entry in spec.weights if entry.publisher == publisher_of(state)]
    alike = [entry for entry in theirs if entry.width_mult == (width_mult or 1)] or theirs
    if not alike:
        return Likeness(None)
    first, *others = alike
    return Likeness(first, tuple(entry for entry in others if entry.conventions != first.conventions))


def in_words(options: Mapping[str, float | str]) -> str:
    """Options as a message has them."""
    values = (
        f"{name} {value}" if isinstance(value, str) else f"{name} {value:g}"
        for name, value in options.items()
    )
    return " and ".join(values)


def _fits(entry: WeightsEntry, asked: Mapping[str, float | str]) -> bool:
    own: dict[str, float | str] = {"num_classes": entry.num_classes, "width_mult": entry.width_mult}
    return {"num_classes": entry.num_classes, "width_mult": 1.0, **asked} == own
