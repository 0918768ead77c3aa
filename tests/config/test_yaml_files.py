"""Files that are no YAML, or more than anybody writes: a short sentence that names the file, and soon."""

import os
import time
from pathlib import Path

import pytest

from fpt_bench.config.named import named_experiment
from fpt_bench.config.yaml_files import MOST_BYTES, listed_experiments, read_yaml


def laughs(name: str, levels: int = 11) -> str:
    """A few hundred bytes that unfold to 9 ** levels values; `name` is the key that holds them."""
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels))]
    return "\n".join([*lines, f"{name}: *a{levels - 1}", ""])


def merged_laughs(levels: int = 11) -> str:
    """The same by `<<`, which PyYAML unfolds while it reads."""
    lines = [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, levels)]
    return "\n".join(["a0: &a0 {x: 1}", *lines, ""])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (laughs("tasks"), "expected at most 100,000 values, got 15,745,010,822 with aliases (`*`) written out"),
        (merged_laughs(), "expected at most 100,000 values, got 13,238,884,530 with aliases (`*`) written out"),
        ("a: &a [*a]", "expected at most 100,000 values, got a list that holds itself"),
        ("a: " + "[" * 500 + "]" * 500, "lists within lists without end"),
        ("claim: für".encode("latin-1"), "expected UTF-8, got another encoding at byte 8; save it as UTF-8"),
        ("#" * MOST_BYTES + "\na: 1", "expected at most 1,000,000 bytes of YAML, got 1,000,005"),
        ("claim: x\ntasks: []\nclaim: y", "expected each key once, got 'claim' 2 times in the mapping from line 1 on"),
        ("arms:\n  a: {run: {}}\n  a: {}", "expected each key once, got 'a' 2 times in the mapping from line 2 on"),
        ("a: 2001-99-99", "month must be in 1..12"),
        ("a: !!bool x", "expected values that fit the tags (`!!`) before them, got KeyError('x')"),
        ("", "expected a mapping of names to values, got nothing"),
        ("name: x", "expected no key 'name': the name is the file's, mine"),
        ("1: x", "Keys should be strings, got 1"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_in_a_short_sentence(
    content: str | bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    began = time.monotonic()
    with pytest.raises(ValueError, match=r".") as caught:
        named_experiment(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 300
    assert time.monotonic() - began < 10


def test_a_wrong_value_is_written_short(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(laughs("tasks", levels=5) + "claim: [x]\nbaseline: *a4\narms: *a4\n")
    with pytest.raises(ValueError, match=r"tasks\.0: Input should be a valid string, got \[.*and \d+ more$") as caught:
        named_experiment(str(path))
    assert len(str(caught.value)) < len(str(path)) + 1000


def test_aliases_that_people_write_are_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("a: &brief {seeds: [0]}\nb: *brief\nc: {<<: *brief, run: {}}\n")
    assert read_yaml(path) == {"a": {"seeds": [0]}, "b": {"seeds": [0]}, "c": {"seeds": [0], "run": {}}}


def test_what_is_no_file_is_said_as_it_is(tmp_path: Path) -> None:
    for name in ("headline", "depth", "dir"):
        (tmp_path / f"{name}.yaml").mkdir() if name == "dir" else (tmp_path / f"{name}.yaml").write_text("a: 1")
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(ValueError, match=r"dir\.yaml: expected a YAML file, got a folder$"):
        read_yaml(tmp_path / "dir.yaml")
    with pytest.raises(ValueError, match=r"pipe\.yaml: expected a YAML file, got a pipe or a device$"):
        read_yaml(tmp_path / "pipe.yaml")
    with pytest.raises(FileNotFoundError, match=r"nope\.yaml does not exist$"):
        read_yaml(tmp_path / "nope.yaml")
    with pytest.raises(FileNotFoundError, match=r"headlin\.yaml does not exist\. Did you mean '.*/headline\.yaml'\?$"):
        read_yaml(tmp_path / "headlin.yaml")


def test_all_experiments_begin_with_the_headline_that_shared_runs_count_for() -> None:
    names = listed_experiments("all")
    assert names[0] == "headline"
    assert names[1:] == sorted(names[1:])
