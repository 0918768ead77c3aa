"""What a command line picks out of an experiment: a bench of its own, every name of it checked before any torch."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fpt_bench.config.grid import Grid
from fpt_bench.config.grid_of import named_grid
from fpt_bench.config.picks import WHOLE, Picks, picks_from_options
from fpt_bench.results.folder import tables_folder

EXPERIMENT = """
question: A test.
tasks: [bit-xor, mnist, cifar]
baseline: random
arms:
  language: {role: language, run: {init: pretrained}}
  random: {role: language, run: {init: random}}
  lstm: {run: {body: lstm, init: random}}
claims:
  - {better: language, worse: random, refuted_by: worse, source: ours}
  - {better: language, worse: random, tasks: [mnist], refuted_by: worse, source: ours}
"""
PROFILE = """
summary: A test.
bodies: {language: {body: minilm, layers: 2}}
seeds: [0, 1]
tasks: {bit-xor: {max_steps: 100, eval_every: 50}, mnist: {max_steps: 100, eval_every: 50}}
experiments: {mine: {rates: {lstm: {mnist: 0.5}}}}
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    (tmp_path / "mine.yaml").write_text(EXPERIMENT)
    (tmp_path / "tiny.yaml").write_text(PROFILE)
    return str(tmp_path / "mine.yaml"), str(tmp_path / "tiny.yaml")


def typed(
    tasks: str | None = None, arms: str | None = None, body: str | None = None, settings: tuple[str, ...] = ()
) -> Picks:
    return picks_from_options(tasks, arms, body, settings)


def test_a_pick_is_a_bench_of_its_own_and_the_runs_are_those_of_the_whole(files: tuple[str, str]) -> None:
    whole, part = named_grid(*files), named_grid(*files, picks=typed(tasks="mnist", arms="language,random"))
    assert {(run.task, run.arm) for run in part.runs} == {("mnist", "language"), ("mnist", "random")}
    assert {run.spec.run_id for run in part.runs} < {run.spec.run_id for run in whole.runs}, "nothing is done twice"
    assert part.picked == "--tasks mnist --arms language,random"
    assert part.name.startswith("mine-tiny-pick-")
    assert tables_folder(Path(), part) != tables_folder(Path(), whole)
    assert Grid.model_validate_json(part.model_dump_json()).name == part.name
    assert "picked" not in whole.model_dump_json(), "what is kept of whole benches stays as it is"


def test_the_name_is_of_what_is_picked_however_it_is_typed(files: tuple[str, str]) -> None:
    names = [
        named_grid(*files, picks=typed(tasks=tasks, settings=(rate,))).name
        for tasks, rate in (("bit-xor,mnist", "learning_rate=3e-4"), ("mnist,bit-x*,bit-xor", "learning-rate=0.0003"))
    ]
    assert names[0] == names[1]
    assert named_grid(*files, picks=typed(tasks="*", arms="lstm,random,language")).name == "mine-tiny", "that is all"
    assert named_grid(*files, seeds=(0, 1, 2)).name == "mine-tiny", "more seeds of a bench are that bench"


def test_a_part_judges_the_claims_of_which_all_is_run_as_the_experiment_says(files: tuple[str, str]) -> None:
    def claimed(picks: Picks) -> list[tuple[str, ...]]:
        return [claim.tasks for claim in named_grid(*files, picks=picks).experiment.claims]

    assert len(claimed(WHOLE)) == 2
    assert claimed(typed(tasks="mnist")) == [("mnist",)]
    assert claimed(typed(arms="language,lstm")) == []
    assert claimed(typed(settings=("learning_rate=3e-4",))) == claimed(typed(body="smollm2")) == []


def test_body_and_fields_hold_over_files_but_not_over_an_arm_s_own_body(files: tuple[str, str]) -> None:
    grid = named_grid(*files, picks=typed(tasks="mnist", body="smollm2", settings=("learning_rate=3e-4",)))
    specs = {run.arm: run.spec for run in grid.runs}
    assert {arm: spec.body for arm, spec in specs.items()} == {
        "language": "smollm2",
        "random": "smollm2",
        "lstm": "lstm",
    }
    assert specs["language"].layers is None, "what a profile says beside a body is of that body"
    assert {spec.learning_rate for spec in specs.values()} == {3e-4}


def test_a_variant_of_the_body_of_language_stays_one_and_others_keep_theirs() -> None:
    def bodies(experiment: str, **options: str) -> dict[str, tuple[str, str, int | None]]:
        grid = named_grid(experiment, "embedded", picks=typed(**options))
        return {run.arm: (run.spec.body, run.spec.init, run.spec.layers) for run in grid.runs}

    assert bodies("initializations", tasks="bit-xor", body="smollm2", arms="language,vision,bit-memory") == {
        "language": ("smollm2", "pretrained", None),
        "vision": ("vit-saliency", "pretrained", 9),
        "bit-memory": ("smollm2", "task:bit-memory", None),
    }
    assert bodies("scale", tasks="mnist", body="smollm2", arms="random-small,random-large") == {
        "random-small": ("smollm2", "random", 2),
        "random-large": ("smollm2", "random", None),
    }
    assert bodies("frozen-lstm", tasks="mnist", body="smollm2")["trained-lstm"][0] == "lstm"


def test_the_baseline_has_to_be_picked_where_arms_stand_against_their_own() -> None:
    with pytest.raises(ValueError, match="--arms: expected language-random-fanin among them, got speech, identity"):
        named_grid("one-shape", "embedded", picks=typed(arms="speech,identity"))
    grid = named_grid("one-shape", "embedded", picks=typed(arms="*-random-fanin"))
    assert {grid.experiment.opponent(arm) for arm in grid.experiment.arms} == {None}, "twins are compared with none"


def test_the_first_arm_is_the_baseline_where_the_experiment_s_is_not_picked(files: tuple[str, str]) -> None:
    assert named_grid(*files, picks=typed(arms="lstm,language")).experiment.baseline == "language"
    assert named_grid(*files, picks=typed(arms="lstm,random")).experiment.baseline == "random"


@pytest.mark.parametrize(
    ("picks", "said"),
    [
        ({"tasks": "mnits"}, r"unknown task of experiment mine 'mnits'\. Did you mean 'mnist'\?"),
        ({"tasks": "x*"}, r"unknown task of experiment mine 'x\*'"),
        ({"arms": "langage"}, r"unknown arm of experiment mine 'langage'\. Did you mean 'language'\?"),
        ({"body": "minlm"}, r"unknown body 'minlm'\. Did you mean 'minilm'\?"),
        ({"settings": ("learnig_rate=1",)}, r"--set: unknown key 'learnig_rate'\. Did you mean 'learning_rate'\?"),
        ({"settings": ("learning_rate=fast",)}, "--set: learning_rate: .* got 'fast'"),
        ({"settings": ("seed=3",)}, "say --seeds"),
        ({"settings": ("dropout",)}, "expected field=value, got 'dropout'"),
        ({"settings": ("dropout=0", "dropout=0.1")}, "each field once"),
        ({"tasks": "mnist,,cifar"}, "expected names separated by commas"),
        ({"tasks": "mnist,cifar"}, "expected tasks that profile tiny has a budget for .* got cifar"),
        ({"arms": "lstm", "body": "minilm"}, "expected an arm whose body the profile says"),
    ],
)
def test_a_mistake_is_named_with_the_nearest(files: tuple[str, str], picks: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        named_grid(*files, picks=typed(**picks))


def test_a_rate_that_is_set_is_no_sweep(files: tuple[str, str]) -> None:
    path = Path(files[0])
    path.write_text(path.read_text().replace("baseline: random", "baseline: random\nlearning_rates: [0.1, 0.2]"))
    with pytest.raises(ValueError, match="arm language of experiment mine sweeps its own"):
        named_grid(*files, picks=typed(settings=("learning_rate=0.1",)))


def test_a_wrong_pick_is_refused_before_torch_is_loaded(files: tuple[str, str], tmp_path: Path) -> None:
    code = (
        "import sys, typer.testing, fpt_bench.cli as cli\n"
        "done = typer.testing.CliRunner().invoke(cli.app, sys.argv[1:])\n"
        "print(done.exit_code, 'torch' in sys.modules, done.stderr)"
    )
    words = ["bench", "--experiments", files[0], "--profile", files[1], "--runs", str(tmp_path / "runs")]
    done = subprocess.run([sys.executable, "-c", code, *words, "--tasks", "mnits"], capture_output=True, text=True)
    assert done.stdout.startswith("2 False error: unknown task"), done.stdout + done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_folder_with_a_body_is_one_pick_however_it_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights" / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    names = ("weights/mine", "./weights/mine", str(tmp_path / "weights" / "mine"))
    assert {typed(body=name).body for name in names} == {"./weights/mine"}
