"""Splits kept in files: what they are kept under."""

from pathlib import Path

from datamodules.sequence_files import key_of_files
from tests.datamodules.unseen_edits import edit_unseen


def test_a_key_is_that_of_contents_and_not_of_times(tmp_path: Path) -> None:
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    for path in (first, second):
        path.write_text("one")
    key = key_of_files(first, second)
    assert len(key) == 16
    first.touch()
    assert key_of_files(first, second) == key
    edit_unseen(second, b"one", b"two")
    assert key_of_files(first, second) != key
