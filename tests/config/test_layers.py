"""One rule for all that says fields of a run: the later layer wins, field by field, data arguments name by name."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from fpt_bench.config.cell_layers import cell_origins
from fpt_bench.config.command_line import seeds_of, spec_from_options, written_seeds
from fpt_bench.config.experiment import Arm, Experiment, Profile, Spending
from fpt_bench.config.grid_of import make_grid
from fpt_bench.config.layers import Layer, checked_fields, merge, origins, spec_of
from fpt_bench.config.named import named_profile
from fpt_bench.config.spec import RunSpec
from fpt_bench.config.yaml_files import CONFIGS

PLACES = (
    "tasks.yaml: mnist",
    "profile p: run",
    "profile p: tasks.mnist",
    "profile p: experiments.e.run",
    "profile p: experiments.e.tasks.mnist",
    "profile p: bodies.deep",
    "experiment e: arms.a.run",
)
"""Every layer of a run of a grid that a file says, earliest first."""


def says(layer: int) -> dict[str, Any]:
    """What a layer says of its own, and what all of them speak of."""
    return {"eval_batch_size": 1 + layer, "data_arguments": {f"own_{layer}": layer, "shared": layer}}


def grid_parts(layers: int, folder: Path) -> tuple[Experiment, Profile, Path]:
    """Return an experiment, a profile and a folder of configs whose first `layers` places say something."""
    said = [says(layer) if layer < layers else {} for layer in range(len(PLACES))]
    (folder / "tasks.yaml").write_text(yaml.safe_dump({"mnist": said[0]}))
    spending = {"e": {"run": said[3], "tasks": {"mnist": said[4]}}}
    profile = Profile.model_validate({
        "name": "p", "summary": "", "bodies": {"deep": {"body": "minilm", **said[5]}}, "seeds": [0],
        "run": said[1], "tasks": {"mnist": said[2]}, "experiments": spending,
    })  # fmt: skip
    arms = {"a": {"role": "deep", "run": said[6]}}
    return Experiment(name="e", question="", tasks=("mnist",), baseline="a", arms=arms), profile, folder


@pytest.mark.parametrize("layers", range(1, len(PLACES) + 1))
def test_each_layer_wins_over_those_before_it_and_keeps_what_it_does_not_speak_of(layers: int, tmp_path: Path) -> None:
    (run,) = make_grid(*grid_parts(layers, tmp_path)).runs
    assert run.spec.eval_batch_size == layers
    assert run.spec.data_arguments == {f"own_{layer}": layer for layer in range(layers)} | {"shared": layers - 1}


def test_every_field_has_the_layer_that_it_came_from(tmp_path: Path) -> None:
    experiment, profile, _ = grid_parts(len(PLACES), tmp_path)
    said = cell_origins(experiment, profile, "mnist", "a")
    assert said["task"] == ("mnist", "experiment e: tasks")
    assert said["eval_batch_size"] == (7, "experiment e: arms.a.run")
    assert said["body"] == ("minilm", "profile p: bodies.deep")
    assert said["seed"] == ((0,), "profile p: seeds")
    assert said["patience"] == (None, "default")
    assert said["learning_rate"] == (1e-3, "tasks.yaml: mnist")
    assert {said[f"data_arguments.own_{layer}"] for layer in range(1, 7)} == set(enumerate(PLACES)) - {(0, PLACES[0])}
    fields = {field.partition(".")[0] for field in said}
    assert fields == set(RunSpec.model_fields)
    assert list(dict.fromkeys(field.partition(".")[0] for field in said)) == list(RunSpec.model_fields)


def test_seeds_and_rates_are_of_the_layer_that_said_them() -> None:
    spending = {"learning_rates": [1e-4], "seeds": [5]}
    profile = Profile.model_validate(
        {
            "name": "p",
            "summary": "",
            "bodies": {},
            "seeds": [0],
            "tasks": {"mnist": {}},
            "experiments": {"own": spending},
        }
        | {"learning_rates": [1e-3, 1e-2]}
    )
    arms = {"swept": {}, "own": {"learning_rates": [1e-5]}, "fixed": {"learning_rates": "fixed"}}
    shared = {"question": "", "tasks": ["mnist"], "arms": arms, "baseline": "fixed", "learning_rates": "profile"}
    own, other = (Experiment.model_validate({**shared, "name": name}) for name in ("own", "other"))

    def said(experiment: Experiment, arm: str) -> tuple[Any, Any]:
        found = cell_origins(experiment, profile, "mnist", arm)
        return found["learning_rate"], found["seed"]

    assert said(own, "swept") == (
        ((1e-4,), "profile p: experiments.own.learning_rates"),
        ((5,), "profile p: experiments.own.seeds"),
    )
    assert said(other, "swept") == (((1e-3, 1e-2), "profile p: learning_rates"), ((0,), "profile p: seeds"))
    assert said(own, "own")[0] == ((1e-5,), "experiment own: arms.own.learning_rates")
    assert said(own, "fixed")[0] == (1e-3, "tasks.yaml: mnist")
    listed = own.model_copy(update={"learning_rates": (1e-2,)})
    assert said(listed, "swept")[0] == ((1e-2,), "experiment own: learning_rates")


def swept_at(folder: Path, **profile: Any) -> tuple[Experiment, Profile, Path]:
    """Return an experiment of which one arm is swept and one is not, a profile, and a folder of configs."""
    (folder / "tasks.yaml").write_text("mnist: {}")
    said = {"name": "p", "summary": "", "bodies": {}, "seeds": [3, 4], "tasks": {"mnist": {}}, **profile}
    arms = {"swept": {"learning_rates": [1e-4, 1e-3]}, "fixed": {}, "one": {"learning_rates": [1e-2]}}
    shared = {"name": "e", "question": "", "tasks": ["mnist"], "arms": arms, "baseline": "fixed"}
    return Experiment.model_validate(shared), Profile.model_validate(said), folder


def test_seeds_that_choose_are_of_swept_arms_alone(tmp_path: Path) -> None:
    experiment, profile, configs = swept_at(tmp_path, tuning_seeds=[0, 1])
    grid = make_grid(experiment, profile, configs)
    seeds = {arm: [spec.seed for spec in specs] for (_, arm), specs in grid.cells().items()}
    assert seeds == {"swept": [0, 1, 3, 4] * 2, "fixed": [3, 4], "one": [3, 4]}
    assert grid.tuning_seeds == (0, 1)
    said = cell_origins(experiment, profile, "mnist", "swept")
    assert said["seed"] == ((0, 1, 3, 4), "profile p: tuning_seeds, then profile p: seeds")
    assert make_grid(*swept_at(tmp_path)).tuning_seeds == ()


def test_what_is_spent_on_an_experiment_says_its_seeds_that_choose(tmp_path: Path) -> None:
    spending = {"e": {"tuning_seeds": [7]}}
    experiment, profile, configs = swept_at(tmp_path, tuning_seeds=[0, 1], experiments=spending)
    assert make_grid(experiment, profile, configs).tuning_seeds == (7,)
    said = cell_origins(experiment, profile, "mnist", "swept", seeds=(5,))
    assert said["seed"] == ((7, 5), "profile p: experiments.e.tuning_seeds, then the command line: --seeds")


def rated(folder: Path, rates: dict[str, dict[str, float]], **arm: Any) -> tuple[Experiment, Profile, Path]:
    """Return an experiment with the arms `a`, as said, and `b`, at a profile that says rates for it."""
    experiment, profile, _ = grid_parts(1, folder)
    arms = {"a": Arm(role="deep", **arm), "b": Arm(role="deep", run={"init": "random"})}
    spending = {"e": Spending(rates=rates, tasks={"mnist": {"learning_rate": 0.25}})}
    return experiment.model_copy(update={"arms": arms}), profile.model_copy(update={"experiments": spending}), folder


def test_a_rate_that_a_profile_says_for_an_arm_is_that_arms_alone(tmp_path: Path) -> None:
    parts = rated(tmp_path, {"a": {"mnist": 0.5}})
    assert [(run.arm, run.spec.learning_rate) for run in make_grid(*parts).runs] == [("a", 0.5), ("b", 0.25)]
    said = cell_origins(parts[0], parts[1], "mnist", "a")["learning_rate"]
    assert said == (0.5, "profile p: experiments.e.rates.a.mnist")
    own = rated(tmp_path, {"a": {"mnist": 0.5}}, run={"learning_rate": 0.125})
    with pytest.raises(ValueError, match=r"e\.rates: expected arms that say no rate themselves, got a"):
        make_grid(*own)


def test_a_rate_for_an_arm_or_a_task_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"unknown arm of profile p: experiments\.e\.rates 'c'"):
        make_grid(*rated(tmp_path, {"c": {"mnist": 0.5}}))
    profile = {"summary": "", "bodies": {}, "seeds": [0], "experiments": {"e": {"rates": {"a": {"mnst": 0.5}}}}}
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(profile))
    with pytest.raises(ValueError, match=r"experiments\.e\.rates\.a: unknown task 'mnst'"):
        named_profile(str(tmp_path / "p.yaml"))


@pytest.mark.parametrize(
    ("spending", "message"),
    [
        ({"rates": {"swept": {"mnist": 1e-3}}}, "e.rates: expected arms with one rate, got swept, which sweeps its"),
        ({"rates": {"fixed": {"cifar": 1e-3}}}, "unknown task of profile p: experiments.e.rates.fixed 'cifar'"),
        ({"rates_chosen_on": [9]}, "e.rates_chosen_on: expected it beside the `rates` that these seeds chose"),
        ({"tasks": {"mnist": {}, "cifar": {}}}, "unknown task of profile p: experiments.e.tasks 'cifar'"),
        (
            {"learning_rates": [1e-3, 1e-2]},
            "e.learning_rates: expected rates for an experiment with an arm that sweeps",
        ),
    ],
)
def test_what_a_profile_says_without_effect_is_refused(spending: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        make_grid(*swept_at(tmp_path, experiments={"e": spending}))


def test_a_seed_that_chooses_and_is_reported_is_refused(tmp_path: Path) -> None:
    message = (
        r"e, profile p, arm swept: expected seeds that choose a rate or are reported, got 3, 4 in profile p: tuning_"
    )
    with pytest.raises(ValueError, match=message):
        make_grid(*swept_at(tmp_path, tuning_seeds=[2, 3, 4]))
    with pytest.raises(ValueError, match="got 0 in profile p: tuning_seeds and in the command line: --seeds; take"):
        make_grid(*swept_at(tmp_path, tuning_seeds=[0]), seeds=(0, 9))


def test_a_seed_on_which_the_profiles_rates_were_chosen_is_not_reported(tmp_path: Path) -> None:
    spending = {"e": {"rates": {"fixed": {"mnist": 1e-3}}, "rates_chosen_on": [0, 3]}}
    experiment, profile, configs = swept_at(tmp_path, experiments=spending)
    assert make_grid(experiment, profile, configs, seeds=(1, 4)).runs
    with pytest.raises(ValueError, match=r"got 0 in profile p: experiments.e.rates_chosen_on and in the command line"):
        make_grid(experiment, profile, configs, seeds=(0, 1))
    with pytest.raises(ValueError, match=r"got 3 in profile p: experiments.e.rates_chosen_on and in profile p: seeds"):
        make_grid(experiment, profile, configs)


def test_seeds_of_the_command_line_are_all_arms_reported_ones(tmp_path: Path) -> None:
    grid = make_grid(*swept_at(tmp_path), seeds=(5, 6))
    assert {(run.arm, run.spec.seed) for run in grid.runs} == {
        (a, s) for a in ("swept", "fixed", "one") for s in (5, 6)
    }


@pytest.mark.parametrize("text", ["", "x", "3-1", "1,,2", "-1", "0-", "1.5", "0,0", "0-3,2", "0-1000", "9999999999"])
def test_what_is_no_list_of_seeds_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=f"^--seeds: expected [^\n]*, got '{re.escape(text)}'$"):
        seeds_of(text)


def test_seeds_are_written_as_they_are_read() -> None:
    for seeds in [(0,), (0, 1), (3, 4, 5, 9), tuple(range(1000))]:
        assert seeds_of(written_seeds(seeds)) == seeds


def test_the_command_line_adds_to_the_data_arguments_of_all_layers(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "summary: x\nbodies: {}\nseeds: [0]\nrun: {data_arguments: {shuffled: true, image_size: 4}}\n"
        "tasks: {cifar-lra: {data_arguments: {image_size: 8}}}\n"
    )
    asked = {"task": "cifar-lra", "data_arguments": ["train-examples=20"]}
    arguments = spec_from_options(asked, str(path)).data_arguments
    assert arguments == {"shuffled": True, "image_size": 8, "train_examples": 20}
    as_mapping = {"task": "cifar-lra", "data_arguments": {"train_examples": 20}}
    assert spec_from_options(as_mapping, str(path)).data_arguments == arguments, "as a notebook says it"


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["image_size=8", "image-size=9"], "expected each name once, got image_size again in 'image-size=9'"),
        (["image_size=["], "--data-arguments: expected a number, true, false or a word, got 'image_size=['"),
    ],
)
def test_a_data_argument_that_is_doubled_or_no_value_is_said(pairs: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        spec_from_options({"task": "cifar-lra", "data_arguments": pairs}, "embedded")
    assert message in str(caught.value)


def test_a_data_argument_is_taken_back_by_null() -> None:
    stand_in = {"data_arguments": {"folds": 10, "shuffled": True}}
    taken_back = {"data": "real", "data_arguments": {"folds": None}}
    spec = spec_of([Layer("tasks", {"task": "homology", **stand_in}), Layer("arm", checked_fields(taken_back))])
    assert spec.data_arguments == {"shuffled": True}


def test_a_null_that_takes_nothing_back_is_said_with_the_nearest_name() -> None:
    layers = [Layer("tasks", {"data_arguments": {"folds": 10}}), Layer("arm", {"data_arguments": {"fodls": None}})]
    with pytest.raises(ValueError, match=r"argument that arm takes back by null 'data_arguments.fodls'. Did you mean"):
        merge(layers)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"laerning_rate": 1}, "unknown key 'laerning_rate'. Did you mean 'learning_rate'?"),
        ({"learning_rate": 0}, "learning_rate: Input should be greater than 0, got 0"),
        ({"train": ["norms"]}, "unknown parameter group 'norms'. Did you mean 'norm'?"),
        ({"data_arguments": {"shuffled": [1]}}, "data_arguments.shuffled"),
        ({"data_arguments": ["shuffled"]}, "data_arguments: Input should be a valid dictionary"),
        ({"seed": 3}, "expected no `seed` here: a profile lists the seeds"),
        ({"task": "mnist"}, "expected no `task` here: an experiment lists its tasks"),
    ],
)
def test_a_wrong_field_of_a_layer_is_said(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        checked_fields(fields)
    assert message in str(caught.value)


def test_a_layer_may_say_a_part_of_what_must_fit_together() -> None:
    assert checked_fields({"max_steps": 75}) == {"max_steps": 75}


def test_what_does_not_fit_together_names_the_layers_that_said_it() -> None:
    layers = [Layer("the task", {"task": "mnist", "eval_every": 50}), Layer("the profile", {"max_steps": 75})]
    with pytest.raises(ValueError, match=r"\(eval_every of the task, max_steps of the profile\)$"):
        spec_of(layers)
    with pytest.raises(ValueError, match=r"unknown body 'minilmm'.* \(body of the arm\)$"):
        spec_of([layers[0], Layer("the arm", {"body": "minilmm"})])


def test_merging_changes_no_layer() -> None:
    first = Layer("first", {"data_arguments": {"a": 1}})
    assert merge([first, Layer("second", {"data_arguments": {"b": 2}})]) == {"data_arguments": {"a": 1, "b": 2}}
    assert first.fields == {"data_arguments": {"a": 1}}
    assert origins([first, Layer("second", {"data_arguments": {}})]) == {"data_arguments.a": (1, "first")}


def test_a_wrong_line_of_tasks_yaml_names_it(tmp_path: Path) -> None:
    experiment, profile, _ = grid_parts(0, tmp_path)
    for line, message in (("{batch: 3}", "mnist: unknown key 'batch'"), ("", "mnist: expected a mapping of fields")):
        (tmp_path / "tasks.yaml").write_text(f"mnist: {line}")
        with pytest.raises(ValueError, match=f"tasks.yaml: {message}"):
            make_grid(experiment, profile, tmp_path)
    assert make_grid(experiment, profile, CONFIGS).runs
