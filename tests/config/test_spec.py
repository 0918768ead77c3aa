"""Specs: mistakes are named with the nearest right name, equal specs have equal ids, grids are flat lists."""

from pathlib import Path
from typing import Any

import pytest

from fpt_bench.config.experiment import Experiment, Profile
from fpt_bench.config.grid_of import make_grid
from fpt_bench.config.known import TASKS
from fpt_bench.config.spec import RunSpec, make_spec
from fpt_bench.config.yaml_files import CONFIGS, find_config, load, read_yaml

PROFILES = sorted(path.stem for path in (CONFIGS / "profiles").glob("*.yaml"))
EXPERIMENTS = sorted(path.stem for path in (CONFIGS / "experiments").glob("*.yaml"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"learning_rat": 1e-3}, "unknown key 'learning_rat'. Did you mean 'learning_rate'?"),
        ({"learning_rate": 0}, "learning_rate: Input should be greater than 0, got 0"),
        ({"learning_rate": "fast"}, "learning_rate: Input should be a valid number"),
        ({"learning_rate": float("nan")}, "learning_rate: Input should be a finite number"),
        ({"gradient_clip": float("inf")}, "gradient_clip: Input should be a finite number"),
        ({"max_steps": 0}, "max_steps: Input should be greater than or equal to 1"),
        ({"train": ["norms"]}, "unknown parameter group 'norms'. Did you mean 'norm'?"),
        ({"train": "all,norm"}, "expected `all` to stand alone"),
        ({"train": "attention,last-attention"}, "expected `attention` or `last-attention`, which is a part of it"),
        ({"train": []}, "expected at least one parameter group"),
        ({"dropout": 1.0}, "dropout: Input should be less than 1"),
        ({"max_steps": 100, "eval_every": 75}, "expected max_steps to be a multiple of eval_every, got 100 and 75"),
        ({"data": "fake"}, "data: Input should be 'auto', 'real' or 'embedded'"),
    ],
)
def test_a_mistake_in_a_spec_is_a_sentence(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        make_spec({"task": "bit-xor", **fields})
    assert message in str(caught.value)


def test_a_rate_that_yaml_reads_as_text_is_a_number() -> None:
    assert make_spec({"task": "bit-xor", "learning_rate": "1e-3"}).learning_rate == 1e-3


def test_groups_are_a_set_whatever_way_they_are_written() -> None:
    ways = ["norm,input", ["input", "norm"], ("norm", "input")]
    assert {make_spec({"task": "bit-xor", "train": way}).run_id for way in ways} == {
        make_spec({"task": "bit-xor", "train": "input,norm"}).run_id
    }
    assert make_spec({"task": "bit-xor", "train": "all"}).train[-1] == "feedforward"


def test_every_field_changes_the_id() -> None:
    base = RunSpec(task="bit-xor")
    changes: dict[str, Any] = {
        "task": "mnist", "data": "real", "data_arguments": {"string_bits": 4}, "body": "gpt2", "body_path": "x",
        "layers": 3, "init": "random", "train": ("norm",), "learning_rate": 2e-3, "batch_size": 8,
        "eval_batch_size": 8, "max_steps": 5, "eval_every": 5, "patience": 2, "dropout": 0.2, "gradient_clip": 2.0,
        "precision": "bfloat16", "body_execution": "reference", "warmup_steps": 2,
        "eval_growth": 0.1, "input_scale": 0.02, "seed": 3,
    }  # fmt: skip
    assert set(changes) == set(RunSpec.model_fields)
    ids = {base.model_copy(update={name: value}).run_id for name, value in changes.items()}
    assert len(ids | {base.run_id}) == len(changes) + 1


def test_a_run_id_is_one_harmless_folder_name() -> None:
    spec = RunSpec(task="bit-xor", body="../../etc/passwd", init="task:bit-memory")
    assert "/" not in spec.run_id
    assert ":" not in spec.run_id
    assert not spec.run_id.startswith(".")


def test_a_wrong_key_in_a_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("summary: x\nbodies: {language: minilm}\nseed: [0]\n")
    with pytest.raises(ValueError, match=r"mine\.yaml: .*unknown key 'seed'. Did you mean 'seeds'\?"):
        load(Profile, path)


@pytest.mark.parametrize(("text", "message"), [("[1, 2]", "expected a mapping"), ("a: [", "expected YAML")])
def test_a_file_that_is_no_mapping_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"broken.yaml: {message}"):
        read_yaml(path)


def test_an_unknown_profile_gets_the_nearest_name() -> None:
    with pytest.raises(ValueError, match=r"unknown profile 'embeded'\. Did you mean 'embedded'"):
        find_config("profiles", "embeded")


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_makes_a_grid_at_every_profile(experiment: str, profile: str) -> None:
    loaded = load(Profile, find_config("profiles", profile))
    grid = make_grid(load(Experiment, find_config("experiments", experiment)), loaded)
    spent = loaded.spent_on(experiment)
    for (_, arm), specs in grid.cells().items():
        rates = grid.experiment.rates_of(grid.experiment.arms[arm])
        seeds = len(spent.seeds) + (0 if rates == "fixed" else len(spent.tuning_seeds or ()))
        swept = {"fixed": [None], "profile": spent.learning_rates or ()}.get(rates, rates)
        assert len(specs) == seeds * len(swept)
    assert {run.task for run in grid.runs} | set(grid.left_out) == set(grid.experiment.tasks)
    assert len({run.spec.run_id for run in grid.runs}) == len(grid.runs)
    for run in grid.runs:
        assert run.spec.max_steps % run.spec.eval_every == 0, "the last step must be validated"


def test_arms_of_one_seed_share_what_pairs_them() -> None:
    profile = load(Profile, find_config("profiles", "embedded"))
    grid = make_grid(load(Experiment, find_config("experiments", "headline")), profile)
    paired = {(r.task, r.spec.seed, r.spec.batch_size, str(r.spec.data_arguments), r.spec.body) for r in grid.runs}
    assert len(paired) == len(grid.experiment.tasks) * len(profile.seeds)


def test_runs_that_experiments_share_are_the_same_runs() -> None:
    profile = load(Profile, find_config("profiles", "embedded"))
    grids = {name: make_grid(load(Experiment, find_config("experiments", name)), profile) for name in EXPERIMENTS}
    ids = {name: {run.spec.run_id for run in grid.runs} for name, grid in grids.items()}
    assert ids["statistics-only"] < ids["initializations"]
    assert ids["headline"] & ids["initializations"], "where an arm's own rate is the task's"
    # These have budgets, rates or random arms of their own; `execution` has the others' once `auto` is settled.
    own = {"learning-rates", "rates", "recall", "depth", "successive-groups-random", "frozen-lstm", "mimetic-causal"}
    own |= {"one-shape", "random-transformers", "small-embeddings", "real-data", "published-cell", "positions"}
    own |= {"norm-placement"}
    for name in set(ids) - own - {"execution"}:
        assert ids[name] & ids["initializations"], f"{name} shares no run with initializations"


def published_figures() -> set[str]:
    """Return every row of accuracies of the published tables, as `paper.table.row`."""
    found = set()
    for paper, content in read_yaml(CONFIGS / "reference" / "published.yaml").items():
        for table, rows in content.items():
            if isinstance(rows, dict) and "columns" in rows:
                found |= {f"{paper}.{table}.{row}" for row in rows if row not in ("columns", "note")}
    return found


def test_arms_and_published_rows_belong_together() -> None:
    arms = [arm for name in EXPERIMENTS for arm in load(Experiment, find_config("experiments", name)).arms.values()]
    named, there = {str(arm.published) for arm in arms if arm.published}, published_figures()
    assert named <= there
    without_arm = {
        "lu2021.table7_cifar_lra_train_test.linformer-3-layers",  # no Linformer here
        "lu2021.table12_depth_listops_output_only.24-random",  # GPT-2 base has 12 layers
        "lu2021.table9_statistics_only.language", "lu2021.table9_statistics_only.random",
    }  # fmt: skip
    left = {row for row in there - named - without_arm if "table6" not in row and "table14" not in row}
    assert left == set()


def test_a_profile_gives_a_role_fields_and_leaves_out_what_it_has_no_body_for() -> None:
    profile = Profile(
        name="p",
        summary="",
        bodies={"deep": {"body": "minilm", "layers": 3}, "absent": None},
        seeds=(0,),
        run={"layers": 2},
        tasks={"listops": {"data_arguments": {"min_length": 5}}},
    )
    arms = {
        "deep": {"role": "deep", "run": {"data_arguments": {"shuffled": True}}},
        "deeper": {"role": "deep", "run": {"layers": 4}},
        "plain": {},
        "absent": {"role": "absent"},
    }
    experiment = Experiment(name="e", question="", tasks=("listops",), arms=arms, baseline="plain")
    grid = make_grid(experiment, profile)
    specs = {run.arm: run.spec for run in grid.runs}
    assert {arm: spec.layers for arm, spec in specs.items()} == {"deep": 3, "deeper": 4, "plain": 2}
    assert specs["deep"].data_arguments == {"min_length": 5, "shuffled": True}
    assert grid.arms_left_out == ("absent",)
    assert set(grid.experiment.arms) == set(specs)
    with pytest.raises(ValueError, match="have a body for the baseline arm absent"):
        make_grid(experiment.model_copy(update={"baseline": "absent"}), profile)


def test_tasks_yaml_covers_exactly_the_tasks_there_are() -> None:
    assert set(read_yaml(CONFIGS / "tasks.yaml")) == set(TASKS)
