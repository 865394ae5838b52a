from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import subprocess
import zipfile
from pathlib import Path

import pytest

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.runner import litert_library
from mobiledeploy.bench.runner.elf import elf_machine
from mobiledeploy.bench.runner.litert_library import VERSION, host_library, library_for, library_version

ARM = b"\x7fELF\x02\x01\x01" + bytes(11) + b"\xb7\x00" + b"a library"
MEMBER = "ai_edge_litert/libLiteRt.so"


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes wheels from, instead of from the network."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setitem(litert_library._SHA256, "aarch64", hashlib.sha256(ARM).hexdigest())
    return folder


def put_wheel(shelf: Path, content: bytes = ARM, member: str = MEMBER) -> None:
    with zipfile.ZipFile(
        shelf / f"ai_edge_litert-{VERSION}-cp311-cp311-manylinux_2_27_aarch64.whl", "w"
    ) as wheel:
        wheel.writestr(member, content)
        facts = f"ai_edge_litert-{VERSION}.dist-info"
        wheel.writestr(
            f"{facts}/METADATA", f"Metadata-Version: 2.1\nName: ai-edge-litert\nVersion: {VERSION}\n"
        )
        wheel.writestr(f"{facts}/WHEEL", "Wheel-Version: 1.0\nTag: cp311-cp311-manylinux_2_27_aarch64\n")


def test_the_library_is_taken_out_of_the_wheel_and_kept(shelf: Path, tmp_path: Path) -> None:
    put_wheel(shelf)
    library = library_for("aarch64", cache=tmp_path / "cache")
    assert library.read_bytes() == ARM
    assert library_version(library) == VERSION
    assert list(library.parent.iterdir()) == [library]
    next(shelf.iterdir()).unlink()  # no second download
    assert library_for("aarch64", cache=tmp_path / "cache") == library


def test_a_damaged_copy_is_fetched_again(shelf: Path, tmp_path: Path) -> None:
    put_wheel(shelf)
    library = library_for("aarch64", cache=tmp_path)
    library.write_bytes(ARM[:-1])
    assert library_for("aarch64", cache=tmp_path).read_bytes() == ARM


@pytest.mark.parametrize(
    ("content", "member", "message"),
    [
        (
            b"something else",
            MEMBER,
            r"has the SHA-256 .*, expected .*it was thrown away.*--litert-library FILE",
        ),
        (ARM, "ai_edge_litert/other.so", r"cannot be unpacked .*expected ai_edge_litert/libLiteRt.so in it"),
    ],
)
def test_a_wrong_wheel_is_thrown_away(
    content: bytes, member: str, message: str, shelf: Path, tmp_path: Path
) -> None:
    put_wheel(shelf, content, member)
    with pytest.raises(InputError, match=message):
        library_for("aarch64", cache=tmp_path / "cache")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_without_network_the_error_says_what_to_do(shelf: Path, tmp_path: Path) -> None:
    expected = (
        r"pip cannot download ai-edge-litert 2.3.0 for manylinux_2_27_aarch64.*No matching distribution.*"
        r"connect to the network.*--litert-library FILE"
    )
    with pytest.raises(InputError, match=expected):
        library_for("aarch64", cache=tmp_path / "cache")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_without_pip_the_error_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_pip(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 1, "", "python: No module named pip\n")

    monkeypatch.setattr(subprocess, "run", no_pip)
    with pytest.raises(InputError, match="No module named pip"):
        library_for("aarch64", cache=tmp_path)


def test_a_library_of_the_users_is_taken_if_it_fits(tmp_path: Path) -> None:
    path = tmp_path / "mine.so"
    path.write_bytes(ARM)
    assert library_for("aarch64", path=path) == path
    assert library_version(path) == f"of SHA-256 {hashlib.sha256(ARM).hexdigest()[:12]}"
    with pytest.raises(InputError, match=r"mine.so is for aarch64, expected libLiteRt.so for x86_64"):
        library_for("x86_64", path=path)
    path.write_text("text")
    with pytest.raises(InputError, match=r"mine.so is no library, expected libLiteRt.so for aarch64"):
        library_for("aarch64", path=path)
    with pytest.raises(InputError, match=r"none.so: No such file"):
        library_for("aarch64", path=tmp_path / "none.so")


def test_a_machine_without_a_wheel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no library for riscv64, expected aarch64 or x86_64"):
        library_for("riscv64", cache=tmp_path)


def test_the_host_uses_the_installed_package() -> None:
    if importlib.metadata.version("ai-edge-litert") != VERSION:
        pytest.skip(f"another version than {VERSION} is installed")
    library = host_library()
    assert library.parent.name == "ai_edge_litert"
    assert elf_machine(library) == platform.machine()
    assert library_version(library) == VERSION


def test_an_installed_package_of_another_version_is_not_used(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_wheel(shelf)
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "2.4.0")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert host_library(cache=tmp_path).read_bytes() == ARM


def test_the_official_library_is_the_one_that_is_pinned() -> None:
    try:
        library = library_for("aarch64")
    except InputError as error:
        pytest.skip(str(error))
    assert elf_machine(library) == "aarch64"
    assert b"LiteRtRunCompiledModel" in library.read_bytes()
