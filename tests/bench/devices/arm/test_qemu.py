"""Emulators that are missing, too old, too new or built without plugins, as scripts."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.devices.arm.profiles import get_profile
from mobiledeploy.bench.devices.arm.qemu import Qemu, find_qemu


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of programs."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def pretend(
    folder: Path, version: str, plugins: bool = True, cpus: str = "cortex-a53 cortex-a76 max"
) -> None:
    script = folder / "qemu-aarch64"
    script.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        f'--version) echo "qemu-aarch64 version {version} (Debian 1:{version}+dfsg)";;\n'
        f'-h) echo "usage: qemu-aarch64 {"-plugin QEMU_PLUGIN" if plugins else ""}";;\n'
        f'"-cpu help") echo "Available CPUs:"; for cpu in {cpus}; do echo "  $cpu"; done;;\n'
        "esac\n"
    )
    script.chmod(0o755)


def test_no_emulator_says_how_to_install_one(path: Path) -> None:
    with pytest.raises(InputError, match=r"qemu-aarch64 not found, .*; sudo apt-get install qemu-user"):
        find_qemu()


@pytest.mark.parametrize("version", ["7.2.22", "8.2.2", "9.2.0", "10.0.50", "11.0.1"])
def test_releases_with_a_known_plugin_interface_are_taken(version: str, path: Path) -> None:
    pretend(path, version)
    found = find_qemu()
    assert (found.version, found.path) == (version, path / "qemu-aarch64")
    assert found.cpu_for(get_profile("cortex-a76")) == "cortex-a76"


@pytest.mark.parametrize("version", ["5.2.0", "7.0.0", "11.1.0", "12.0.0"])
def test_other_releases_are_refused(version: str, path: Path) -> None:
    pretend(path, version)
    with pytest.raises(InputError, match=rf"is QEMU {version}, expected 7\.1 to 11\.0; .*PATH"):
        find_qemu()


def test_a_build_without_plugins_is_refused(path: Path) -> None:
    pretend(path, "8.2.2", plugins=False)
    with pytest.raises(InputError, match=r"takes no plugins, expected a QEMU built with --enable-plugins"):
        find_qemu()


def test_a_program_that_is_no_qemu_is_refused(path: Path) -> None:
    (path / "qemu-aarch64").write_text("#!/bin/sh\necho hello\n")
    (path / "qemu-aarch64").chmod(0o755)
    with pytest.raises(InputError, match="does not tell its version"):
        find_qemu()


def test_a_core_that_qemu_lacks_runs_on_one_with_its_instructions() -> None:
    profile = get_profile("cortex-a55")
    old = Qemu(Path("qemu"), "7.2.0", frozenset({"cortex-a53", "cortex-a76"}))
    assert old.cpu_for(profile) == "cortex-a76"
    new = Qemu(Path("qemu"), "8.2.0", frozenset({"cortex-a55", "cortex-a76"}))
    assert new.cpu_for(profile) == "cortex-a55"
    none = Qemu(Path("qemu"), "7.2.0", frozenset({"cortex-a53"}))
    with pytest.raises(InputError, match="has no processor cortex-a55 or cortex-a76"):
        none.cpu_for(profile)
