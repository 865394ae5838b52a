"""Settings that hold for every test."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

# One thread a process: tests run on small machines, several at a time, and their sums come out in one order.
# Set here, before any test imports torch or ONNX Runtime, so that tests which need neither import neither.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def own_statistics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of the tests' own for what exports keep. What was downloaded or built is that of the user."""
    from mobiledeploy.base.cache import cache_folder

    folder = tmp_path_factory.mktemp("cache") / "mobiledeploy"
    folder.mkdir()
    for part in ("built", "litert", "weights"):
        cache_folder(part).mkdir(parents=True, exist_ok=True)
        (folder / part).symlink_to(cache_folder(part))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder.parent))
        yield
