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
        ("tasks:\n- {a: {b: 1, 'b': 2}}", "expected each key once, got 'b' 2 times in the mapping from line 2 on"),
        ("7: x\n'7': y", "expected each key once, got '7' 2 times"),
        ("a: &a {b: 1}\nc: {<<: *a, d: 1, d: 2}", "expected each key once, got 'd' 2 times"),
        ("a: &a {<<: *a}", "expected at most 100,000 values, got a list that holds itself"),
        ("\ufeffclaim: x".encode("utf-16"), "expected UTF-8, got another encoding at byte 0; save it as UTF-8"),
        ("claim: 1\n---\nclaim: 2", "expected a single document"),
        ("a: !!bool x", "expected what all readers of YAML take for the same, got x in line 1"),
        ("", "expected a mapping of names to values, got nothing"),
        ("name: x", "expected no key 'name': the name is the file's, mine"),
        ("1: x", "unknown key '1'"),
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


@pytest.mark.parametrize(
    "value", ["no", "on", "Yes", "off", "012", "-07", "1_0", "1:30", "0x10", "0b11", "1_0.5", "1:30.5", "!!int 012"]
)
@pytest.mark.parametrize("where", ["seeds: [0, {}]", "tasks: {{bit-xor: {{max_steps: {}}}}}", "{{a: [[{}]]}}"])
def test_what_readers_take_for_different_values_is_refused(value: str, where: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(where.format(value))
    with pytest.raises(ValueError, match="expected what all readers of YAML take for the same, got ") as caught:
        read_yaml(path)
    assert str(path) in str(caught.value)
    assert f"got {value.rpartition(' ')[2]} in line 1" in str(caught.value)


def test_names_stay_as_they_are_written(tmp_path: Path) -> None:
    names = ("None", "NA", "nan", "1e5", "007", "true", "no", "on", "null", "1:30", "2020-01-01", "~", "1_0", "0x1F")
    path = tmp_path / "mine.yaml"
    path.write_text("\n".join(f"{name}: {{role: '{name}'}}" for name in names))
    assert read_yaml(path) == {name: {"role": name} for name in names}
    path.write_text("checked: 2020-01-01\nrate: 1.0e-3\nseeds: [0, -1, 12]\nshuffled: true\nempty:\n")
    assert read_yaml(path) == {
        "checked": "2020-01-01", "rate": 0.001, "seeds": [0, -1, 12], "shuffled": True, "empty": None
    }  # fmt: skip


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
