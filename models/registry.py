"""Every network by name: its facts without torch, its module on demand.

A network is registered by being listed in `SPECS` of a module in `facts/`; the architecture module of the
same name in the folder of its task holds a factory function with the network's name.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import math
import pkgutil
import re
from typing import TYPE_CHECKING, Literal, get_args, get_origin

from mobiledeploy.base.errors import InputError
from mobiledeploy.models import facts
from mobiledeploy.models.spec import Conventions, ModelSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import nn

__all__ = ["create", "factory", "resolve", "specs"]


def specs() -> dict[str, ModelSpec]:
    """All networks by name, ordered by family."""
    return {name: spec for name, (_, spec) in _catalogue().items()}


def resolve(name: str) -> ModelSpec:
    """The network called `name`, by registry name or alias; case, dashes and underscores do not matter.

    Raises:
        InputError: no such network; the message holds the nearest names.
    """
    names = _spellings()
    key = _spelling(name)
    if key in names:
        return specs()[names[key]]
    near = [names[k] for k in difflib.get_close_matches(key, names, n=5, cutoff=0.5)]
    nearest = f", nearest are {', '.join(dict.fromkeys(near))}" if near else ""
    raise InputError(
        f"model {name!r} is not known, expected a name from the registry{nearest}; "
        "`mobiledeploy list` shows all of them"
    )


def create(
    name: str, options: Mapping[str, float | str] | None = None, conventions: Conventions | None = None
) -> nn.Module:
    """Build a network with initial weights drawn from torch's global random generator.

    Args:
        name: as `resolve` takes it.
        options: what the network's factory takes, such as num_classes and width_mult.
        conventions: of the weights that it is going to get; the network's own when left out.

    Raises:
        InputError: unknown name, an option that this network does not have, or a value that it cannot take.
    """
    spec = resolve(name)
    build = factory(spec)
    options = options or {}
    parameters = inspect.signature(build, eval_str=True).parameters
    known = [option for option in parameters if option != "conventions"]
    for option, value in options.items():
        if option not in known:
            raise InputError(
                f"{spec.name} has no option {option!r}, expected one of {', '.join(known)}; leave it out"
            )
        if wanted := _wanted(value, parameters[option].annotation):
            raise InputError(f"{option} {value} for {spec.name}, expected {wanted}; the default works")
    return build(**options, conventions=conventions or spec.conventions)


def _wanted(value: float | str, hint: object) -> str:
    """What an option with that type hint takes, where that is something else than `value`; else empty."""
    if get_origin(hint) is Literal:
        return "" if value in get_args(hint) else f"one of {', '.join(map(str, get_args(hint)))}"
    if isinstance(value, str) or not 0 < value < math.inf:
        return "more than 0"
    return "a whole number" if hint is int and value != int(value) else ""


def factory(spec: ModelSpec) -> Callable[..., nn.Module]:
    """The function that builds a network of the registry. Imports torch."""
    family, _ = _catalogue()[spec.name]
    build: Callable[..., nn.Module] = getattr(
        importlib.import_module(f"mobiledeploy.models.{spec.task}.{family}"), spec.name
    )
    return build


@functools.cache
def _catalogue() -> dict[str, tuple[str, ModelSpec]]:
    """Name -> (architecture module, spec) of everything in facts/."""
    catalogue: dict[str, tuple[str, ModelSpec]] = {}
    for module in pkgutil.iter_modules(facts.__path__):
        entries: tuple[ModelSpec, ...] = importlib.import_module(f"{facts.__name__}.{module.name}").SPECS
        for spec in entries:
            if spec.name in catalogue:
                raise ValueError(
                    f"{spec.name} stands in facts/{catalogue[spec.name][0]} and facts/{module.name}"
                )
            catalogue[spec.name] = (module.name, spec)
    return catalogue


@functools.cache
def _spellings() -> dict[str, str]:
    """Every accepted name, reduced to its spelling key -> registry name."""
    names: dict[str, str] = {}
    for spec in specs().values():
        for alias in (spec.name, *spec.aliases):
            owner = names.setdefault(_spelling(alias), spec.name)
            if owner != spec.name:
                raise ValueError(f"{alias!r} of {spec.name} is also a name of {owner}")
    return names


def _spelling(name: str) -> str:
    return re.sub(r"[-_\s]", "", name.lower())
