"""Where the phone's files lie on the computer that plays the phone.

Nothing here needs root or a container: a command's text is rewritten so that every device path in it leads
into a temporary folder, and what the command prints is rewritten back. Code that talks to the phone sees
device paths only. The rewriting knows texts, no meaning: a path that a command puts together itself
($x/sys) stays as it is, and so does what is read from stdin or from a script that was pushed.
"""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["Paths", "ToDevice"]

_TOP = "data|sys|proc|system|vendor|sdcard|dev/cpuset"
# Not /proc/PID: processes are the computer's own. Not in the middle of a longer path.
_DEVICE_PATH = re.compile(rf"(?<![\w./\-}}\])*?])/(?!proc/[\d$])(?=(?:{_TOP})(?![\w.-]))")


class Paths:
    """The phone's root folder.

    Args:
        root: Without links in it, and without characters that a shell sees as special.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def host(self, path: str) -> Path:
        """Where a device path lies; `..` does not lead out of the root."""
        parts: list[str] = []
        for part in path.split("/"):
            if part == "..":
                parts = parts[:-1]
            elif part not in ("", "."):
                parts.append(part)
        return self.root.joinpath(*parts)

    def host_text(self, command: str) -> str:
        """A command with its device paths rewritten."""
        return _DEVICE_PATH.sub(f"{self.root}/", command)

    def device_text(self, text: str) -> str:
        """The inverse."""
        rewriter = ToDevice(self)
        return (rewriter.feed(text.encode()) + rewriter.flush()).decode()


class ToDevice:
    """Rewrites output that comes in pieces."""

    def __init__(self, paths: Paths) -> None:
        self._root = str(paths.root).encode()
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """What is certain by now."""
        data = self._rest + data
        data = data.replace(self._root + b"/", b"/")
        keep = next(
            (n for n in range(min(len(self._root), len(data)), 0, -1) if self._root.startswith(data[-n:])), 0
        )
        self._rest = data[len(data) - keep :]
        return self._finish(data[: len(data) - keep])

    def flush(self) -> bytes:
        """The rest."""
        rest, self._rest = self._rest, b""
        return self._finish(rest)

    def _finish(self, data: bytes) -> bytes:
        return data.replace(self._root, b"/")
