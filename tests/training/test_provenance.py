"""Whose commit a run says that it was made by: ours, or nobody's."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fpt_bench.training import provenance


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(folder), *who, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=plain)
    return done.stdout.strip()


def committed(folder: Path) -> Path:
    """A repository of everything in a folder."""
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "all")
    return folder


def checkout(folder: Path) -> Path:
    """Our code as in a checkout, but for its repository."""
    place = folder / "fpt_bench" / "training"
    place.mkdir(parents=True)
    (place / "provenance.py").write_text("")
    return folder


def of_our_own(here: Path, _: pytest.MonkeyPatch) -> Path:
    return committed(checkout(here))


def with_a_variable(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    other = here.parent / "other"
    other.mkdir()
    committed(checkout(other))
    for name, value in (("GIT_DIR", other / ".git"), ("GIT_WORK_TREE", other), ("GIT_INDEX_FILE", other / "none")):
        monkeypatch.setenv(name, str(value))
    return of_our_own(here, monkeypatch)


def of_another_owner(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    return of_our_own(here, monkeypatch)


def within_another(here: Path, _: pytest.MonkeyPatch) -> Path:
    site = here / ".venv" / "lib" / "site-packages"
    checkout(site)
    committed(here)
    return site


def ignored_by_the_one_that_it_lies_in(here: Path, _: pytest.MonkeyPatch) -> Path:
    (here / ".gitignore").write_text("fpt_bench\n")
    committed(here)
    return checkout(here)


def with_a_variable_and_no_repository(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GIT_DIR", str(committed(checkout(here.parent / "other")) / ".git"))
    return checkout(here)


@pytest.mark.parametrize(
    ("place", "is_ours"),
    [
        (of_our_own, True),
        (with_a_variable, True),
        (of_another_owner, True),
        (within_another, False),
        (ignored_by_the_one_that_it_lies_in, False),
        (with_a_variable_and_no_repository, False),
    ],
)
def test_a_commit_is_of_our_own_repository_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Callable[..., Path], is_ours: bool
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    root = place(here, monkeypatch)
    monkeypatch.setattr(provenance, "_ROOT", root)
    monkeypatch.setattr(provenance, "__file__", str(root / "fpt_bench" / "training" / "provenance.py"))
    found = provenance._commit()
    assert found == (git(root, "rev-parse", "--short=12", "HEAD") if is_ours else None)


def test_a_commit_is_marked_where_files_differ_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = committed(checkout(tmp_path / "here"))
    place = root / "fpt_bench" / "training" / "provenance.py"
    monkeypatch.setattr(provenance, "_ROOT", root)
    monkeypatch.setattr(provenance, "__file__", str(place))
    place.write_text("changed = True\n")
    assert str(provenance._commit()).endswith("-dirty")
