"""`inspect`: what a task's data are, and every fault in them."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fpt_bench.cli import app
from tests.paths import EXAMPLES

FAULTY = """
from my_task import MajorityDataModule
from datamodules.examples import ArrayExamples, SequenceExamples

class OneSplit(MajorityDataModule):
    def examples(self, split):
        return super().examples("train")

class Floats(MajorityDataModule):
    def examples(self, split):
        whole = super().examples(split)
        return ArrayExamples(whole.inputs, whole.labels + 0.5)

class Count(MajorityDataModule):
    def examples(self, split):
        return 7

class NoSource(MajorityDataModule):
    source = None

class NoFloor(MajorityDataModule):
    def floors(self):
        return {"rule": {}["z"]}

class NoBase(MajorityDataModule):
    def __init__(self, **shared):
        pass

class BadStart(MajorityDataModule):
    def __init__(self, **shared):
        raise ValueError("no good")

class Cut(MajorityDataModule):
    def examples(self, split):
        return SequenceExamples(tuple(super().examples(split).inputs + 0.5), super().examples(split).labels)

class Negative(MajorityDataModule):
    def examples(self, split):
        whole = super().examples(split)
        return ArrayExamples(whole.inputs, whole.labels - 1)

class OneClass(MajorityDataModule):
    def examples(self, split):
        whole = super().examples(split)
        return ArrayExamples(whole.inputs, whole.labels * (split == "test"))
"""


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the task of the docs and two that are wrong, from which modules are imported."""
    (tmp_path / "my_task.py").write_text((EXAMPLES / "my_task.py").read_text())
    (tmp_path / "faulty.py").write_text(FAULTY)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in ("my_task", "faulty"):
        sys.modules.pop(name, None)


def inspect(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["inspect", *arguments])


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


@pytest.mark.usefixtures("outside")
def test_a_sound_task_is_shown_and_nothing_is_wrong() -> None:
    done = inspect("my_task:MajorityDataModule", "--data-arguments", "length=9")
    assert done.exit_code == 0, done.output
    assert "my_task:MajorityDataModule: real: all rows of bits, shuffled once" in done.stdout
    assert "answer: 1 label of 2 classes, read out at the last 1 position" in done.stdout
    assert "floor 51.6 %: guess 50.0 %; commonest class of training 48.4 %; best constant 51.6 %" in done.stdout
    assert ["train", "384", "9", "2", "51.3", "%", "none", "none"] in rows(done.stdout)
    assert "first example of test: " in done.stdout
    assert "sound: no fault was found" in done.stdout


@pytest.mark.usefixtures("outside")
def test_labels_that_are_all_alike_and_classes_that_training_lacks_are_no_fault_and_said() -> None:
    done = inspect("faulty:OneClass", "--data-arguments", "length=9")
    assert done.exit_code == 0, done.output
    assert "worth knowing: train: every label is 0: nothing can be learned from it" in done.stdout
    assert "worth knowing: validation: every label is 0: no score on it says what was learned" in done.stdout
    said = re.search("test: 1 of its classes are in no training example, 1: ([0-9]+) of its 64 examples", done.stdout)
    assert said is not None
    assert 20 < int(said[1]) < 44
    assert "sound: no fault was found" in done.stdout
    assert "worth knowing" not in inspect("my_task:MajorityDataModule").stdout


def test_records_are_counted(tmp_path: Path) -> None:
    small = ("folds=2", "superfamilies=1", "min_residues=1000", "max_residues=1100")
    arguments = [word for argument in small for word in ("--data-arguments", argument)]
    done = inspect("homology", *arguments, "--data-root", str(tmp_path))
    assert done.exit_code == 0, done.output
    assert "records of train: 16, of which 5 read; left out: 11 longer than 1,024 residues" in done.stdout


@pytest.mark.usefixtures("outside")
def test_every_fault_is_named_and_the_exit_code_says_so() -> None:
    done = inspect("faulty:OneSplit")
    assert done.exit_code == 1
    assert ["test", "1,536", "11", "2", "50.1", "%", "none", "train", "1,536,", "validation", "1,536"] in rows(
        done.stdout
    )
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert f"fault: {second}: expected examples that do not stand in {first}, got 1,536 of 1,536" in done.stdout
    assert "sound" not in done.stdout


@pytest.mark.usefixtures("outside")
def test_examples_that_cannot_be_made_are_a_fault() -> None:
    done = inspect("faulty:Floats")
    assert done.exit_code == 1
    assert "fault: expected labels as integers from 0 to C - 1, or as float32 where the task's" in done.stdout
    done = inspect("faulty:Negative")
    assert (done.exit_code, "fault: " in done.stdout) == (1, True), done.stderr


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize(
    ("task", "fault"),
    [
        ("NoSource", "expected `source`, one sentence"),
        ("NoFloor", "KeyError: 'z'"),
        ("Cut", "expected sequences of tokens, each (T,) integer, got"),
    ],
)
def test_a_fault_is_a_sentence_and_no_traceback(task: str, fault: str) -> None:
    done = inspect(f"faulty:{task}")
    assert done.exit_code == 1, done.output
    assert f"fault: {fault}" in done.stdout or fault in done.stdout
    assert not isinstance(done.exception, (KeyError, AttributeError, TypeError))


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("NoBase", "expected its `__init__` to call super().__init__(**shared)"),
        ("BadStart", "it cannot be made: ValueError: no good ("),
    ],
)
def test_a_task_that_cannot_be_made_is_named(task: str, message: str) -> None:
    done = inspect(f"faulty:{task}")
    assert (done.exit_code, message in done.stderr) == (2, True), done.output
    assert f"task 'faulty:{task}': " in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["bit-xor", "--data-arguments", "test_share=nan"],
            "test_share of bit-xor: expected a finite number, got 'nan'",
        ),
        (["bit-xor", "--data-arguments", "test_share=.inf"], "expected test_share to be a finite number, got inf"),
        (["cifr"], "unknown task or body 'cifr'. Did you mean 'cifar'?"),
        (["mnist", "--data", "reel"], "data: Input should be 'auto', 'real' or 'embedded', got 'reel'"),
        (["bit-xor", "--data-arguments", "string_bit=3"], "Did you mean 'string_bits'?"),
        (
            ["mnist", "--data", "real", "--offline", "--data-root", "nowhere"],
            "train-images-idx3-ubyte.gz (9.9 MB) is mis",
        ),
    ],
)
def test_wrong_input_is_a_sentence_and_exit_code_2(arguments: list[str], message: str) -> None:
    done = inspect(*arguments)
    assert done.exit_code == 2, done.output
    assert message in done.stderr


@pytest.mark.usefixtures("outside")
def test_code_that_fails_is_a_fault_with_its_place() -> None:
    done = inspect("faulty:Count")
    assert done.exit_code == 1
    assert (
        "fault: expected examples that can be looked at, got TypeError: object of type 'int' has no len() ("
        in done.output
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("x = 1 +\n", "got SyntaxError: invalid syntax (torn.py, line 1)"),
        ("\nx = y\n", r"got NameError: name 'y' is not defined ("),
    ],
)
def test_a_module_that_cannot_be_run_is_a_sentence(outside: Path, content: str, said: str) -> None:
    (outside / "torn.py").write_text(content)
    done = inspect("torn:Task")
    sys.modules.pop("torn", None)
    assert done.exit_code == 2
    assert f"expected a module that can be imported, {said}" in done.output


@pytest.mark.usefixtures("outside")
def test_a_name_that_is_no_task_and_no_body_is_said_to_be_either() -> None:
    done = inspect("minilmm")
    assert done.exit_code == 2
    assert "unknown task or body 'minilmm'. Did you mean 'minilm'?" in done.output
    assert done.output.count("bit-memory") == 1
    assert "or MODULE:ATTRIBUTE or a body's folder" in done.output
