from __future__ import annotations

from pathlib import Path

import pytest

from mobiledeploy.base.cache import placed, sha256_or_nothing
from mobiledeploy.base.errors import InputError


def test_a_file_is_placed_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file"
    with placed(target) as aside:
        aside.write_text("one")
        assert not target.exists()
    assert target.read_text() == "one"
    assert list(target.parent.iterdir()) == [target]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(KeyError), placed(target) as aside:
        aside.write_text("half")
        raise KeyError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_the_last_of_two_at_once_wins(tmp_path: Path) -> None:
    target = tmp_path / "file"
    with placed(target) as one, placed(target) as other:
        one.write_text("one")
        other.write_text("other")
    assert target.read_text() == "one"
    assert list(tmp_path.iterdir()) == [target]


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    expected = r"cache .*file/cache gives .*set XDG_CACHE_HOME to another"
    with pytest.raises(InputError, match=expected), placed(tmp_path / "file" / "cache" / "target"):
        pass


def test_a_file_that_cannot_be_read_has_no_hash(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert sha256_or_nothing(tmp_path / "file").startswith("ba7816bf8f01cfea")
    assert sha256_or_nothing(tmp_path / "absent") == sha256_or_nothing(tmp_path) == ""
