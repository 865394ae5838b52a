"""Imports go the way that docs/architecture.md draws: downwards, and never in a circle."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
PARTS = ("models", "exporters", "quantize", "bench")  # packages of mobiledeploy that lie beside it
ROW = re.compile(r"^\| `([\w/]+)` \|.*\|([^|]*)\|$", re.M)


def modules() -> dict[str, Path]:
    """Dotted name -> path below the root, of everything that can be imported."""
    found = {}
    for top in ("mobiledeploy", *PARTS):
        for path in (ROOT / top).rglob("*.py"):  # rglob does not follow the links to the parts
            relative = path.relative_to(ROOT)
            names = relative.with_suffix("").parts
            dotted = ".".join(names if top == "mobiledeploy" else ("mobiledeploy", *names))
            found[dotted.removesuffix(".__init__")] = relative
    return found


MODULES = modules()


def imported(path: Path) -> set[str]:
    """The project's modules that a file imports, anywhere in it, for type checking alone, too."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inner & MODULES.keys()) or {node.module}
    return found & MODULES.keys()


IMPORTS = {name: imported(path) for name, path in MODULES.items()}


FOLDERS = {path.parent for path in MODULES.values()}
HOLDING_FOLDERS = {outer for folder in FOLDERS for outer in folder.parents}


def room(name: str) -> str:
    """The folder of a module; the module itself where its folder holds others."""
    path = MODULES[name]
    return str(path.with_suffix("") if path.parent in HOLDING_FOLDERS else path.parent)


def part(name: str) -> str:
    """What the page has a row for: a folder of mobiledeploy, or one that lies beside it."""
    names = MODULES[name].with_suffix("").parts
    if names[:2] == ("bench", "evaluation"):
        return "bench/evaluation"
    return names[1] if names[0] == "mobiledeploy" else names[0]


def circle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """One circle of a graph, empty if there is none."""
    try:
        TopologicalSorter({name: set(others) - {name} for name, others in graph.items()}).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def test_no_files_import_each_other() -> None:
    assert not circle(IMPORTS)


def test_no_folders_import_each_other() -> None:
    graph: dict[str, set[str]] = {}
    for name, others in IMPORTS.items():
        graph.setdefault(room(name), set()).update(map(room, others))
    assert not circle(graph)


ALLOWED = {name: set(re.findall(r"[\w/]+", allowed)) for name, allowed in ROW.findall(PAGE.read_text())}
ALLOWED["bench/evaluation"] = {*ALLOWED, "__init__"}  # "all of these", as a user would


def test_the_page_has_a_row_for_every_part() -> None:
    assert ALLOWED.keys() == {part(name) for name in MODULES} - {"__init__", "__main__"}
    assert not circle({name: allowed & ALLOWED.keys() for name, allowed in ALLOWED.items()})


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_go_the_way_that_the_page_draws(name: str) -> None:
    if part(name) in ("__init__", "__main__"):  # the doors of the package
        return
    upwards = {other for other in IMPORTS[name] if part(other) not in {part(name), *ALLOWED[part(name)]}}
    assert not upwards, f"{MODULES[name]} imports {', '.join(sorted(upwards))}; see {PAGE.relative_to(ROOT)}"
