"""Options, each declared once: as a field of the settings that it is part of.

    @dataclass(frozen=True, kw_only=True)
    class Settings(Options):
        samples: int = option(64, whole(1), metavar="N", help="inputs to calibrate with")

The command line, the keywords of ``mobiledeploy.export``, the checks of what is given and docs/options.md all
come from such declarations.
"""

from __future__ import annotations

import functools
import inspect
import math
import operator
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, ParamSpec, Protocol, TypeVar

from mobiledeploy.base.errors import InputError

__all__ = [
    "Converted",
    "Option",
    "OptionalPath",
    "Options",
    "Texts",
    "UnfitError",
    "argument",
    "declared",
    "given",
    "group",
    "groups",
    "named_value",
    "number",
    "option",
    "paths",
    "shared",
    "takes",
    "whole",
]

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
O = TypeVar("O", bound="Options")  # noqa: E741
Given = TypeVar("Given", contravariant=True)
Held = TypeVar("Held", covariant=True)


class Converted(Protocol[Given, Held]):
    """For type checkers: a field that is given as one type and held as another."""

    def __get__(self, instance: object, owner: type | None = None) -> Held: ...

    def __set__(self, instance: object, value: Given) -> None: ...


OptionalPath = Converted[str | Path | None, Path | None]
Texts = Converted[Sequence[str], tuple[str, ...]]


class UnfitError(Exception):
    """Raised on a value that an option cannot have. The message says what is expected instead."""


@dataclass(frozen=True)
class Option:
    """Declaration of an option, beside its type.

    Attributes:
        default: Value when it is left out. The flag of a bool stands for the opposite, that of a tuple
            may be given as often as needed.
        convert: Function from what is given (text on the command line, whatever the field's type allows in
            Python) to the value. Raises ``UnfitError``.
        help: Words on what it does, for ``--help``, ``help(mobiledeploy.export)`` and the docs.
        metavar: Name of its value there.
        flag: Flag on the command line; otherwise the field's name with dashes, after a "no-" if the default
            is True.
        choices: Names that it takes, or a function that returns them; anything if left out.
        unset: Words for what happens when it is left out, where the default does not say so.
        needs: Name of the option without which it means nothing.
        only: Kind of artifact that it is for, if it is for one only.
        recorded: Whether a report has its value.
        positional: Whether the command line takes it without a flag.
        name, title: Name of the field, and title of the settings that declare it; known when the class is.
    """

    default: Any = None
    convert: Callable[[Any], Any] | None = None
    _: KW_ONLY
    help: str
    metavar: str | None = None
    flag: str = ""
    choices: Iterable[str] | Callable[[], Iterable[str]] = ()
    unset: str = ""
    needs: str = ""
    only: str = ""
    recorded: bool = True
    positional: bool = False
    name: str = ""
    title: str = ""

    def bound(self, name: str, title: str) -> Option:
        """Return the option as the field of that name in settings of that title."""
        derived = ("--no-" if self.default is True else "--") + name.replace("_", "-")
        flag = self.value_name if self.positional else self.flag or derived
        return replace(self, name=name, title=title, flag=flag)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the choices; none if there is no choice to make."""
        return tuple(self.choices() if callable(self.choices) else self.choices)

    @property
    def value_name(self) -> str:
        """Return the name of its value: the metavar, or the choices."""
        return self.metavar or f"{{{','.join(self.names)}}}"

    @property
    def unset_text(self) -> str:
        """Return what happens when it is left out, in words; empty where that goes without saying."""
        if self.unset or isinstance(self.default, bool | tuple | None):
            return self.unset
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)

    def held(self, value: Any) -> Any:
        """Return the value that is held of one that is given.

        Raises:
            InputError: The option cannot have that value.
        """
        if value is None and self.default is None:
            return None
        names = self.names
        if names and (isinstance(value, str) or self.convert is None) and value not in names:
            raise InputError(f"{self.flag} is {value!r}, expected one of {', '.join(names)}; name one")
        if self.convert is not None:
            try:
                return self.convert(value)
            except UnfitError as unfit:
                remedy = f"correct it, or leave it out{self.unset_text and ' for '}{self.unset_text}"
                raise InputError(f"{self.flag} is {_shown(value)}, expected {unfit}; {remedy}") from None
        if isinstance(self.default, tuple):
            return (value,) if isinstance(value, str) else tuple(value)
        return value


def _shown(value: Any) -> str:
    """Return a value as a message has it: quoted unless it is a number; a list without brackets."""
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value))
    try:
        return f"{float(value):g}"
    except (TypeError, ValueError):
        return repr(value)


_OPTION, _GROUP = "option", "group"  # keys of a field's metadata


@dataclass(frozen=True)
class Options:
    """Base of settings: what a field is given is converted and checked by what its option says.

    Attributes:
        title: Heading of their part of ``--help``.
    """

    title: ClassVar[str] = ""

    def __post_init__(self) -> None:
        known = declared(type(self))
        for name, about in known.items():
            object.__setattr__(self, name, about.held(getattr(self, name)))
        for name, kind in groups(type(self)).items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, kind())
        for about in given(self).values():
            if about.needs and getattr(self, about.needs) is None:
                other = known[about.needs]
                raise InputError(
                    f"{about.flag} without {other.flag}, expected both; pass {other.flag} {other.value_name}"
                )


def declared(settings: type[Options]) -> dict[str, Option]:
    """Return the options of some settings by the names of their fields: their own, then those of their bases.

    Those of groups are not among them.
    """
    known = {part.name: part.metadata[_OPTION] for part in fields(settings) if _OPTION in part.metadata}
    owners = {
        name: getattr(kind, "title", "")
        for kind in reversed(settings.__mro__)
        for name in inspect.get_annotations(kind)
    }
    order = [name for kind in settings.__mro__ for name in inspect.get_annotations(kind)]
    return {name: known[name].bound(name, owners[name]) for name in dict.fromkeys(order) if name in known}


def groups(settings: type[Options]) -> dict[str, type[Options]]:
    """Return the settings that others hold as a field, by its name."""
    return {part.name: part.metadata[_GROUP] for part in fields(settings) if _GROUP in part.metadata}


def given(settings: Options, kind: type[Options] | None = None) -> dict[str, Option]:
    """Return the options that are not as by default, by what a user would type.

    Args:
        kind: Base class of the settings whose options are looked at; all of them if left out.
    """
    return {
        f"{about.flag} {value}" if isinstance(value, str) else about.flag: about
        for name, about in declared(kind or type(settings)).items()
        if not about.positional and (value := getattr(settings, name)) != about.held(about.default)
    }


def shared(kind: type[O], settings: Options) -> O:
    """Return settings of a kind with the values that others have under the same names."""
    common = {part.name for part in fields(kind)} & {part.name for part in fields(settings)}
    return kind(**{name: getattr(settings, name) for name in common})


def takes(settings: Callable[P, S]) -> Callable[[Callable[[S], R]], Callable[P, R]]:
    """Let a function of some settings take what the settings are made of instead.

    Type checkers and ``inspect.signature`` see the keywords with their types, and ``help`` lists them
    after the "Args:" of the function's docstring.
    """

    def decorate(function: Callable[[S], R]) -> Callable[P, R]:
        shown = inspect.signature(settings).replace(return_annotation=function.__annotations__["return"])

        @functools.wraps(function)
        def call(*args: P.args, **keywords: P.kwargs) -> R:
            try:
                shown.bind(*args, **keywords)
            except TypeError as error:  # the settings would name themselves, whom the caller does not know
                raise TypeError(f"{function.__name__}() {error}") from None
            return function(settings(*args, **keywords))

        call.__signature__ = shown  # type: ignore[attr-defined]
        if isinstance(settings, type) and issubclass(settings, Options) and function.__doc__:
            call.__doc__ = function.__doc__.replace("Args:", _arguments(settings), 1)
        return call

    return decorate


def _arguments(settings: type[Options]) -> str:
    """Return the options as a docstring has them."""
    lines = []
    for name, about in declared(settings).items():
        unset = f" (when left out: {about.unset_text})" if about.unset_text else ""
        entry = f"{name}: {'False: ' if about.default is True else ''}{about.help}{unset}"
        lines += textwrap.wrap(entry, 100, initial_indent=" " * 8, subsequent_indent=" " * 12)
    return "Args:\n" + "\n".join(lines)


@takes(Option)
def option(about: Option) -> Any:
    """Declare the option that a field is."""
    return field(default=about.default, metadata={_OPTION: about})


@takes(Option)
def argument(about: Option) -> Mapping[str, Any]:
    """Return the metadata of a field without a default, which the command line takes without a flag."""
    return {_OPTION: replace(about, positional=True)}


def group(kind: type[Options]) -> Any:
    """Declare that a field holds settings of their own, whose options the command line takes, too."""
    return field(default_factory=kind, metadata={_GROUP: kind})


# What values may be


def whole(low: int) -> Callable[[int | str], int]:
    """Return a function that converts to whole numbers from `low` on."""

    def convert(value: int | str) -> int:
        try:
            found = int(value) if isinstance(value, str) else operator.index(value)
        except (TypeError, ValueError):
            found = low - 1
        if found < low:
            raise UnfitError(f"a whole number of {low} or more")
        return found

    return convert


def number(value: float | str) -> float:
    """Convert to any number, infinity included."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if math.isnan(found):
        raise UnfitError("a number")
    return found


def named_value(text: str) -> tuple[str, float | str]:
    """Return name and value of text such as "partition=exponential"; the value as a number if it is one."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise UnfitError("NAME=VALUE")
    for kind in (int, float):
        with suppress(ValueError):
            return name, kind(value)
    return name, value


def paths(values: Sequence[str | Path]) -> tuple[Path, ...]:
    """Return paths of what may be text."""
    return tuple(Path(value) for value in values)
