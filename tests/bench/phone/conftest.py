"""Virtual phones behind an adb server of the tests' own."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from mobiledeploy.bench.phone.own_runner import OwnRunner
from mobiledeploy.bench.records import Model
from mobiledeploy.errors import InputError
from tests.bench.virtual_phone.adb_server import AdbServer
from tests.bench.virtual_phone.emulation import Emulation, build_emulation
from tests.bench.virtual_phone.models import MODELS, PhoneModel
from tests.bench.virtual_phone.phone import VirtualPhone
from tests.bench.virtual_phone.protocol import Access

CLEAN_WITHIN_S = 5.0


class Connect(Protocol):
    def __call__(self, model: str | PhoneModel = "4+4", access: Access = Access.GRANTED) -> VirtualPhone: ...


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    from adbutils import AdbError, adb_path

    try:
        running = AdbServer(adb_path(), tmp_path_factory.mktemp("adb"))
    except AdbError as error:
        pytest.skip(f"there is no adb here: {error}")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def emulation(tmp_path_factory: pytest.TempPathFactory) -> Emulation:
    built = build_emulation(tmp_path_factory.mktemp("emulation"))
    if isinstance(built, str):
        pytest.skip(built)
    return built


@pytest.fixture(scope="session")
def own_runner() -> OwnRunner:
    try:
        return OwnRunner()
    except InputError as error:
        pytest.skip(str(error))


@pytest.fixture
def connect(server: AdbServer, emulation: Emulation, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """Connects a new phone, by a cable as of USB: adb no longer lists it once it is unplugged."""
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(server.port))

    with ExitStack() as phones:

        def connected(model: str | PhoneModel = "4+4", access: Access = Access.GRANTED) -> VirtualPhone:
            phone = VirtualPhone(
                MODELS[model] if isinstance(model, str) else model,
                emulation,
                access,
                on_unplug=lambda: server.run("disconnect", phone.serial),
                on_plug_in=lambda: server.run("connect", phone.serial),
            )
            phones.enter_context(phone)
            phones.callback(server.run, "disconnect", phone.serial)
            server.run("connect", phone.serial)
            return phone

        yield connected


@pytest.fixture
def linear_models(linear_files: dict[str, Path]) -> tuple[Model, Model]:
    """Float and int8, fed with zeros."""

    def model(kind: str, size: int) -> Model:
        path = linear_files[kind]
        return Model(kind, path, hashlib.sha256(path.read_bytes()).hexdigest(), (bytes(size),))

    return model("fp32", 4 * 4 * 3 * 4), model("int8", 4 * 4 * 3)


@pytest.fixture
def assert_clean() -> Callable[[VirtualPhone], None]:
    """Nothing of ours is on the phone, at the latest a moment from now."""

    def check(phone: VirtualPhone) -> None:
        until = time.monotonic() + CLEAN_WITHIN_S
        while (phone.left_behind() or phone.processes()) and time.monotonic() < until:
            time.sleep(0.05)
        assert phone.left_behind() == []
        assert phone.processes() == []

    return check
