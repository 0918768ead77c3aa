"""What `make` hands to the shell: words as they were given, and nobody's files are removed."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fpt_bench.results.folder import RESULT_FILE
from fpt_bench.results.fresh import remove_runs
from tests.made_up_bench import made_up_bench, write_bench
from tests.paths import ROOT

PYTHON = """#!/bin/sh
for word in "$@"; do printf '<%s>' "$word" >> words; done; echo >> words
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A checkout in which everything is set up, and Python only writes down what it is asked."""
    folder = tmp_path / "a checkout"
    (folder / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("setup.cfg", "pyproject.toml", "requirements-bodies.txt", ".ci/environment.py", "locked.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    python = folder / ".venv" / "bin" / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    (folder / ".venv" / ".ready").touch()
    return folder


def make(place: Path, *words: str) -> tuple[int, str, list[str]]:
    """Return make's exit code, what it said, and what Python was asked, a line each."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["make", *words, "LOCK=locked.txt"], cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    asked = place / "words"
    return done.returncode, done.stderr, asked.read_text().splitlines() if asked.exists() else []


@pytest.mark.parametrize("runs", ["{}/my runs", "{}/it's; touch stray", "{}/$$(touch stray)", '{}/a"b', "{}/a*"])
def test_a_name_is_one_word_and_its_neighbours_stay(place: Path, tmp_path: Path, runs: str) -> None:
    for neighbour in ("my", "runs", "it", "a", "abc"):
        (tmp_path / neighbour).mkdir()
        (tmp_path / neighbour / "thesis.tex").touch()
    folder = runs.format(tmp_path)
    code, said, asked = make(place, "smoke", f"RUNS={folder}")
    shown = folder.replace("$$", "$")
    assert code == 0, said
    assert asked[0] == f"<-m><fpt_bench.results.fresh><{shown}/smoke>"
    assert asked[1:] == [f"<-m><fpt_bench><bench><--profile><smoke><--runs><{shown}/smoke><--offline>"]
    assert all((tmp_path / neighbour / "thesis.tex").exists() for neighbour in ("my", "runs", "it", "a", "abc"))
    assert not list(tmp_path.rglob("stray"))


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (("bench", "EXPERIMENTS=a b.yaml,c.yaml", "WORKERS=2"), "<--experiments><a b.yaml,c.yaml>"),
        (("bench", "KEPT=my results"), "<--runs><runs><--kept><my results>"),
        (("bench", "PROFILE=my profile.yaml"), "<--profile><my profile.yaml>"),
        (("report", "RUNS=my runs"), "<report><my runs><-o>"),
        (("check", "RUNS=my runs"), "<my runs/smoke/tables/headline-smoke>"),
        (("baseline", "RUNS=my runs"), "<my runs/smoke/tables/headline-smoke>"),
        (("fuzz", "SEED=1; touch stray"), "<--seed><1; touch stray>"),
        (("bench", "VENV=/nowhere", "RUN=rm -rf"), "<--experiments><headline>"),
    ],
)
def test_every_variable_is_one_word(place: Path, words: tuple[str, ...], asked: str) -> None:
    code, said, lines = make(place, *words)
    assert code == 0, said
    assert asked in lines[-1]
    assert not list(place.rglob("stray"))


@pytest.mark.parametrize("target", ["smoke", "bench", "report", "check"])
@pytest.mark.parametrize("runs", ["", "  "])
def test_no_folder_is_a_sentence(place: Path, target: str, runs: str) -> None:
    code, said, asked = make(place, target, f"RUNS={runs}")
    assert (code, asked) == (2, [])
    assert "RUNS: expected a folder, got nothing" in said


def test_cleaning_removes_our_own_environment_alone(place: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    assert make(place, "clean", f"VENV={tmp_path / 'theirs'}")[0] == 0
    assert (tmp_path / "theirs").is_dir()
    assert not (place / ".venv").exists()


def a_bench(folder: Path) -> Path:
    write_bench(folder, *made_up_bench(tasks=("bit-xor",), seeds=(0,)))
    for name in ("check.md", ".being-packed", ".simple-learners.json.lease"):  # leases of processes that were killed
        (folder / name).touch()
    (folder / "bodies").mkdir()
    return folder


def with_a_letter(folder: Path) -> Path:
    (a_bench(folder) / "letter.txt").touch()
    return folder


def with_a_folder(folder: Path) -> Path:
    (a_bench(folder) / "photographs").mkdir()
    return folder


def with_other_tables(folder: Path) -> Path:
    (a_bench(folder) / "tables" / "thesis").mkdir()
    return folder


def somebodys(folder: Path) -> Path:
    folder.mkdir()
    (folder / "letter.txt").touch()
    return folder


def somebodys_models(folder: Path) -> Path:
    for name in ("bert/checkpoints/a.ckpt", "bert/paper.tex"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def somebodys_features(folder: Path) -> Path:
    (folder / "features").mkdir(parents=True)
    (folder / "features" / "x.npy").touch()
    return folder


def a_file(folder: Path) -> Path:
    folder.touch()
    return folder


def a_link(folder: Path) -> Path:
    folder.symlink_to(a_bench(folder.with_name("linked")))
    return folder


STRANGE = [
    with_a_letter, with_a_folder, with_other_tables, somebodys, somebodys_models, somebodys_features, a_file, a_link
]  # fmt: skip


@pytest.mark.parametrize("make_it", STRANGE)
def test_what_is_no_folder_of_runs_is_not_removed(tmp_path: Path, make_it: Callable[[Path], Path]) -> None:
    folder = make_it(tmp_path / "smoke")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match="expected "):
        remove_runs(str(folder))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("named", ["", " ", "/", "~", ".", "..", "~/"])
def test_whole_homes_and_disks_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("fpt_bench.results.fresh.shutil.rmtree", lambda *_: pytest.fail("removed"))
    with pytest.raises(ValueError, match="expected "):
        remove_runs(named)


def test_a_folder_of_runs_is_removed_whole(tmp_path: Path) -> None:
    folder = a_bench(tmp_path / "smoke")
    remove_runs(str(folder))
    assert not folder.exists()
    remove_runs(str(folder))
    folder.mkdir()
    remove_runs(str(folder))
    assert not list(tmp_path.rglob(RESULT_FILE))
