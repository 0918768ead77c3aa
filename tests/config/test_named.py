"""The strings of experiments, profiles and grids are checked when they are read, with the nearest name in the error."""

import json
from pathlib import Path
from typing import Any

import pytest

import fpt_bench
from fpt_bench.commands.grid_plan import plan_grid
from fpt_bench.config.grid import Grid
from fpt_bench.config.grid_of import named_grid
from fpt_bench.config.named import named_profile
from fpt_bench.config.published import PublishedRow, published_figures
from fpt_bench.results.grids import read_grid
from fpt_bench.results.workspace import Workspace
from tests.made_up import made_up_grid

EXPERIMENT: dict[str, Any] = {
    "question": "A test.",
    "tasks": ["bit-xor", "mnist"],
    "baseline": "random",
    "arms": {
        "language": {"role": "language", "run": {"init": "pretrained"}},
        "random": {"role": "language", "run": {"init": "random"}},
        "absent": {"role": "absent"},
    },
}
CLAIM = {"better": "language", "worse": "random", "refuted_by": "worse on either", "source": "a test"}
PROFILE: dict[str, Any] = {
    "summary": "A test.",
    "bodies": {"language": "minilm", "absent": None},
    "seeds": [0, 1],
    "tasks": {"bit-xor": {"max_steps": 20, "eval_every": 10}},
    "targets": {"bit-xor": 1.0},
}


def written(folder: Path, experiment: dict[str, Any], profile: dict[str, Any]) -> tuple[str, str]:
    """Put both into files; `mine.yaml`, `tiny.yaml`. YAML is a superset of JSON."""
    files = folder / "mine.yaml", folder / "tiny.yaml"
    for path, fields in zip(files, ({**EXPERIMENT, **experiment}, {**PROFILE, **profile}), strict=True):
        path.write_text(json.dumps(fields))
    return str(files[0]), str(files[1])


def arms(**changed: Any) -> dict[str, Any]:
    return {"arms": {**EXPERIMENT["arms"], **changed}}


def test_the_files_are_right_as_they_are(tmp_path: Path) -> None:
    grid = named_grid(*written(tmp_path, {}, {}))
    assert (len(grid.runs), grid.left_out, grid.arms_left_out) == (4, ("mnist",), ("absent",))


@pytest.mark.parametrize(
    ("experiment", "message"),
    [
        ({"tasks": ["bit-xor", "mnst"]}, "unknown task 'mnst'. Did you mean 'mnist'?"),
        ({"tasks": ["bit-xor", "mnist", "bit-xor"]}, "tasks: expected each once; doubled: bit-xor"),
        ({"claims": [{**CLAIM, "worse": "rando"}]}, "unknown arm of the experiment 'rando'. Did you mean 'random'?"),
        ({"claims": [{**CLAIM, "tasks": ["cifar"]}]}, "unknown task of the experiment 'cifar'."),
        ({"claims": [{**CLAIM, "margin": 0}]}, "claims.0.margin: expected a number above 0 and below 1, in fractions"),
        ({"claims": [{**CLAIM, "margin": 2}]}, "where 0.02 is 2 pp (points in 100), got 2"),
        ({"claims": [{**CLAIM, "margin": False}]}, "claims.0.margin: expected a number, got False"),
        ({"margin": 5}, "margin: expected a number above 0 and below 1, in fractions, where 0.02 is 2 pp"),
        (
            {"claims": [{**CLAIM, "measure": "learned", "reached": 95}]},
            "claims: reached: expected a number from 0 to 1, in fractions, where 0.02 is 2 pp (points in 100), got 95",
        ),
        (
            {"claims": [{**CLAIM, "measure": "learned"}]},
            "claims.0: expected `reached`, the score that counts as learned",
        ),
        ({"claims": [{**CLAIM, "wrse": "b"}]}, "claims.0: unknown key 'wrse'. Did you mean 'worse'?"),
        (arms(extra={"rol": "language"}), "arms.extra: unknown key 'rol'. Did you mean 'role'? Known: against"),
        (arms(extra={"role": "language", "against": "extr"}), "unknown arm for `extra` to stand against 'extr'."),
        (arms(extra={"role": "language", "against": "extra"}), "unknown arm for `extra` to stand against 'extra'."),
        (arms(extra={"run": {"layer": 3}}), "arms.extra.run: unknown key 'layer'. Did you mean 'layers'?"),
        (arms(extra={"run": {"layers": 0}}), "arms.extra.run: layers: Input should be greater than or equal to 1"),
        (arms(extra={"run": {"seed": 3}}), "arms.extra.run: expected no `seed` here: a profile lists the seeds"),
        (arms(extra={"learning_rates": "fixd"}), "arms.extra.learning_rates: Input should be 'fixed' or 'profile'"),
        (arms(extra={"published": "lu2021.title.x"}), "unknown published table of lu2021 'title'."),
        (
            arms(extra={"published": "lu2021.table2_initializations.columns"}),
            "unknown row of lu2021.table2_initializations 'columns'.",
        ),
    ],
)
def test_a_mistake_in_an_experiment_is_found_before_anything_is_planned(
    experiment: dict[str, Any], message: str, tmp_path: Path
) -> None:
    files = written(tmp_path, experiment, {})
    for asked in (named_grid, lambda *names: plan_grid(*names, Workspace(tmp_path, offline=True)), fpt_bench.bench):
        with pytest.raises(ValueError, match=r"mine\.yaml: ") as caught:
            asked(*files)
        assert message in str(caught.value)


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        ({"tasks": {"bit-xr": {}}}, "tasks: unknown task 'bit-xr'. Did you mean 'bit-xor'?"),
        ({"targets": {"bit-xr": 1.0}}, "targets: unknown task 'bit-xr'. Did you mean 'bit-xor'?"),
        (
            {"experiments": {"mine": {"tasks": {"bit-xr": {}}}}},
            "experiments.mine.tasks: unknown task 'bit-xr'. Did you mean 'bit-xor'?",
        ),
        ({"experiments": {"headlin": {}}}, "experiments: unknown experiment 'headlin'. Did you mean 'headline'?"),
        ({"experiments": {"min": {}}}, "experiments: unknown experiment 'min'. Did you mean 'mine'?"),
        ({"seeds": [0, 1, 0]}, "seeds: expected each once; doubled: 0, got [0, 1, 0]"),
        ({"experiments": {"mine": {"seeds": [0, 0]}}}, "experiments.mine.seeds: expected each once; doubled: 0"),
        ({"seeds": [False, True]}, "seeds.0: Input should be a valid integer, got False"),
        ({"seeds": ["012"]}, "seeds.0: Input should be a valid integer, got '012'"),
        ({"seeds": [1.0]}, "seeds.0: Input should be a valid integer, got 1.0"),
        ({"tuning_seeds": ["1_0"]}, "tuning_seeds.0: Input should be a valid integer, got '1_0'"),
        ({"experiments": {"mine": {"seeds": [True]}}}, "experiments.mine.seeds.0: Input should be a valid integer"),
        ({"learning_rates": [True]}, "learning_rates.0: expected a number, got True"),
        ({"targets": {"bit-xor": True}}, "targets.bit-xor: expected a number, got True"),
        (
            {"targets": {"bit-xor": 95}},
            "targets: expected accuracies above 0 and up to 1, where 0.95 is 95 %, got bit-xor 95",
        ),
        ({"run": {"max_steps": True}}, "run: expected numbers and names, got max_steps: True"),
        ({"tasks": {"bit-xor": {"layers": False}}}, "tasks.bit-xor: expected numbers and names, got layers: False"),
        ({"seeds": [-1]}, "seeds.0: Input should be greater than or equal to 0, got -1"),
        ({"run": {"drop": 0}}, "run: unknown key 'drop'. Did you mean 'dropout'?"),
        ({"tasks": {"bit-xor": {"max_steps": 0}}}, "tasks.bit-xor: max_steps: Input should be greater than or equal"),
        ({"experiments": {"mine": {"run": {"seed": 1}}}}, "experiments.mine.run: expected no `seed` here"),
        ({"experiments": {"mine": {"rn": {}}}}, "experiments.mine: unknown key 'rn'. Did you mean 'run'?"),
        ({"experiments": {"mine": {"tasks": {"mnist": {"layer": 1}}}}}, "experiments.mine.tasks.mnist: unknown key"),
        ({"bodies": {"language": {"bdy": "minilm"}}}, "bodies.language: unknown key 'bdy'. Did you mean 'body'?"),
        ({"bodies": {"language": 3}}, "bodies.language: Input should be a valid dictionary, got 3"),
        ({"launcher": {"knd": "slurm"}}, "launcher: unknown key 'knd'. Did you mean 'kind'?"),
    ],
)
def test_a_mistake_in_a_profile_names_the_file_and_the_place(
    profile: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"tiny\.yaml: ") as caught:
        named_grid(*written(tmp_path, {}, profile))
    assert f"tiny.yaml: {message}" in str(caught.value)


def test_a_profile_may_spend_on_experiments_in_files_beside_it(tmp_path: Path) -> None:
    files = written(tmp_path, {}, {"experiments": {"mine": {}, "headline": {}, "other": {}}})
    (tmp_path / "other.yaml").write_text("claim: x")
    assert named_grid(*files).runs
    (tmp_path / "other.yaml").unlink()
    assert named_profile(files[1]).experiments.keys() == {"mine", "headline", "other"}, "a single run spends on none"


def test_a_claim_that_names_no_tasks_is_of_all_of_the_experiment(tmp_path: Path) -> None:
    grid = named_grid(*written(tmp_path, {"claims": [CLAIM, {**CLAIM, "tasks": ["mnist"]}]}, {}))
    assert [claim.tasks for claim in grid.experiment.claims] == [("bit-xor", "mnist"), ("mnist",)]
    assert grid.left_out == ("mnist",), "a claim stays as it was registered, whatever a profile can run"


def test_two_arms_that_are_the_same_runs_are_a_mistake(tmp_path: Path) -> None:
    same = {"run": {"body": "minilm", "init": "random"}}
    with pytest.raises(ValueError, match="expected arms that differ, but random and again are the same runs"):
        named_grid(*written(tmp_path, arms(again=same), {}))
    other = {"run": {"body": "minilm", "init": "random", "max_steps": 20}}
    both = {"tasks": {"bit-xor": {"max_steps": 20, "eval_every": 10}, "mnist": {"eval_every": 10}}}
    assert named_grid(*written(tmp_path, arms(again=other), both)).runs, "on one task of two they differ"


def test_a_role_that_is_none_has_the_nearest_in_its_error(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"arm extra: unknown body role of profile tiny 'langage'\. Did you mean 'lang"
    ):
        named_grid(*written(tmp_path, arms(extra={"role": "langage"}), {}))


@pytest.mark.parametrize("name", ["../escaped", "a/b", "..", ".hidden", "", "a\\b"])
def test_a_grid_whose_name_leads_elsewhere_is_none(name: str) -> None:
    content = json.loads(made_up_grid().model_dump_json())
    for changed in ({"experiment": {**content["experiment"], "name": name}}, {"profile": name}):
        with pytest.raises(ValueError, match="that a file can have"):
            Grid.model_validate({**content, **changed})


def test_rows_of_published_figures_are_accuracies() -> None:
    figures = published_figures()
    PublishedRow(paper="lu2021", table="table10_output_only", row="fpt").require(figures)
    for table, row in (("table10_output_only", "note"), ("tasks", "mnist"), ("title", "P")):
        with pytest.raises(ValueError, match="unknown"):
            PublishedRow(paper="lu2021", table=table, row=row).require(figures)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arm": "langage"}, "unknown arm of the experiment 'langage'. Did you mean 'language'?"),
        ({"task": "bit-xr"}, "unknown task of the experiment 'bit-xr'. Did you mean 'bit-xor'?"),
        (None, "expected each seed once at a learning rate in bit-xor / language, got seed 0 at 0.001 2 times"),
    ],
)
def test_a_grid_whose_runs_are_not_its_experiments_is_none(
    change: dict[str, str] | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "grid.json"
    content = json.loads(made_up_grid().model_dump_json())
    path.write_text(json.dumps(content))
    assert read_grid(path) == made_up_grid()
    content["runs"].insert(0, {**content["runs"][0], **(change or {})})
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"grid\.json: expected a grid in JSON") as caught:
        read_grid(path)
    assert message in str(caught.value)
    with pytest.raises(ValueError, match=r"."):
        Grid.model_validate(content)
