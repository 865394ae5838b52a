"""A phone to try things on, from the repository's root:

    python -m tests.bench.virtual_phone [MODEL]        models: 4+4 (the default), 1+3+4, 2+6, ...

It prints what to paste into another shell, and stays until Ctrl-C. The adb server is its own.
"""

from __future__ import annotations

import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from tests.bench.virtual_phone.adb_server import AdbServer, find_adb
from tests.bench.virtual_phone.emulation import build_emulation
from tests.bench.virtual_phone.models import MODELS
from tests.bench.virtual_phone.phone import VirtualPhone


def _main() -> None:
    model = MODELS[sys.argv[1] if len(sys.argv) > 1 else "4+4"]
    with tempfile.TemporaryDirectory() as folder:
        emulation = build_emulation(Path(folder))
        if isinstance(emulation, str):
            print(f"# no AArch64 programs: {emulation}")
        else:
            print(f"# stands in for Google's tool: {emulation.benchmark_model}")
        server = AdbServer(find_adb(), Path(folder))
        try:
            with VirtualPhone(model, None if isinstance(emulation, str) else emulation) as phone:
                server.run("connect", phone.serial)
                print(f"# files: {phone.host_path('/')}")
                print(
                    f"export ANDROID_ADB_SERVER_PORT={server.port} ANDROID_SERIAL={phone.serial}", flush=True
                )
                with suppress(KeyboardInterrupt):
                    signal.pause()
        finally:
            server.stop()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    _main()
