"""How many seeds `plan --resolve` says resolve a difference, and the command that runs them."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fpt_bench.cli import app
from fpt_bench.commands.seeds_view import command_of
from fpt_bench.config.grid_of import named_grid
from fpt_bench.results.result_files import write_result
from tests.commands.planned import EXPERIMENT, PROFILE, invoke
from tests.made_up import made_up_grid, made_up_result
from tests.paths import KEPT_RESULTS


def resolved(
    folder: Path, points: str, scores: dict[str, list[list[float]]], *options: str, profile: str = PROFILE
) -> Result:
    """Ask what resolves a difference beside runs of these scores, for each task by arm and seed."""
    (folder / "mine.yaml").write_text(EXPERIMENT)
    (folder / "tiny.yaml").write_text(profile)
    grid = named_grid(str(folder / "mine.yaml"), str(folder / "tiny.yaml"))
    for (task, arm), specs in grid.cells().items():
        for spec, score in zip(specs, scores[task][("language", "random").index(arm)], strict=False):
            done = made_up_result(task, spec.seed, score).model_copy(update={"spec": spec})
            write_result(done, folder / "runs" / spec.run_id)
    return invoke(folder, "--resolve", points, *options)


def test_seeds_needed_follow_from_the_deviation_that_runs_show(tmp_path: Path) -> None:
    # Deviations of 2 points on XOR and 4 on mnist: a difference of 4 points is 2 and 1 of them.
    xor, mnist = [[0.70, 0.72, 0.74], [0.50, 0.52, 0.54]], [[0.6, 0.64, 0.68], [0.4, 0.44, 0.48]]
    done = resolved(tmp_path, "4", {"bit-xor": xor, "mnist": mnist})
    assert done.exit_code == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[2][:6] == ["bit-xor", "2.0", "4", "4.7", "3", "6"]
    assert lines[3][:6] == ["mnist", "4.0", "4", "9.5", "3", "17"]
    assert lines[2][-2:] == ["7", "8"], "of two differences"
    assert "one of 2" in done.stdout
    command = ["python", "-m", "fpt_bench", "bench", "--experiments", str(tmp_path / "mine.yaml")]
    command += ["--profile", str(tmp_path / "tiny.yaml"), "--seeds", "0-16", "--runs", str(tmp_path / "runs")]
    assert "fixed n, 17 seeds of every task: " + " ".join(command) in done.stdout


def test_what_shows_no_deviation_is_said_and_nothing_is_made_of_it(tmp_path: Path) -> None:
    done = resolved(tmp_path, "5", {"bit-xor": [[1.0, 1.0], [1.0, 1.0]], "mnist": [[0.6], [0.4]]})
    lines = done.stdout.splitlines()
    assert lines[2].split() == ["bit-xor", "0.0", "2", "0.0", "2", "?", "?", "?", "?", "?"]
    assert lines[3].split() == ["mnist", "?", "0", "?", "1", "?", "?", "?", "?", "?"]
    assert "All seeds of an arm are equal on bit-xor, as at a ceiling" in done.stdout
    assert "No two runs of an arm show a deviation on mnist: run more seeds first." in done.stdout
    assert "--seeds" not in done.stdout


def test_seeds_that_learn_or_do_not_are_no_part_of_a_deviation(tmp_path: Path) -> None:
    calm = [[0.6, 0.62, 0.64], [0.4, 0.42, 0.44]]
    done = resolved(tmp_path, "4", {"bit-xor": [[0.5, 0.5, 0.99], [0.50, 0.52, 0.54]], "mnist": calm})
    assert done.stdout.splitlines()[2].split()[:3] == ["bit-xor", "2.0", "2"]
    assert "Seeds fall into two groups in bit-xor language: no part of sd; count who learned" in done.stdout


def test_new_seeds_are_none_that_chose_a_rate_here_or_in_another_experiment() -> None:
    grid = made_up_grid(seeds=(2, 3), rates=(1e-3, 1e-2)).model_copy(update={"tuning_seeds": (1, 4)})
    assert command_of(4, grid, ("e", "p", Path("runs"), None)).endswith(
        "bench --experiments e --profile p --seeds 2-3,5-6"
    )
    unswept = made_up_grid(seeds=(0, 1)).model_copy(update={"tuning_seeds": (0, 1)})
    assert command_of(3, unswept, ("e", "p", Path("runs"), None)).endswith("--seeds 0-2"), "they chose nothing"
    assert command_of(3, unswept, ("e", "p", Path("r"), Path("k"))).endswith("--seeds 0-2 --runs r --kept k")


def test_an_arm_that_hardly_varies_beside_the_other_gets_no_word_by_any_number_of_seeds(tmp_path: Path) -> None:
    calm = [[0.6, 0.62, 0.64, 0.65, 0.66], [0.4, 0.42, 0.44, 0.45, 0.46]]
    flat = [[0.7, 0.74, 0.8, 0.85, 0.9], [0.50, 0.504, 0.505, 0.507, 0.508]]
    profile = PROFILE.replace("seeds: [0, 1, 2]", "seeds: [0, 1, 2, 3, 4]")
    done = resolved(tmp_path, "4", {"bit-xor": flat, "mnist": calm}, "--seeds", "0-4", profile=profile)
    assert [line.split()[-2:] for line in done.stdout.splitlines()[2:4]] == [["?", "?"], ["8", "10"]]
    assert "One arm's seeds hardly vary in bit-xor language, beside the other's: the judge gives no word" in done.stdout


@pytest.mark.parametrize("points", ["0", "nan", "-1", "200", "100", "inf"])
def test_a_difference_that_no_scores_have_is_refused(points: str, tmp_path: Path) -> None:
    done = invoke(tmp_path, "--resolve", "5")
    assert done.exit_code == 2
    assert "/runs: expected a folder of runs or a packed file, found nothing" in done.stderr
    (tmp_path / "runs").mkdir()
    done = invoke(tmp_path, "--resolve", points)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: --resolve: expected a difference of scores in percent, above 0 and below 100")
    assert done.stderr.count("\n") == 1


def test_the_kept_deviations_give_the_seeds_of_every_task() -> None:
    arguments = ["plan", "initializations", "--runs", str(KEPT_RESULTS), "--resolve", "5", "--seeds", "0-2"]
    done = CliRunner(env={"COLUMNS": "120"}).invoke(app, arguments)
    needed = {line.split()[0]: line.split()[5] for line in done.stdout.splitlines()[2:9]}
    assert needed == {
        "bit-memory": "3", "bit-xor": "2", "listops": "?", "mnist": "14", "cifar": "9", "cifar-lra": "5",
        "homology": "?",
    }, "of ListOps and homology the kept runs have other data"  # fmt: skip


def test_seeds_that_chose_the_profiles_rates_are_not_asked_for(tmp_path: Path) -> None:
    profile = tmp_path / "mine.yaml"
    profile.write_text(
        "summary: A test.\nbodies: {language: minilm}\nseeds: [0, 1, 2]\ntasks: {bit-xor: {max_steps: 50}}\n"
        "experiments: {headline: {rates: {language: {bit-xor: 0.01}}, rates_chosen_on: [3, 4]}}\n"
    )
    grid = named_grid("headline", str(profile))
    assert "--seeds 0-2,5-6" in command_of(5, grid, ("headline", str(profile), Path("runs"), None))
