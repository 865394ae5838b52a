"""Images by class: where the class comes from, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobiledeploy.base.errors import InputError
from mobiledeploy.tasks.class_folders import labelled_by_class


def touch(folder: Path, *paths: str) -> Path:
    """Files that are named like images; nobody looks into them."""
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    return folder


def test_class_folders_in_order_of_name(tmp_path: Path) -> None:
    touch(tmp_path, "n02/a.png", "n01/deep/b.PNG", "n01/a.jpg", "n03/c.jpeg", "beside.png", ".git/x.png")
    found = labelled_by_class(tmp_path, classes=3)
    assert found == [("n01/a.jpg", 0), ("n01/deep/b.PNG", 0), ("n02/a.png", 1), ("n03/c.jpeg", 2)]


def test_an_empty_class_folder_keeps_its_number(tmp_path: Path) -> None:
    touch(tmp_path, "c/a.png")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert labelled_by_class(tmp_path, classes=3) == [("c/a.png", 2)]


def test_folders_of_numbers(tmp_path: Path) -> None:
    touch(tmp_path, "2/a.png", "10/b.png", "007/c.png")
    found = labelled_by_class(tmp_path, classes=1000)
    assert sorted(found) == [("007/c.png", 7), ("10/b.png", 10), ("2/a.png", 2)]


def test_a_subset_by_name_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "cat/a.png", "dog/b.png")
    with pytest.raises(InputError, match=r"2 class folders, expected 1000.*class number or.*labels\.txt"):
        labelled_by_class(tmp_path, classes=1000)


def test_a_class_beyond_the_network_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "1/a.png", "10/b.png")
    with pytest.raises(InputError, match=r"10/b\.png has class 10, expected 0 to 9"):
        labelled_by_class(tmp_path, classes=10)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.txt", "sub/my cat.png 3\n\nother.png\t0\n"),
        ("labels.csv", 'path,label\n"sub/my cat.png",3\nother.png, 0\n'),
        ("labels.csv", "sub/my cat.png,3\r\nother.png,0"),
    ],
)
def test_list(tmp_path: Path, name: str, text: str) -> None:
    touch(tmp_path, "other.png", "sub/my cat.png")
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert labelled_by_class(tmp_path, classes=4) == [("sub/my cat.png", 3), ("other.png", 0)]


@pytest.mark.parametrize("line", ["a.png", "a.png cat", "a.png -1"])
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "labels.txt").write_text(f"b.png 0\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError, match=f'line 2 is "{line}", expected a path and a class number'):
        labelled_by_class(tmp_path, classes=4)


def test_folders_that_are_no_validation_set(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a folder"):
        labelled_by_class(tmp_path / "gone", classes=4)
    with pytest.raises(InputError, match=r"has no folders, expected one for each class or a labels\.txt"):
        labelled_by_class(touch(tmp_path, "a.png"), classes=4)
    (tmp_path / "0").mkdir()
    with pytest.raises(InputError, match="has no images"):
        labelled_by_class(tmp_path, classes=4)
    (tmp_path / "labels.txt").touch()
    (tmp_path / "labels.csv").touch()
    with pytest.raises(InputError, match="remove the other"):
        labelled_by_class(tmp_path, classes=4)
