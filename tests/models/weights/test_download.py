"""Downloads against an HTTP server on this machine; nothing here reaches the network."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mobiledeploy.base.errors import WeightsError
from mobiledeploy.models.facts import TV256
from mobiledeploy.models.spec import Conventions, WeightsEntry
from mobiledeploy.models.weights.download import default_cache, fetch

BODY = bytes(range(256)) * 1000
PREFIX = hashlib.sha256(BODY).hexdigest()[:8]
ENTRY = WeightsEntry(
    name="v1",
    path=f"models/net-{PREFIX}.pth",
    sha256_prefix=PREFIX,
    accuracy=70.0,
    preprocessing=TV256,
    conventions=Conventions(),
)


class Server(http.server.ThreadingHTTPServer):
    """Answers every request in the way that `behaviour` names, and remembers the requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviour = "whole"
        self.requests: list[str] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        match self.server.behaviour:
            case "whole":
                self.answer(BODY)
            case "unsized":
                self.answer(BODY, length=None)
            case "other bytes":
                self.answer(BODY[::-1])
            case "truncated":
                self.answer(BODY[:100_000], length=len(BODY))
            case "missing":
                self.send_error(404)
            case "redirect" if self.path.startswith("/models"):
                self.send_response(302)
                self.send_header("Location", "/mirror/net.pth")
                self.end_headers()
            case "redirect":
                self.answer(BODY)
            case "hang":
                self.server.released.wait(10)
            case "stall":
                self.answer(BODY[:100_000], length=len(BODY), then_wait=True)

    def answer(self, body: bytes, length: int | None = len(BODY), then_wait: bool = False) -> None:
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)
        if then_wait:
            self.server.released.wait(10)

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch hub's cache, empty, and no proxy between us and the server."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "weights"


def refused(server: Server, cache: Path, behaviour: str, match: str) -> None:
    server.behaviour = behaviour
    with pytest.raises(WeightsError, match=match):
        fetch(ENTRY, host=server.url, cache=cache, timeout_s=0.3)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("behaviour", ["whole", "unsized", "redirect"])
def test_a_download_arrives_whole_and_alone(server: Server, cache: Path, behaviour: str) -> None:
    server.behaviour = behaviour
    path = fetch(ENTRY, host=server.url + "/", cache=cache, timeout_s=5)
    assert server.requests[0] == f"/{ENTRY.path}"
    assert path.read_bytes() == BODY
    assert list(cache.iterdir()) == [path]


@pytest.mark.parametrize(("behaviour", "total"), [("whole", len(BODY)), ("unsized", None)])
def test_progress_counts_up_to_the_whole(
    server: Server, cache: Path, behaviour: str, total: int | None
) -> None:
    server.behaviour = behaviour
    calls: list[tuple[int, int | None]] = []
    fetch(ENTRY, host=server.url, cache=cache, timeout_s=5, progress=lambda *call: calls.append(call))
    assert len(calls) > 1 and calls == sorted(calls, key=lambda call: call[0])
    assert calls[-1] == (len(BODY), total)


def test_no_such_file(server: Server, cache: Path) -> None:
    refused(server, cache, "missing", r"answers 404 .*--weights FILE")


def test_a_wrong_hash(server: Server, cache: Path) -> None:
    refused(server, cache, "other bytes", rf"SHA-256 [0-9a-f]{{8}}\.\.\., expected {PREFIX}.*thrown away")


def test_a_truncated_body(server: Server, cache: Path) -> None:
    refused(server, cache, "truncated", rf"broke off after 100000 bytes, expected {len(BODY)}")


@pytest.mark.parametrize("behaviour", ["hang", "stall"])
def test_a_server_that_falls_silent(server: Server, cache: Path, behaviour: str) -> None:
    refused(server, cache, behaviour, r"is silent for 0\.3 s")


def test_no_server(cache: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be had"):
        fetch(ENTRY, host="http://127.0.0.1:9", cache=cache, timeout_s=1)


def test_an_interrupted_download_leaves_nothing(server: Server, cache: Path) -> None:
    def interrupt(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(ENTRY, host=server.url, cache=cache, timeout_s=5, progress=interrupt)
    assert list(cache.iterdir()) == []


def test_a_cached_copy_is_used_without_a_request(server: Server, cache: Path) -> None:
    first = fetch(ENTRY, host=server.url, cache=cache, timeout_s=5)
    assert fetch(ENTRY, host=server.url, cache=cache, timeout_s=5) == first
    assert len(server.requests) == 1


def test_torch_hubs_copy_is_used_without_a_request(server: Server, cache: Path, hub: Path) -> None:
    (hub / ENTRY.file_name).write_bytes(BODY)
    assert fetch(ENTRY, host=server.url, cache=cache, timeout_s=5) == hub / ENTRY.file_name
    assert server.requests == [] and not cache.exists()


def test_damaged_copies_are_passed_over_and_ours_is_replaced(server: Server, cache: Path, hub: Path) -> None:
    cache.mkdir(parents=True)
    for folder in (cache, hub):
        (folder / ENTRY.file_name).write_bytes(BODY[:-1])
    path = fetch(ENTRY, host=server.url, cache=cache, timeout_s=5)
    assert path.parent == cache and path.read_bytes() == BODY
    assert (hub / ENTRY.file_name).read_bytes() == BODY[:-1]


def test_a_cache_that_cannot_be_made(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WeightsError, match=r"weights cache .* expected a folder with room.*XDG_CACHE_HOME"):
        fetch(ENTRY, host=server.url, cache=tmp_path / "file" / "weights", timeout_s=5)


def test_the_default_cache_honours_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "mobiledeploy" / "weights"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache() == tmp_path / ".cache" / "mobiledeploy" / "weights"
