"""Whole experiments without training: what is planned, in which order, and what the gate's command says of it."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from fpt_bench.cli import app
from fpt_bench.commands.console import WRONG_INPUT
from fpt_bench.config.grid_of import named_grid
from fpt_bench.results.grids import read_grid
from fpt_bench.results.result_files import write_result
from tests.commands.untrained import HEADLINE, PROFILE, SWEEP, Bench, pretend


def test_jobs_are_sent_without_asking_this_machines_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(_: int) -> None:
        raise RuntimeError("CUDA-capable device(s) is/are busy or unavailable")

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("torch.cuda.get_device_properties", busy)
    monkeypatch.setattr("fpt_bench.commands.bench.send_grid", lambda *_: "sent")
    (tmp_path / "headline.yaml").write_text(HEADLINE)
    (tmp_path / "profile.yaml").write_text(PROFILE + "launcher: {kind: slurm, time: 10, parallelism: 2}\n")
    files = ["--experiments", str(tmp_path / "headline.yaml"), "--profile", str(tmp_path / "profile.yaml")]
    sent = CliRunner().invoke(app, ["bench", *files, "--runs", str(tmp_path / "runs"), "--offline"])
    assert sent.exit_code == 0, sent.output
    assert "sent" in sent.stdout


def test_a_bench_at_a_profile_that_does_not_answer_its_question_says_so_and_has_no_claims(bench: Bench) -> None:
    (bench.folder / "headline.yaml").write_text(f"profile: settled\n{HEADLINE}")
    done = bench.bench("headline")
    assert "tried out; its question is answered and its claims judged at --profile settled" in done.output
    assert "Claims" not in done.stdout
    assert read_grid(bench.folder / "runs/tables/headline-short/grid.json").experiment.claims == ()
    (bench.folder / "headline.yaml").write_text(f"profile: setled\n{HEADLINE}")
    wrong = bench.bench("headline")
    assert wrong.exit_code == WRONG_INPUT
    assert "unknown profile 'setled'. Did you mean 'settled'?" in wrong.output


def test_all_leaves_out_experiments_whose_data_are_not_there(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    real = HEADLINE.replace("bit-xor", "mnist").replace("init: pretrained", "init: pretrained, data: real")
    (bench.folder / "real.yaml").write_text(real)
    (bench.folder / "short.yaml").write_text(PROFILE.replace("tasks: {", "tasks: {mnist: {max_steps: 20}, "))
    refused = bench.bench("real", "headline", more=("--data-root", str(bench.folder / "none")))
    assert refused.exit_code == WRONG_INPUT
    assert not bench.done
    files = [str(bench.folder / f"{name}.yaml") for name in ("real", "headline")]
    monkeypatch.setattr("fpt_bench.config.yaml_files.config_names", lambda *_: files)
    options = ["--profile", str(bench.folder / "short.yaml"), "--runs", str(bench.folder / "runs"), "--workers", "1"]
    options += ["--offline", "--data-root", str(bench.folder / "none")]
    done = bench("bench", "--experiments", "all", *options)
    assert done.exit_code == 0, done.output
    assert f"left out: {files[0]}; " in done.output
    assert {spec.task for spec in bench.done} == {"bit-xor"}
    monkeypatch.setattr("fpt_bench.config.yaml_files.config_names", lambda *_: files[:1])
    nothing = bench("bench", "--experiments", "all", *options)
    assert nothing.exit_code == WRONG_INPUT, "nothing is left"


def test_runs_that_experiments_share_are_done_once(bench: Bench) -> None:
    done = bench.bench("headline", "rates", "headline")
    assert done.exit_code == 0, done.stderr
    ids = [spec.run_id for spec in bench.done]
    assert len(ids) == len(set(ids))
    rates = [spec.learning_rate for spec in bench.done[:4]]
    assert rates == [1e-3] * 4, "the headline's runs, one rate"
    assert 1e-3 not in [spec.learning_rate for spec in bench.done[4:]], "which the sweep finds done"
    assert (bench.folder / "runs" / "tables" / "headline-short" / "table.md").read_text() in done.stdout
    assert "# rates-short" in done.stdout


def test_a_picked_bench_has_tables_of_its_own_and_leaves_the_whole_one_alone(bench: Bench) -> None:
    assert bench.bench("headline").exit_code == 0
    tables, before = bench.folder / "runs" / "tables", len(bench.done)
    whole = {path: path.read_bytes() for path in (tables / "headline-short").iterdir()}
    done = bench.bench("headline", more=("--arms", "random"))
    assert done.exit_code == 0, done.stderr
    assert len(bench.done) == before, "its runs are among those of the whole one"
    assert "all 2 runs were done before, nothing trained" in done.stderr
    assert "next: python -m fpt_bench report" in done.stderr
    assert {path: path.read_bytes() for path in (tables / "headline-short").iterdir()} == whole
    (own,) = tables.glob("headline-short-pick-*")
    assert "Picked by `--arms random`: a bench of its own" in (own / "table.md").read_text()
    assert read_grid(own / "grid.json").experiment.claims == (), "the claim is of an arm that is left out"
    assert bench.bench("headline", more=("--set", "learning_rate=1e-2", "--seeds", "0")).exit_code == 0
    assert [spec.learning_rate for spec in bench.done[before:]] == [1e-2, 1e-2]
    (other,) = set(tables.glob("headline-short-pick-*")) - {own}
    assert read_grid(other / "grid.json").registered == {}, "no claim is of runs like these"


def test_a_claim_is_registered_when_a_part_of_its_bench_first_was(bench: Bench) -> None:
    assert bench.bench("headline", more=("--arms", "random")).exit_code == 0
    tables = bench.folder / "runs" / "tables"
    (part,) = (read_grid(path) for path in tables.glob("headline-short-pick-*/grid.json"))
    assert bench.bench("headline").exit_code == 0
    whole = read_grid(tables / "headline-short" / "grid.json")
    assert whole.registered.keys() == {claim.hash for claim in whole.experiment.claims} != set()
    assert whole.registered == part.registered


def test_a_claim_of_the_whole_is_not_forgotten_after_runs_of_a_part(bench: Bench) -> None:
    assert bench.bench("headline", more=("--arms", "random")).exit_code == 0
    (part,) = (bench.folder / "runs" / "tables").glob("headline-short-pick-*/grid.json")
    before = part.read_bytes()
    (bench.folder / "headline.yaml").write_text(
        HEADLINE.replace("refuted_by: worse,", "refuted_by: worse, margin: 0.01,")
    )
    for more in ((), ("--arms", "random")):
        refused = bench.bench("headline", more=more)
        assert refused.exit_code == WRONG_INPUT
        assert "a claim of the whole bench (hash " in refused.stderr
        assert "it was changed, or taken back, after its runs" in refused.stderr
    assert part.read_bytes() == before
    # Another experiment of that name has nothing to do with it.
    (bench.folder / "headline.yaml").write_text(HEADLINE.replace("One rate.", "Another question."))
    assert bench.bench("headline").exit_code == 0
    whole = read_grid(bench.folder / "runs" / "tables" / "headline-short" / "grid.json")
    assert whole.registered != read_grid(part).registered


def test_a_part_asks_nothing_of_the_profile_for_what_is_not_picked(bench: Bench) -> None:
    text = HEADLINE.replace("baseline: random", "baseline: seen").replace(
        "arms:", "arms:\n  seen: {role: vision, run: {init: pretrained}}"
    )
    (bench.folder / "headline.yaml").write_text(text)
    assert bench.bench("headline").exit_code == WRONG_INPUT, "the profile has no body for its baseline"
    assert bench.bench("headline", more=("--arms", "language,random")).exit_code == 0


def test_a_sweep_does_first_seeds_first_and_gives_hopeless_rates_up(bench: Bench) -> None:
    done = bench.bench("rates")
    swept = [spec for spec in bench.done if spec.learning_rate != 2e-4]
    by_seed = [spec.seed for spec in swept]
    assert by_seed == sorted(by_seed)
    assert {spec.learning_rate for spec in swept if spec.seed == 1} == {1e-4, 1e-3, 1e-2}, "1e-5 was hopeless"
    assert [spec.learning_rate for spec in bench.done].count(2e-4) == 2, "a fixed arm has one rate"
    page = (bench.folder / "runs" / "tables" / "rates-short" / "table.md").read_text()
    assert "54.0 (1 of 2, given up)" in page
    assert "Incomplete" not in page
    assert "Left out: mnist; the profile short has no budget for them." in page
    assert "/16] bit-xor random seed 1 · rate 0.001: test 95.0 %" in done.stderr, "18 runs, 2 of them given up"
    before = len(bench.done)
    assert bench.bench("rates").exit_code == 0
    assert len(bench.done) == before, "a finished sweep does nothing"


def test_a_sweep_with_tuning_seeds_reports_others_at_the_chosen_rate_alone(bench: Bench) -> None:
    (bench.folder / "short.yaml").write_text(PROFILE.replace("seeds: [0, 1]", "tuning_seeds: [0, 1]\nseeds: [2, 3, 4]"))
    done = bench.bench("rates")
    assert done.exit_code == 0, done.stderr
    fixed = [spec.seed for spec in bench.done if spec.learning_rate == 2e-4]
    assert sorted(fixed) == [2, 3, 4], "an arm with one rate has nothing to choose"
    swept = [(spec.learning_rate, spec.seed) for spec in bench.done if spec.learning_rate != 2e-4]
    assert swept[:-6] == [spec for spec in swept if spec[1] < 2], "what is reported comes last"
    assert sorted(swept[-6:]) == sorted([(1e-3, seed) for seed in (2, 3, 4)] * 2)
    page = (bench.folder / "runs" / "tables" / "rates-short" / "table.md").read_text()
    assert "on the seeds 0-1, which are not reported; ties to the larger" in page
    assert "Incomplete" not in page
    row = next(line for line in page.splitlines() if "language" in line and "0.001" in line)
    assert row.split("|")[-3:-1] == [" 7           ", " 0        "], "seven of eight runs chose, one rate was given up"
    assert "/23] bit-xor" in done.stderr, "14 chose, 9 are reported"
    assert "open" in bench("status", str(bench.folder / "runs")).stdout
    assert bench("status", str(bench.folder / "runs")).stdout.split()[8:10] == ["0", "0"]
    before = len(bench.done)
    assert bench.bench("rates").exit_code == 0
    assert len(bench.done) == before, "a finished sweep does nothing"


def test_seeds_of_the_command_line_are_added_to_those_that_are_done(bench: Bench) -> None:
    bench.bench("headline")
    done = bench.bench("headline", more=("--seeds", "0-3"))
    assert done.exit_code == 0, done.stderr
    assert sorted(spec.seed for spec in bench.done) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert "| 4 " in (bench.folder / "runs" / "tables" / "headline-short" / "table.md").read_text()
    refused = bench.bench("headline", more=("--seeds", "zero"))
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)


def test_an_arm_with_a_rate_and_a_sweep_is_refused(bench: Bench) -> None:
    path = bench.folder / "rates.yaml"
    path.write_text(SWEEP.replace(", learning_rates: fixed", ""))
    done = bench.bench("rates")
    assert done.exit_code == 2
    assert "arm published: expected a learning_rate of its own or a sweep, got both" in done.stderr


def test_a_profile_without_rates_or_budgets_is_named(bench: Bench) -> None:
    path = bench.folder / "short.yaml"
    path.write_text(PROFILE.replace("learning_rates: [1.0e-5, 1.0e-4, 1.0e-3, 1.0e-2]", ""))
    assert "expected profile short to say `learning_rates`" in bench.bench("rates").stderr
    path.write_text(PROFILE.replace("bit-xor: {max", "cifar: {max"))
    assert "expected profile short to have a budget for at least one of bit-xor" in bench.bench("headline").stderr
    path.write_text(PROFILE.replace("[1.0e-5, 1.0e-4,", "[1.0e-4, 1.0e-5,"))
    assert "expected learning rates in ascending order, each once" in bench.bench("rates").stderr


UNKNOWN = "a GPU or a machine that was not recorded"
PASSED = f"""4 runs compared by the baseline's deviation: made with {UNKNOWN}; the baseline with {UNKNOWN}
check passed: 2 cells, no regression; 0 of 4 runs compared seed by seed
"""


def test_the_gate_from_baseline_to_regression(bench: Bench) -> None:
    bench.bench("headline")
    runs, kept = bench.folder / "runs", bench.folder / "kept.json"
    summary, junit = bench.folder / "out" / "check.md", bench.folder / "out" / "check.xml"
    arguments = [str(runs), "--baseline", str(kept), "--markdown", str(summary), "--junit", str(junit)]
    missing = bench("check", *arguments)
    assert (missing.exit_code, missing.stdout) == (2, "")
    assert "kept.json does not exist; `make baseline`" in missing.stderr
    refused = bench("check", *arguments, "--renew")
    assert (refused.exit_code, kept.exists()) == (2, False)
    assert "expected no --markdown, --junit with --renew, which compares nothing" in refused.stderr
    assert bench("check", *arguments[:3], "--renew").exit_code == 0
    passed = bench("check", *arguments)
    assert (passed.exit_code, passed.stdout) == (0, PASSED)
    assert summary.read_text().startswith(f"**{PASSED.splitlines()[-1]}**")
    for spec in [spec for spec in bench.done if spec.init == "pretrained"]:
        write_result(pretend(spec, 0.8), runs / spec.run_id)
    failed = bench("check", *arguments)
    assert failed.exit_code == 1
    assert failed.stdout.endswith("check failed: 3 problems in 2 cells; 0 of 4 runs compared seed by seed\n")
    assert "score went from 0.99 to 0.8, worse by more than" in summary.read_text()
    assert len(ElementTree.parse(junit).getroot().findall(".//failure")) == 3


def test_the_gate_refuses_what_it_cannot_read(bench: Bench) -> None:
    bench.bench("headline", "rates")
    runs, kept = bench.folder / "runs", bench.folder / "kept.json"
    several = bench("check", str(runs), "--baseline", str(kept))
    assert several.exit_code == 2
    assert "expected one bench, got 2; name the folder of one's tables: headline-short, rates-short" in several.stderr
    tables = runs / "tables" / "headline-short"
    kept.write_bytes(b"\xff\xfe\x00garbage")
    garbled = bench("check", str(tables), "--baseline", str(kept))
    assert garbled.exit_code == 2
    assert f"{kept}: expected a baseline in JSON" in garbled.stderr
    (tables / "grid.json").write_text("{")
    assert bench("check", str(tables), "--baseline", str(kept)).exit_code == 2


def test_a_claim_of_ones_own_that_is_turned_round_after_its_runs_is_refused(bench: Bench) -> None:
    assert bench.bench("headline").exit_code == 0
    turned = HEADLINE.replace("{better: language, worse: random", "{better: random, worse: language")
    (bench.folder / "headline.yaml").write_text(turned)
    done = bench.bench("headline")
    assert done.exit_code == WRONG_INPUT
    assert "it was changed, or taken back, after its runs" in done.stderr


def test_a_claim_that_is_taken_back_after_its_runs_is_not_forgotten_by_the_next_bench(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bench.bench("headline").exit_code == 0
    named = named_grid(str(bench.folder / "headline.yaml"), str(bench.folder / "short.yaml"))
    filed = named.experiment.model_copy(update={"claims": ()})
    # As of an experiment on file, whose claims are files of their own.
    monkeypatch.setattr("fpt_bench.analysis.filed_docket.config_names", lambda _: ["headline"])
    monkeypatch.setattr("fpt_bench.commands.grid_plan.named_claims", lambda *_: ())
    monkeypatch.setattr(
        "fpt_bench.commands.grid_plan.named_grid", lambda *_: named.model_copy(update={"experiment": filed})
    )
    done = bench.bench("headline")
    assert done.exit_code == WRONG_INPUT
    assert "no claim on file has that hash: it was changed, or taken back, after its runs" in done.stderr
    assert read_grid(bench.folder / "runs" / "tables" / "headline-short" / "grid.json").registered != {}
