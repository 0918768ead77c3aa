"""Claims on file: each once, under one name, with what judges it or why nothing here can."""

import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from fpt_bench.cli import app
from fpt_bench.config.claim_files import filed_claims
from fpt_bench.config.grid_of import named_grid
from fpt_bench.config.named import named_experiment
from fpt_bench.config.published import published_figures
from fpt_bench.config.yaml_files import config_names

CLAIM = {
    "better": "language", "worse": "random", "tasks": ["mnist"], "refuted_by": "worse", "source": "ours",
    "experiments": ["headline"],
}  # fmt: skip


def folder(tmp_path: Path, **files: dict[str, object]) -> Path:
    for name, content in files.items():
        (tmp_path / name.replace("_yml", ".yml")).with_suffix(".yml" if name.endswith("_yml") else ".yaml").write_text(
            yaml.safe_dump(content)
        )
    return tmp_path


def without(field: str) -> dict[str, object]:
    return {name: value for name, value in CLAIM.items() if name != field}


def test_a_file_holds_a_claim_whose_hash_knows_nothing_of_the_file(tmp_path: Path) -> None:
    (first,) = filed_claims(folder(tmp_path, mine=CLAIM))
    assert (first.name, first.experiments) == ("mine", ("headline",))
    (tmp_path / "mine.yaml").rename(tmp_path / "other.yaml")
    filed_claims.cache_clear()
    (second,) = filed_claims(tmp_path)
    assert second.name == "other"
    assert second.claim.hash == first.claim.hash


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a": CLAIM, "a_yml": {**CLAIM, "worse": "none"}}, r"expected one claim of a name, got a\.yaml and a\.yml"),
        ({"a": CLAIM, "b": {**CLAIM, "experiments": ["ladder"]}}, r"expected each claim once, got the one of a again"),
        ({"a": without("experiments")}, "expected `experiments` that judge it, or `open_because`"),
        ({"a": {**CLAIM, "open_because": "a GPU"}}, "expected `experiments` that judge it, or `open_because`"),
        ({"a": {**without("experiments"), "profile": "paper", "open_because": "-"}}, "expected `profile` beside `exp"),
        ({"a": {**CLAIM, "wrse": "b"}}, "unknown key 'wrse'. Did you mean 'worse'?"),
        ({"a": without("refuted_by")}, "refuted_by"),
        ({"a": {**CLAIM, "worse": "language"}}, "expected two arms, got 'language' twice"),
    ],
)
def test_what_is_wrong_with_a_claim_is_said_with_its_file(
    files: dict[str, dict[str, object]], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message) as error:
        filed_claims(folder(tmp_path, **files))
    assert str(tmp_path) in str(error.value)


def test_every_claim_on_file_names_experiments_arms_and_tasks_that_there_are() -> None:
    claims = filed_claims()
    assert len(claims) >= 25
    for filed in claims:
        for experiment in filed.experiments:
            assert filed.claim in named_experiment(experiment, filed.profile).claims
    named = {experiment for filed in claims for experiment in filed.experiments}
    assert named <= set(config_names("experiments"))


def test_a_claim_of_a_profile_is_registered_and_judged_there_alone() -> None:
    (filed,) = (claim for claim in filed_claims() if claim.name == "lu-2-language-over-random-cifar-published")
    assert filed.profile == "paper"
    listed = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["list", "claims"]).stdout
    assert "initializations at paper" in listed
    assert filed.claim in named_grid("initializations", "paper").experiment.claims
    assert filed.claim not in named_grid("initializations", "embedded").experiment.claims


def test_what_is_said_of_a_transcribed_table_is_of_its_columns() -> None:
    """A claim whose source is a table alone: it asks of no task that the table does not have."""
    figures, looked_at = published_figures(), 0
    for filed in filed_claims():
        source = re.fullmatch(r"(Lu|Rothermel) et al\. 2021, table (\d+)", filed.source)
        for table, rows in figures[f"{source[1].lower()}2021"].items() if source else ():
            if source and table.startswith(f"table{source[2]}_"):
                looked_at += 1
                assert set(filed.tasks) <= set(rows["columns"]), filed.name
    assert looked_at >= 20


def test_what_was_published_would_support_a_claim_and_not_refute_it() -> None:
    """A difference smaller than the margin is *the same*: an exact replication would count against its own claim."""
    figures, looked_at = published_figures(), 0
    for filed in filed_claims():
        for experiment in filed.experiments:
            arms = [named_experiment(experiment).arms[arm] for arm in (filed.claim.better, filed.claim.worse)]
            rows = [arm.published for arm in arms if arm.published is not None]
            if (
                len(rows) < 2
                or rows[0].table != rows[1].table
                or (filed.claim.verdict, filed.claim.measure) != ("better", "score")
            ):
                continue
            for task in filed.tasks:
                ours, theirs = (row.accuracy(figures, task) for row in rows)
                if ours is not None and theirs is not None and ours > theirs:
                    looked_at += 1
                    assert ours - theirs >= filed.claim.margin, (filed.name, task)
    assert looked_at >= 20
