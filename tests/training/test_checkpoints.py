"""Checkpoints: only a sound one is believed, and only the owner of a run writes them."""

import io
import os
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from datamodules.metrics import METRICS
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.events import Progress
from fpt_bench.results.folder import RESULT_FILE, checkpoint_file
from fpt_bench.results.lease import LeaseLostError
from fpt_bench.results.refusal import RefusedError
from fpt_bench.results.result import SCHEMA, RunResult
from fpt_bench.results.workspace import Workspace
from fpt_bench.training import one_run
from fpt_bench.training.checkpoints import AtomicCheckpoints, read_checkpoint, read_last
from fpt_bench.training.one_run import run_one

SPEC = RunSpec(task="bit-xor", data="real", layers=1, max_steps=9, eval_every=3, precision="float32")


class StopError(Exception):
    """Stands for the end of a process."""


def stop_after(step: int) -> Callable[[Progress], None]:
    def report(progress: Progress) -> None:
        if progress.step > step:
            raise StopError

    return report


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return run_one(SPEC, Workspace(tmp_path_factory.mktemp("whole"), offline=True))


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs in which the run was stopped after step 6."""
    workspace = Workspace(tmp_path_factory.mktemp("stopped"), offline=True)
    with pytest.raises(StopError):
        run_one(SPEC, workspace, stop_after(7))
    return workspace.runs


@pytest.fixture
def begun(stopped: Path, tmp_path: Path) -> Workspace:
    return Workspace(shutil.copytree(stopped, tmp_path / "begun"), offline=True)


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-300])


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    checkpoint = torch.load(path, weights_only=True)
    torch.save(change(checkpoint), path)


def without_one_weight(checkpoint: dict[str, Any]) -> object:
    name = next(iter(checkpoint["state_dict"]))
    return {**checkpoint, "state_dict": {k: v for k, v in checkpoint["state_dict"].items() if k != name}}


def with_callback(name: str, state: dict[str, Any]) -> Callable[[dict[str, Any]], object]:
    return lambda last: {**last, "callbacks": {**last["callbacks"], name: {**state}}}


DAMAGES: dict[str, Callable[[Path], None]] = {
    "a bit": flip_a_bit,
    "cut": cut,
    "empty": lambda path: path.write_bytes(b""),
    "a list": lambda path: rewrite(path, lambda _: [1, 2]),
    "nothing in it": lambda path: rewrite(path, lambda _: {}),
    "a weight missing": lambda path: rewrite(path, without_one_weight),
}


LATER = {"schema": 0, "sources": {"data": "d", "body": "b", "licence": "MIT"}, "attempts": []}
OTHER_STATES = {
    "no curve": with_callback("RunRecorder", {}),
    "more of a curve": with_callback("RunRecorder", {"curve": (), "end": 1}),
    "nothing heard": with_callback("HearingTest", {}),
    "other sources": with_callback("AttemptLog", LATER),
    "other attempts": with_callback(
        "AttemptLog", LATER | {"sources": {"data": "d", "body": "b"}, "attempts": [{"x": 1}]}
    ),
}


@pytest.mark.parametrize("change", OTHER_STATES.values(), ids=list(OTHER_STATES))
def test_a_checkpoint_with_states_of_another_shape_starts_the_run_over(
    whole: RunResult, begun: Workspace, change: Callable[[dict[str, Any]], object], caplog: pytest.LogCaptureFixture
) -> None:
    rewrite(checkpoint_file(begun.runs / SPEC.run_id, "last"), change)
    assert run_one(SPEC, begun).numbers() == whole.numbers()
    assert "the run starts over" in caplog.text


def test_a_checkpoint_of_a_later_version_is_refused_and_stays(begun: Workspace) -> None:
    last = checkpoint_file(begun.runs / SPEC.run_id, "last")
    rewrite(last, with_callback("AttemptLog", {"schema": SCHEMA + 1, "made": ()}))
    rewrite(last, with_callback("RunRecorder", {"validations": ()}))
    before = last.read_bytes()
    with pytest.raises(RefusedError, match="A newer fpt_bench made it"):
        run_one(SPEC, begun)
    assert last.read_bytes() == before


def test_a_checkpoint_says_by_what_it_was_scored(begun: Workspace) -> None:
    last = read_checkpoint(checkpoint_file(begun.runs / SPEC.run_id, "last"))
    assert last["callbacks"]["AttemptLog"]["sources"]["scored_by"] == METRICS["accuracy"].scale_in_words


@pytest.mark.parametrize("name", ["last", "best"])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_a_damaged_checkpoint_starts_the_run_over(
    whole: RunResult, begun: Workspace, name: str, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    damage(checkpoint_file(begun.runs / SPEC.run_id, name))
    assert run_one(SPEC, begun).numbers() == whole.numbers()
    assert "last.ckpt cannot be read" in caplog.text
    assert "the run starts over" in caplog.text


def test_a_process_that_ended_between_two_checkpoints_of_one_validation_loses_nothing(
    whole: RunResult, begun: Workspace, tmp_path: Path
) -> None:
    """The best one is written first, so that it may be a validation ahead of the last."""
    other = Workspace(tmp_path / "other", offline=True)
    with pytest.raises(StopError):
        run_one(SPEC, other, stop_after(4))
    folder = begun.runs / SPEC.run_id
    rewrite(checkpoint_file(folder, "best"), lambda best: {**best, "global_step": 6})
    shutil.copy(checkpoint_file(other.runs / SPEC.run_id, "last"), checkpoint_file(folder, "last"))
    result = run_one(SPEC, begun)
    assert result.numbers() == whole.numbers()
    assert [attempt.first_step for attempt in result.attempts] == [0, 3]


def test_a_checkpoint_of_an_earlier_version_starts_the_run_over(
    whole: RunResult, begun: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    def as_before(last: dict[str, Any]) -> object:
        return {**last, "callbacks": {k: v for k, v in last["callbacks"].items() if k != "AttemptLog"}}

    rewrite(checkpoint_file(begun.runs / SPEC.run_id, "last"), as_before)
    assert run_one(SPEC, begun).numbers() == whole.numbers()
    assert "found no AttemptLog): the run starts over" in caplog.text


def test_a_parameter_that_no_example_reached_is_no_reason_to_start_over(begun: Workspace) -> None:
    def without_one(last: dict[str, Any]) -> object:
        (optimizer,) = last["optimizer_states"]
        states = dict(list(optimizer["state"].items())[1:])
        return {**last, "optimizer_states": [{**optimizer, "state": states}]}

    path = checkpoint_file(begun.runs / SPEC.run_id, "last")
    learned = torch.load(path, weights_only=True)["state_dict"]
    rewrite(path, without_one)
    assert read_last(begun.runs / SPEC.run_id, learned, METRICS["accuracy"]) is not None


@pytest.mark.parametrize("key", ["state_dict", "optimizer_states", "callbacks", "loops"])
def test_a_checkpoint_without_a_part_starts_the_run_over(whole: RunResult, begun: Workspace, key: str) -> None:
    def without(checkpoint: dict[str, Any]) -> object:
        return {**checkpoint, key: type(checkpoint[key])()}

    rewrite(checkpoint_file(begun.runs / SPEC.run_id, "last"), without)
    result = run_one(SPEC, begun)
    assert result.numbers() == whole.numbers()
    assert [attempt.first_step for attempt in result.attempts] == [0]


def test_best_weights_of_another_step_are_never_tested(whole: RunResult, begun: Workspace) -> None:
    rewrite(checkpoint_file(begun.runs / SPEC.run_id, "best"), lambda best: {**best, "global_step": 7})
    assert run_one(SPEC, begun).numbers() == whole.numbers()


def test_best_weights_that_are_gone_are_trained_again(whole: RunResult, begun: Workspace) -> None:
    checkpoint_file(begun.runs / SPEC.run_id, "best").unlink()
    assert run_one(SPEC, begun).numbers() == whole.numbers()


def test_every_bit_of_the_numbers_in_a_checkpoint_is_checked(begun: Workspace) -> None:
    """Torch itself would load most of them as other numbers."""
    content = checkpoint_file(begun.runs / SPEC.run_id, "last").read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info.header_offset + 30 + len(info.filename), info.compress_size) for info in archive.infolist()]
    path, draw, believed = begun.runs / "flipped.ckpt", random.Random(0), []
    largest = max(members, key=lambda member: member[1])
    for _ in range(40):
        damaged = bytearray(content)
        place = draw.randrange(largest[0] + 64, largest[0] + largest[1])  # behind the padding that aligns it
        damaged[place] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        try:
            read_checkpoint(path)
        except ValueError:
            continue
        believed.append(place)
    assert believed == []


def test_a_checkpoint_is_read_once(
    whole: RunResult, begun: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner that was thought dead writes another one between the reading for the data and that for the weights."""
    other = Workspace(tmp_path / "other", offline=True)
    with pytest.raises(StopError):
        run_one(SPEC, other, stop_after(4))
    real = one_run.make_trainer

    def meanwhile(*arguments: Any) -> Any:
        shutil.copy(
            checkpoint_file(other.runs / SPEC.run_id, "last"), checkpoint_file(begun.runs / SPEC.run_id, "last")
        )
        return real(*arguments)

    monkeypatch.setattr(one_run, "make_trainer", meanwhile)
    assert run_one(SPEC, begun).numbers() == whole.numbers()


def test_weights_and_data_of_two_steps_are_not_trained(begun: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    path = checkpoint_file(begun.runs / SPEC.run_id, "last")
    rewritten = torch.load(path, weights_only=True)
    rewritten["loops"]["fit_loop"]["epoch_loop.automatic_optimization.optim_progress"]["optimizer"]["step"]["total"][
        "completed"
    ] = 5
    monkeypatch.setattr(AtomicCheckpoints, "load_checkpoint", lambda *_, **__: rewritten)
    with pytest.raises(RuntimeError, match="expected data and weights of step 6, got those of steps 6 and 5"):
        run_one(SPEC, begun)


def files(folder: Path) -> dict[str, bytes]:
    """What is whole in a run's folder, logs apart."""
    kept = (path for path in folder.rglob("*") if path.is_file() and path.name[0] != "." and path.suffix != ".claim")
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept if "logs" not in path.parts}


@pytest.mark.parametrize("which", [0, 1, -2, -1])
def test_a_process_that_lost_its_lease_writes_nothing_and_waits(
    whole: RunResult, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    """It is asked before each checkpoint, before the predictions and before the result."""
    scores = [score for _, score in whole.curve]
    new_bests = sum(score > max(scores[:place], default=-1) for place, score in enumerate(scores))
    asked = range(1, new_bests + len(scores) + 3)[which]
    folder = workspace.runs / SPEC.run_id
    real, real_set_up = one_run.Lease.require, one_run._set_up
    calls: list[int] = []
    seen: list[dict[str, bytes]] = []

    def lose(lease: one_run.Lease) -> None:
        calls.append(len(calls))
        if len(calls) == asked:
            seen.append(files(folder))
            raise LeaseLostError(str(lease.path))
        real(lease)

    def look(*arguments: Any) -> Any:
        seen.append(files(folder))
        return real_set_up(*arguments)

    monkeypatch.setattr(one_run.Lease, "require", lose)
    monkeypatch.setattr(one_run, "_set_up", look)
    assert run_one(SPEC, workspace).numbers() == whole.numbers()
    before, at_loss, after = seen
    assert before == {}
    assert at_loss == after
    assert RESULT_FILE not in at_loss


def test_what_a_dead_process_left_half_written_is_removed(whole: RunResult, begun: Workspace) -> None:
    run = begun.runs / SPEC.run_id
    (run / "checkpoints" / ".unfinished-elsewhere-17-last.ckpt").write_bytes(b"half")
    for name in ("result.json", "predictions.json", "test_predictions.npz"):
        (run / f".{name}.elsewhere.17").write_bytes(b"half")
    assert run_one(SPEC, begun).numbers() == whole.numbers()
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]
    assert not list(run.glob(".*"))


def test_two_processes_never_share_an_unfinished_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def look(_: object, stream: io.BufferedWriter) -> None:
        seen.append(Path(stream.name).name)

    monkeypatch.setattr("torch.save", look)
    for process in (1, 2):
        monkeypatch.setattr(os, "getpid", lambda process=process: process)
        AtomicCheckpoints().save_checkpoint({}, tmp_path / "last.ckpt")
    assert len(set(seen)) == 2


def test_nothing_in_a_run_names_a_folder_of_the_machine(whole: RunResult, begun: Workspace) -> None:
    assert run_one(SPEC, begun).numbers() == whole.numbers()
    folder = begun.runs / SPEC.run_id
    found = [path.name for path in folder.rglob("*") if path.is_file() and str(begun.runs).encode() in content(path)]
    assert found == []


def content(path: Path) -> bytes:
    """A file's bytes; of an archive, those of its members."""
    if not zipfile.is_zipfile(path):
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        return b"".join(archive.read(name) for name in archive.namelist())
