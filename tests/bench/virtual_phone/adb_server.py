"""An adb server of the tests' own: the genuine one, with nothing shared with the computer's."""

from __future__ import annotations

import importlib
import os
import socket
import subprocess
import time
from pathlib import Path

__all__ = ["AdbServer", "find_adb"]

_START_S = 20.0
_COMMAND_S = 60.0


def find_adb() -> str:
    """The adb program that comes with adbutils, or this computer's.

    Raises:
        ImportError: There is no adbutils.
    """
    return str(importlib.import_module("adbutils").adb_path())


class AdbServer:
    """A running server on a free port.

    Args:
        adb: The adb program.
        home: An empty folder, in place of the user's home: the server keeps its key there.

    Attributes:
        port: Where clients find it; also in ANDROID_ADB_SERVER_PORT of `environment`.
        environment: For clients.
    """

    def __init__(self, adb: str, home: Path) -> None:
        self._adb = adb
        self.port = _free_port()
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("ADB_", "ANDROID_"))
        }
        self.environment = kept | {"HOME": str(home), "ANDROID_ADB_SERVER_PORT": str(self.port)}
        # No phones but ours: not on USB, not on the network, no emulator.
        only_ours = {"ADB_USB": "0", "ADB_MDNS": "0", "ADB_MDNS_AUTO_CONNECT": "0", "ADB_EMU": "0"}
        self._log = (home / "server.log").open("wb")
        self._process = subprocess.Popen(
            [adb, "-P", str(self.port), "server", "nodaemon"],
            env=self.environment | only_ours,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        self._wait()

    def run(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """An adb command, to its end."""
        command = [self._adb, *arguments]
        return subprocess.run(
            command, env=self.environment, input=stdin, capture_output=True, timeout=_COMMAND_S, check=False
        )

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """An adb command that goes on; its stdin stays open as long as it runs."""
        command = [self._adb, *arguments]
        return subprocess.Popen(
            command,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def devices(self) -> dict[str, str]:
        """Serial -> state, as `adb devices` shows them."""
        lines = self.run("devices").stdout.decode().splitlines()
        return dict(line.split("\t") for line in lines if "\t" in line)

    def stop(self) -> None:
        """End the server."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _wait(self) -> None:
        until = time.monotonic() + _START_S
        while time.monotonic() < until and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        self.stop()
        raise RuntimeError("the adb server does not start")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
