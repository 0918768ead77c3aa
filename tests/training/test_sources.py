"""A result is given back, and a checkpoint gone on from, only where data and body are still what they were."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torchvision.io import write_png
from transformers import GPT2Config, GPT2Model
from typer.testing import CliRunner

from datamodules.contract import TRAIN
from fpt_bench.cli import app
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.folder import RESULT_FILE
from fpt_bench.results.refusal import RefusedError
from fpt_bench.results.result_files import read_run
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.one_run import run_one
from fpt_bench.training.resolve import resolve
from fpt_bench.training.sources import CurrentSources, Sources
from tests.scored_tasks import Share
from tests.training.test_checkpoints import StopError, stop_after


def save_body(folder: Path, seed: int) -> None:
    torch.manual_seed(seed)
    sizes = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 16, "vocab_size": 8}
    GPT2Model(GPT2Config(**sizes)).save_pretrained(folder)


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A working directory with a body in `mine`."""
    monkeypatch.chdir(tmp_path)
    save_body(tmp_path / "mine", seed=0)
    return Workspace(tmp_path / "runs", offline=True)


def asked(workspace: Workspace, **fields: object) -> RunSpec:
    spec = RunSpec(task="bit-xor", data="real", body="mine", max_steps=20, eval_every=10, dropout=0.0, **fields)
    return resolve(spec, workspace)[0]


def test_a_result_of_other_weights_is_not_given_back(at: Workspace) -> None:
    spec = asked(at)
    result = run_one(spec, at)
    assert run_one(spec, at) == result
    save_body(Path("mine"), seed=1)
    path = at.runs / spec.run_id / RESULT_FILE
    kept = path.read_bytes()
    with pytest.raises(RefusedError, match=r"was done with other weights: expected the body with fingerprint .* got "):
        run_one(spec, at)
    assert path.read_bytes() == kept
    save_body(Path("mine"), seed=0)
    assert run_one(spec, at) == result


class DrawnBySeed(Share):
    """Training examples are a draw of the seed's; validation and test sets are always the same."""

    def inputs(self, split: str) -> NDArray[np.float32]:
        fixed = super().inputs(split)
        return fixed[np.random.default_rng(self.seed).permutation(len(fixed))[:60]] if split == TRAIN else fixed


def test_training_examples_of_ones_own_may_be_drawn_by_the_seed(at: Workspace) -> None:
    task = f"{__name__}:{DrawnBySeed.__name__}"
    specs = [resolve(asked(at, seed=seed).model_copy(update={"task": task}), at)[0] for seed in (0, 1)]
    results, current = [run_one(spec, at) for spec in specs], CurrentSources(at)
    assert results[0].data != results[1].data
    for spec, result in zip(specs, results, strict=True):
        current.require_same(spec, "was done", Sources.of_result(result))


def test_a_result_by_another_metric_is_not_given_back(at: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = resolve(asked(at).model_copy(update={"task": f"{__name__}:{DrawnBySeed.__name__}"}), at)[0]
    result = run_one(spec, at)
    assert run_one(spec, at) == result
    monkeypatch.setattr(DrawnBySeed, "spec", replace(Share.spec, metric="root-mean-squared-error"))
    with pytest.raises(RefusedError, match=r"other scores: expected scores in mean-absolute-error .* got root-mean-sq"):
        run_one(spec, at)


def test_a_run_begun_with_other_weights_is_not_gone_on_with(at: Workspace) -> None:
    spec = asked(at)
    with pytest.raises(StopError):
        run_one(spec, at, stop_after(12))
    save_body(Path("mine"), seed=1)
    with pytest.raises(RefusedError, match="was begun with other weights"):
        run_one(spec, at)
    assert (at.runs / spec.run_id / "checkpoints" / "last.ckpt").is_file()


def test_a_result_of_another_architecture_is_not_given_back(at: Workspace) -> None:
    """The same weights with one head in place of two are another model."""
    spec = asked(at)
    run_one(spec, at)
    path = Path("mine") / "config.json"
    path.write_text(path.read_text().replace('"n_head": 2', '"n_head": 1'))
    with pytest.raises(RefusedError, match="was done with other weights"):
        run_one(spec, at)


def test_a_result_of_a_body_that_another_run_trained_is_not_given_back(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where configs/pretraining.yaml changes, an init has the same name and means another run."""
    row = {"data": "real", "max_steps": 4, "eval_every": 2}
    monkeypatch.setattr("fpt_bench.config.inits.read_yaml", lambda _: {"bit-xor": row})
    fields = {"init": "task:bit-xor", "layers": 1, "max_steps": 4, "eval_every": 2, "precision": "float32"}
    spec, _ = resolve(RunSpec(task="bit-xor", data="real", **fields), workspace)
    result = run_one(spec, workspace)
    assert run_one(spec, workspace) == result
    row["max_steps"] = 6
    with pytest.raises(RefusedError, match="was done with other weights: expected the body trained by bit-xor_minilm_"):
        run_one(spec, workspace)


@pytest.mark.parametrize("way", ["mine", "./mine", "mine/", "other/../mine", "absolute"])
def test_a_folder_has_one_name_however_it_is_typed(at: Workspace, way: str) -> None:
    Path("other").mkdir()
    typed = str(Path("mine").absolute()) if way == "absolute" else way
    spec = RunSpec(task="bit-xor", data="real", body=typed)
    assert resolve(spec, at)[0].body == "mine"
    by_path = RunSpec(task="bit-xor", data="real", body="gpt2", body_path=typed)
    assert resolve(by_path, at)[0].body_path == "mine"


def test_a_folder_at_home_has_a_name_without_the_user(
    at: Workspace, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path_factory.mktemp("home") / "anna"
    shutil.copytree("mine", home / "models" / "mine")
    monkeypatch.setenv("HOME", str(home))
    spec, _ = resolve(RunSpec(task="bit-xor", data="real", body=str(home / "models" / "mine"), max_steps=5), at)
    assert spec.body == "~/models/mine"
    assert run_one(spec, at).status == "ok"


def photographs(root: Path, seed: int) -> Path:
    """Real images in class folders, as the CIFAR task reads them: few, small and of nothing."""
    draw = np.random.default_rng(seed)
    for part, count in (("train", 12), ("test", 4)):
        for name in ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"):
            folder = root / "cifar10" / part / name
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                picture = torch.tensor(draw.integers(0, 256, (3, 32, 32)), dtype=torch.uint8)
                write_png(picture, str(folder / f"{number}.png"))
    return root


def test_a_result_of_other_data_is_not_given_back(tmp_path: Path) -> None:
    one, two = (photographs(tmp_path / name, seed) for seed, name in enumerate(("one", "two")))
    spec = RunSpec(task="cifar", data="real", init="random", layers=1, max_steps=2, eval_every=2, dropout=0.0)
    first, second = (Workspace(tmp_path / "runs", root, offline=True) for root in (one, two))
    result = run_one(spec, first)
    with pytest.raises(RefusedError, match="was done with other data: expected the data with fingerprint"):
        run_one(spec, second)
    assert run_one(spec, first) == result
    assert run_one(spec, Workspace(tmp_path / "other", two, offline=True)).data != result.data


EXPERIMENT = "question: x\ntasks: [bit-xor]\nbaseline: a\narms: {a: {run: {body: mine, dropout: 0.0}}}\n"
PROFILE = "summary: x\nbodies: {}\nseeds: [0, 1]\ntasks: {bit-xor: {max_steps: 20, eval_every: 10}}\n"


def test_the_command_line_refuses_with_a_sentence_and_exit_code_2(at: Workspace) -> None:
    Path("one.yaml").write_text(EXPERIMENT)
    Path("short.yaml").write_text(PROFILE)
    single = ["run", "--task", "bit-xor", "--body", "mine", "--max-steps", "20", "--eval-every", "10"]
    grid = ["bench", "--experiments", "one.yaml", "--profile", "short.yaml", "--workers", "1"]
    save_body(Path("mine"), seed=0)
    assert CliRunner().invoke(app, [*single, "--offline"]).exit_code == 0
    save_body(Path("mine"), seed=1)
    for command in (single, grid):
        done = CliRunner(env={"COLUMNS": "300"}).invoke(app, [*command, "--offline"])
        assert (done.exit_code, "was done with other weights" in done.stderr) == (2, True), done.stderr
    (path,) = at.runs.glob(f"*/{RESULT_FILE}")
    with pytest.raises(StopError):
        run_one(asked(at, seed=1), at, stop_after(12))
    save_body(Path("mine"), seed=0)
    done = CliRunner(env={"COLUMNS": "300"}).invoke(app, [*grid, "--offline"])
    assert (done.exit_code, "was begun with other weights" in done.stderr) == (2, True), done.stderr
    assert read_run(path.parent).status == "ok", "nothing was trained, and no result was replaced by a failure"


def test_nothing_is_said_of_a_run_whose_body_is_another_by_now(at: Workspace) -> None:
    spec = asked(at)
    run_one(spec, at)
    save_body(Path("mine"), seed=1)
    for command in (["examples"], ["attention", "--example", "0"]):
        done = CliRunner(env={"COLUMNS": "300"}).invoke(app, [*command, str(at.runs / spec.run_id), "--offline"])
        assert (done.exit_code, "was done with other weights" in done.stderr) == (2, True), done.output
