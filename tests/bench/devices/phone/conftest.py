"""What tests of phones share besides the phones: our runner, models, and a look at what is left behind."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.devices.phone.own_runner import OwnRunner
from mobiledeploy.bench.runner.records import Model

if TYPE_CHECKING:
    from tests.bench.virtual_phone.phone import VirtualPhone
    from tests.bench.virtual_phone.phones import Phones

_CLEAN_WITHIN_S = 60.0


@pytest.fixture(scope="session")
def built_runner() -> OwnRunner | str:
    try:
        return OwnRunner()
    except InputError as error:
        return str(error)


@pytest.fixture
def own_runner(phones: Phones, built_runner: OwnRunner | str) -> OwnRunner:
    """Ours, on phones that can run it."""
    phones.need_programs()
    if isinstance(built_runner, str):
        pytest.skip(built_runner)
    return built_runner


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
        until = time.monotonic() + _CLEAN_WITHIN_S
        while (phone.left_behind() or phone.processes()) and time.monotonic() < until:
            time.sleep(0.05)
        assert phone.left_behind() == []
        assert phone.processes() == []

    return check
