from __future__ import annotations

from pathlib import Path

import pytest

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.runner.system_libraries import NAMES, system_libraries

ARM = b"\x7fELF\x02\x01\x01" + bytes(11) + b"\xb7\x00"
INTEL = b"\x7fELF\x02\x01\x01" + bytes(11) + b"\x3e\x00"


def fill(folder: Path, names: tuple[str, ...] = NAMES, content: bytes = ARM) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    "folder",
    [
        "usr/aarch64-linux-gnu/lib",  # Debian, Ubuntu
        "usr/aarch64-linux-gnu/lib64",
        "usr/aarch64-redhat-linux/sys-root/fc41/usr/lib64",
        "usr/lib/aarch64-linux-gnu",  # an AArch64 system itself, or one that has its packages
    ],
)
def test_libraries_are_found_where_distributions_put_them(folder: str, tmp_path: Path) -> None:
    fill(tmp_path / folder)
    assert system_libraries(root=tmp_path) == {name: tmp_path / folder / name for name in NAMES}


def test_one_installation_may_have_several_folders(tmp_path: Path) -> None:
    root = tmp_path / "usr" / "aarch64-linux-gnu"
    fill(root / "lib", NAMES[:3])
    fill(root / "lib64", NAMES[3:])
    assert {path.parent.name for path in system_libraries(root=tmp_path).values()} == {"lib", "lib64"}


def test_two_installations_are_not_mixed(tmp_path: Path) -> None:
    fill(tmp_path / "usr/aarch64-linux-gnu/lib", NAMES[:3])
    fill(tmp_path / "usr/lib/aarch64-linux-gnu", NAMES[3:])
    with pytest.raises(
        InputError, match=r"^libstdc\+\+.so.6, libgcc_s.so.1 for AArch64 not found on this machine"
    ):
        system_libraries(root=tmp_path)


def test_missing_ones_are_named_with_the_command_that_installs_them(tmp_path: Path) -> None:
    expected = (
        r"ld-linux-aarch64.so.1, libc.so.6, libm.so.6, libstdc\+\+.so.6, libgcc_s.so.1 for AArch64 not found"
        r".*sudo apt-get install libc6-arm64-cross libstdc\+\+6-arm64-cross libgcc-s1-arm64-cross"
        r".*--arm-libraries FOLDER"
    )
    with pytest.raises(InputError, match=expected):
        system_libraries(root=tmp_path)


@pytest.mark.parametrize("inner", [".", "lib", "usr/lib64"])
def test_a_folder_of_the_users_is_the_only_one(inner: str, tmp_path: Path) -> None:
    fill(tmp_path / "mine" / inner)
    fill(tmp_path / "usr/aarch64-linux-gnu/lib")
    found = system_libraries(tmp_path / "mine", root=tmp_path)
    assert found == {name: tmp_path / "mine" / inner / name for name in NAMES}
    with pytest.raises(InputError, match=r"not found in .*/none"):
        system_libraries(tmp_path / "none", root=tmp_path)


def test_libraries_of_another_processor_do_not_count(tmp_path: Path) -> None:
    fill(tmp_path, content=INTEL)
    fill(tmp_path, ("libc.so.6",))
    with pytest.raises(InputError, match=r"^ld-linux-aarch64.so.1, libm.so.6, libstdc"):
        system_libraries(tmp_path)
