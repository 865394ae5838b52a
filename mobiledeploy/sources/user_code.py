"""Runs the user's own Python file, and reports its faults by line instead of with our traceback."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from mobiledeploy.base.errors import InputError

__all__ = ["call_factory"]

_SHOWN_NAMES = 12


def call_factory(path: Path, factory: str, arguments: Mapping[str, object]) -> Any:
    """Import a Python file, which may import its neighbours, and call a function or class in it.

    Raises:
        InputError: No such file or factory, it does not take the arguments, or the code in it fails.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected Python code with a factory {factory!r}; check it")
    with _faults_by_line(path):
        code = _import(path.resolve())
        build = getattr(code, factory, None)
        if not callable(build):
            there = _callables(code) or "there to be one that returns an nn.Module"
            raise InputError(f"{path} has no callable {factory!r}, expected {there}; name it after the colon")
        _require_fitting(f"{path}:{factory}", build, arguments)
        return build(**arguments)


def _import(path: Path) -> ModuleType:
    name = f"mobiledeploy_user_{path.stem}"  # apart from installed packages of the same name
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    code = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = code
    spec.loader.exec_module(code)
    return code


def _callables(code: ModuleType) -> str:
    """Return the names of what the file itself defines and can be called."""
    names = [
        name
        for name, value in vars(code).items()
        if callable(value)
        and not name.startswith("_")
        and getattr(value, "__module__", None) == code.__name__
    ]
    rest = len(names) - _SHOWN_NAMES
    return ", ".join(names[:_SHOWN_NAMES]) + (f" or {rest} more" if rest > 0 else "")


def _require_fitting(name: str, build: Callable[..., Any], arguments: Mapping[str, object]) -> None:
    try:
        signature = inspect.signature(build)
    except ValueError:  # some callables in C have none
        return
    try:
        signature.bind(**arguments)
    except TypeError as error:
        given = ", ".join(arguments) or "no arguments"
        raise InputError(
            f"{name}{signature} cannot be called with {given} ({error}), expected a factory that needs "
            "nothing but what --num-classes and --width-mult give; wrap it in a function that does"
        ) from error


@contextmanager
def _faults_by_line(path: Path) -> Iterator[None]:
    file = path.resolve()
    sys.path.insert(0, str(file.parent))
    try:
        yield
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"{_place(file, path, error)} raised {_summary(error)}; fix it there") from error
    finally:
        if str(file.parent) in sys.path:
            sys.path.remove(str(file.parent))


def _place(file: Path, shown: Path, error: BaseException) -> str:
    """Return the line of the user's file that the error came through, or is about."""
    if isinstance(error, SyntaxError) and error.filename:
        where = shown if Path(error.filename) == file else error.filename
        return f"{where}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == file]
    return f"{shown}:{frames[-1].lineno}" if frames else str(shown)


def _summary(error: BaseException) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    first = next(iter(text.strip().splitlines()), "")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
