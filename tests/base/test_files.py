from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from mobiledeploy.base.errors import OutputError
from mobiledeploy.base.files import file_sha256, safe_stem, staging_folder


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_files_appear_together_and_replace_those_of_the_same_name(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    for generation in ("first", "second"):
        with staging_folder(out) as staging:
            staging.write("a", generation.encode())
            staging.write("b", generation.encode())
            assert "second" not in {path.read_text() for path in out.iterdir() if path.is_file()}
        assert contents(out) == {"a": generation, "b": generation}


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt])
def test_a_fault_leaves_no_folder_behind(tmp_path: Path, fault: type[BaseException]) -> None:
    with pytest.raises(fault), staging_folder(tmp_path / "deep" / "out") as staging:
        staging.write("a", b"half")
        raise fault
    assert not list(tmp_path.iterdir())


def test_a_fault_leaves_an_existing_folder_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(RuntimeError), staging_folder(tmp_path) as staging:
        staging.write("a", b"new")
        raise RuntimeError
    assert contents(tmp_path) == {"a": "old"}


def test_a_file_that_cannot_be_moved_brings_back_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_text("old")
    replace = os.replace

    def refuse_c(source: Path, target: Path) -> None:
        if target == tmp_path / "c":
            raise PermissionError(13, "Permission denied")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse_c)
    with (
        pytest.raises(OutputError, match=r"cannot be written \(Permission denied\)"),
        staging_folder(tmp_path) as staging,
    ):
        for name in ("a", "b", "c"):
            staging.write(name, b"new")
    assert contents(tmp_path) == {"a": "old"}


def test_no_room_is_told_from_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with (
        pytest.raises(OutputError, match=r"has no room left \(No space left on device\), expected space"),
        staging_folder(tmp_path) as staging,
    ):
        staging.write("a", b"")


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("mobilenetv3_small", "mobilenetv3_small"),
        ("my net (v2)", "my_net_v2"),
        ("../../etc/passwd", "etc_passwd"),
        ("-rf", "rf"),
        (".hidden", "hidden"),
        ("été;$(rm)", "t_rm"),
        ("日本", "model"),
        ("x" * 300, "x" * 100),
    ],
)
def test_a_stem_is_safe_as_a_file_name(given: str, safe: str) -> None:
    assert safe_stem(given) == safe


def test_sha256_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert file_sha256(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
