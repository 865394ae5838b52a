"""The top-level folders are packages of mobiledeploy: by pyproject's map, and by links for the tools."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
FOLDERS: dict[str, str] = SETTINGS["package-dir"]
NOT_INSTALLED = "mobiledeploy.bench.evaluation"  # the project's own measurements are run from a checkout


def test_packages_are_the_folders_that_hold_an_init() -> None:
    found = set()
    for package, folder in FOLDERS.items():
        for marker in (ROOT / folder).rglob("__init__.py"):  # rglob does not follow links
            inner = marker.parent.relative_to(ROOT / folder).parts
            found.add(".".join([package, *inner]))
    installed = {package for package in found if not package.startswith(NOT_INSTALLED)}
    assert sorted(SETTINGS["packages"]) == sorted(installed)


def test_every_folder_with_code_lies_in_a_package() -> None:
    for folder in FOLDERS.values():
        for path in (ROOT / folder).rglob("*.py"):
            assert (path.parent / "__init__.py").is_file(), f"{path.relative_to(ROOT)} would not be installed"


def test_files_that_are_no_code_are_installed_too() -> None:
    patterns: dict[str, list[str]] = SETTINGS["package-data"]
    for package in SETTINGS["packages"]:
        part = max((known for known in FOLDERS if f"{package}.".startswith(f"{known}.")), key=len)
        folder = ROOT / FOLDERS[part] / package.removeprefix(part).lstrip(".").replace(".", "/")
        for path in folder.iterdir():
            if path.is_file() and path.suffix != ".py":
                assert any(path.match(pattern) for pattern in patterns.get(package, ())), path


def test_links_lead_to_the_folders() -> None:
    for package, folder in FOLDERS.items():
        if package == "mobiledeploy":
            continue
        link = ROOT / "mobiledeploy" / folder
        assert link.is_symlink(), f"{link} is no link; clone with symbolic links enabled"
        assert not link.readlink().is_absolute()
        assert link.resolve() == ROOT / folder
        assert package == f"mobiledeploy.{folder}"


def test_imports_go_by_the_full_name() -> None:
    short = [
        f"{word} {folder}"
        for folder in FOLDERS.values()
        if folder != "mobiledeploy"
        for word in ("from", "import")
    ]
    for folder in FOLDERS.values():
        for path in (ROOT / folder).rglob("*.py"):
            lines = path.read_text().splitlines()
            wrong = [
                line for line in lines if line.startswith(tuple(f"{s}{end}" for s in short for end in " ."))
            ]
            assert not wrong, f"{path.relative_to(ROOT)}: {wrong[0]}, expected mobiledeploy's name in front"
