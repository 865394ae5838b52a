"""adb's server and what it says, without and with phones."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mobiledeploy.base.errors import DeviceError, InputError
from mobiledeploy.bench.devices.phone.adb import Adb, Connected, NoAnswerError, connected, readable_size

if TYPE_CHECKING:
    from tests.bench.virtual_phone.phones import Phones


@pytest.fixture
def no_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> int:
    """A port on which no adb server listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("ADB_USB", "ADB_MDNS", "ADB_MDNS_AUTO_CONNECT", "ADB_EMU"):
        monkeypatch.setenv(name, "0")  # phones of this computer are none of the test's business
    return port


def test_phones_and_their_states(phones: Phones) -> None:
    ready, locked = phones.start(), phones.start(access="unauthorized")
    wait_for_state(locked.serial, "unauthorized")
    found = {phone.serial: phone for phone in connected()}
    assert found[ready.serial] == Connected(ready.serial, "device", ready.model.name)
    assert str(found[ready.serial]) == f"{ready.serial} ({ready.model.name})"
    assert str(found[locked.serial]) == f"{locked.serial} (unauthorized)"


def test_a_state_of_two_words(monkeypatch: pytest.MonkeyPatch, phones: Phones) -> None:
    from adbutils import AdbConnection

    text = (
        "SERIAL                 no permissions (user in plugdev group; are your udev rules wrong?); see [] \n"
    )
    monkeypatch.setattr(AdbConnection, "read_string_block", lambda self: text)
    phones.start()
    assert connected() == (Connected("SERIAL", "no permissions"),)


def test_the_server_is_started_if_there_is_none(no_server: int, capfd: pytest.CaptureFixture[str]) -> None:
    from adbutils import adb_path

    try:
        assert connected() == ()
        assert connected() == ()
        assert capfd.readouterr() == ("", "")
    finally:
        subprocess.run([adb_path(), "kill-server"], check=True, stderr=subprocess.DEVNULL)


def test_no_adb(no_server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import adbutils

    def none() -> str:
        raise adbutils.AdbError("No adb exe could be found. Install adb on your system")

    monkeypatch.setattr(adbutils, "adb_path", none)
    with pytest.raises(
        InputError, match=r"^there is no adb on this machine, expected .*; install it \(`apt install adb`"
    ):
        connected()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo '* daemon not running'; echo 'cannot bind tcp' >&2; exit 1", "cannot bind tcp"),
        (None, "No such file"),
    ],
)
def test_a_server_that_does_not_start(
    no_server: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str | None, said: str
) -> None:
    adb = tmp_path / "adb"
    if script is not None:
        adb.write_text(f"#!/bin/sh\n{script}\n")
        adb.chmod(0o755)
    monkeypatch.setenv("ADBUTILS_ADB_PATH", str(adb))
    with pytest.raises(
        InputError,
        match=f"^adb's server does not start .*{said}.*, expected it to listen on port {no_server}",
    ):
        connected()


def test_a_server_elsewhere_is_not_started_here(no_server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANDROID_ADB_SERVER_HOST", "localhost.invalid")
    with pytest.raises(
        InputError, match=f"^no adb server answers at localhost.invalid:{no_server}, expected the one that "
    ):
        connected()


def test_a_port_that_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    import adbutils  # noqa: F401  it reads the environment on import, too

    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "adb")
    with pytest.raises(InputError, match=r"^the environment's ANDROID_ADB_SERVER_PORT is no number .*'adb'"):
        connected()


def test_something_else_that_listens_on_the_port(no_server: int) -> None:
    with socket.create_server(("127.0.0.1", no_server)) as other:

        def answer() -> None:
            for _ in range(2):
                connection, _ = other.accept()
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                connection.close()

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(
            InputError, match=r"^adb's server does not list its devices .*, expected it to; restart it with"
        ):
            connected()


def test_a_command_has_exit_code_and_two_streams(phones: Phones) -> None:
    adb = Adb(phones.start().serial)
    result = adb.run("echo out; echo 'a b' >&2; exit 7", "tested")
    assert (result.code, result.stdout, result.stderr) == (7, "out\n", "a b\n")
    assert "shell_v2" in adb.features()


def test_a_command_that_talks_but_does_not_end(phones: Phones) -> None:
    phone = phones.start()
    began = time.monotonic()
    with pytest.raises(NoAnswerError, match=f"^{phone.serial} did not answer for 0.5 s while being tested, "):
        Adb(phone.serial).run("while true; do echo again; sleep 0.1; done", "being tested", limit_s=0.5)
    assert time.monotonic() - began < 3


def test_files_there_and_back(phones: Phones) -> None:
    adb = Adb(phones.start().serial)
    content, path = os.urandom(200_001), "/data/local/tmp/with a space"
    adb.push(content, path, "a file", executable=True)
    adb.push(b"", "/data/local/tmp/empty", "nothing")
    assert adb.pull(path, "tested") == content
    assert adb.run(f"[ -x '{path}' ]", "tested").code == 0
    found = adb.hashes([path, "/data/local/tmp/empty", "/data/local/tmp/absent"])
    assert list(found) == [path, "/data/local/tmp/empty"]
    assert found["/data/local/tmp/empty"].startswith("e3b0c44298fc")


def test_a_folder_that_cannot_be_written(phones: Phones) -> None:
    phone = phones.start()
    phone.host_path("/data/local/tmp/file").write_bytes(b"")
    with pytest.raises(
        DeviceError, match=rf"^{phone.serial} refuses a thing \(3 bytes\), saying .*, expected to take it"
    ):
        Adb(phone.serial).push(b"abc", "/data/local/tmp/file/x", "a thing")
    with pytest.raises(
        DeviceError, match=f"^the connection to {phone.serial} broke while being tested .*No such file"
    ):
        Adb(phone.serial).pull("/data/local/tmp/absent", "being tested")


@pytest.mark.parametrize("listed", [False, True])
def test_a_cable_that_is_pulled(phones: Phones, listed: bool) -> None:
    """A phone on the network stays in adb's list as offline, one on USB vanishes."""
    phone = phones.start()
    if listed:
        phone.on_unplug = lambda: None
    adb, gone = (
        Adb(phone.serial),
        f"^{phone.serial} went away while being tested, expected it to stay connected",
    )
    with pytest.raises(DeviceError, match=gone), adb.explained("being tested"), adb.open("sleep 9") as shell:
        phone.unplug()
        list(shell.packets(9))


def test_a_server_that_is_ended_meanwhile(
    phones: Phones, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    phone = phones.start()
    own = type(phones.server)(phones.server._adb, tmp_path)
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(own.port))
    own.run("connect", phone.serial)
    adb = Adb(phone.serial)
    assert adb.run("true", "tested").code == 0
    gone = f"^adb's server ended while {phone.serial} was being tested, expected it to go on"
    with pytest.raises(DeviceError, match=gone), adb.explained("being tested"), adb.open("sleep 9") as shell:
        own.stop()
        list(shell.packets(9))


def test_a_phone_that_becomes_unauthorized(phones: Phones) -> None:
    phone = phones.start(access="unauthorized")
    wait_for_state(phone.serial, "unauthorized")
    with pytest.raises(
        DeviceError, match=f"^{phone.serial} became unauthorized while being tested, .*; see to its screen"
    ):
        Adb(phone.serial).run("true", "being tested")


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (2.5e6, "2.5 MB"), (3e12, "3000.0 GB")],
)
def test_sizes_are_readable(size: float, text: str) -> None:
    assert readable_size(size) == text


def wait_for_state(serial: str, state: str) -> None:
    until = time.monotonic() + 10
    while state not in [phone.state for phone in connected() if phone.serial == serial]:
        assert time.monotonic() < until
        time.sleep(0.05)
