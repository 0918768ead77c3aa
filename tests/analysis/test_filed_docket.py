"""The docket: claims on file by the runs of their experiments, from results written by hand."""

import csv
import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.filed_docket import Entry, judge_filed
from fpt_bench.config.claim_files import FiledClaim
from fpt_bench.config.experiment import Arm
from fpt_bench.report.docket_tables import changed_verdicts, count_line, docket_csv, docket_markdown, docket_records
from fpt_bench.results.result import BodyRecord
from tests.made_up_bench import HEADLINE_ARMS, made_up_bench, on_file

SEEDS = tuple(range(8))


def filed(**fields: object) -> FiledClaim:
    usual = {
        "name": "c",
        "better": "language",
        "worse": "random",
        "tasks": ("mnist",),
        "refuted_by": "-",
        "source": "-",
    }
    return FiledClaim.model_validate({"experiments": ("made-up",), **usual, **fields})


def bench_of(seeds: Sequence[int] = SEEDS) -> Bench:
    grid, results = made_up_bench(("bit-memory", "mnist"), seeds=seeds)
    return Bench.of(grid, results)


def test_each_claim_has_the_word_of_its_runs() -> None:
    claims = [
        filed(name="supported"),
        filed(name="refuted", better="random", worse="language"),
        filed(name="nowhere", experiments=("another",)),
        filed(name="gpu", experiments=(), open_because="needs a GPU"),
        filed(name="first-with-runs", experiments=("another", "made-up")),
    ]
    entries = {entry.filed.name: entry for entry in judge_filed(claims, [bench_of()])}
    words = {name: entry.outcome for name, entry in entries.items()}
    assert words == {
        "supported": "supported", "refuted": "refuted", "nowhere": "open", "gpu": "open",
        "first-with-runs": "supported",
    }  # fmt: skip
    assert entries["supported"].bench == "made-up-embedded"
    assert entries["nowhere"].bench is None
    assert count_line(list(entries.values())) == "5 claims: 2 supported, 1 refuted, 0 equivalent, 2 open."


def test_an_open_claim_says_the_seeds_and_the_command_that_would_settle_it() -> None:
    (entry,) = judge_filed([filed(margin=0.02)], [bench_of((0, 1))])
    assert entry.outcome == "open"
    assert entry.seeds_now == 2
    assert entry.seeds > 2
    (record,) = docket_records([entry])
    last = int(entry.seeds) - 1
    assert (
        record["next"]
        == f"python -m fpt_bench bench --experiments PATH/OF/made-up.yaml --profile embedded --seeds 0-{last}"
    )
    (waiting,) = docket_records([Entry(filed(experiments=(), open_because="needs a GPU"))])
    assert waiting["next"] == "needs a GPU"


def test_seeds_are_those_until_the_claimed_word() -> None:
    claims = [filed(margin=0.02), filed(name="s", verdict="same", margin=0.02),
              filed(name="l", measure="learned", reached=0.7)]  # fmt: skip
    better, same, learned = judge_filed(claims, [bench_of((0, 1))])
    assert same.seeds > better.seeds, "sameness takes more than a difference as large as the margin"
    assert math.isnan(learned.seeds)
    step = docket_records([learned])[0]["next"]
    assert step.endswith("--seeds 0-3; how many more it takes is not known"), "those that the bench has are over"


def test_seeds_that_would_settle_nothing_are_not_asked_for() -> None:
    grid, results = made_up_bench(("mnist", "bit-memory"), seeds=SEEDS)
    level = {"mnist": 1e-5, "bit-memory": 1e-2}  # of a seed; of random's on digits far less than of language's
    flat = [
        result.model_copy(update={"test_score": 0.5 + result.spec.seed * level[result.spec.task]})
        if result.spec.init == "random"
        else result.model_copy(update={"test_score": 0.9 - result.spec.seed * 1e-2})
        for result in results
    ]
    claims = [filed(name="one", margin=0.02), filed(name="two", tasks=("mnist", "bit-memory"), margin=0.02)]
    one, two = docket_records(judge_filed(claims, [Bench.of(grid, flat)]))
    held = "hardly more seeds: on mnist an arm hardly varies or falls into two groups; claim who learned"
    for record in (one, two):
        assert (record["verdict"], record["held"], record["seeds_to_resolve"]) == ("open", ["mnist"], None)
        assert record["next"] == held


@pytest.mark.parametrize(
    ("fields", "step"),
    [
        ({"experiments": ("lasting",), "worse": "random-fanin"}, "bench --experiments lasting --profile settled"),
        (
            {"experiments": ("real-data",), "worse": "random-fanin", "tasks": ("cifar",)},
            "bench --experiments real-data --profile embedded --data-root FOLDER",
        ),
        (
            {"experiments": ("unfreezing",), "better": "frozen", "worse": "+attention", "tasks": ("cifar", "mnist")},
            "bench --experiments unfreezing --profile paper",
        ),
    ],
)
def test_the_command_is_of_a_profile_that_runs_what_is_claimed(fields: dict[str, object], step: str) -> None:
    (record,) = docket_records(judge_filed([filed(**fields)], []))
    assert record["next"] == f"python -m fpt_bench {step}"


def test_a_score_to_reach_is_in_the_unit_of_the_task() -> None:
    with pytest.raises(
        ValueError, match="claim c: expected `reached` from 0 to 1, since scores of mnist are fractions, got 70"
    ):
        judge_filed([filed(measure="learned", reached=70)], [bench_of()])


def test_runs_at_other_budgets_answer_no_question_of_the_end() -> None:
    bench = bench_of()
    experiment = bench.grid.experiment.model_copy(update={"profile": "settled"})
    tried = Bench.of(bench.grid.model_copy(update={"experiment": experiment}), bench.results)
    settled = Bench.of(tried.grid.model_copy(update={"profile": "settled"}), bench.results)
    assert "profile" not in tried.grid.experiment.model_dump(), "grids of releases before know no such field"
    assert [entry.bench for entry in judge_filed([filed()], [tried, settled])] == ["made-up-settled"]


def test_a_claim_of_one_profile_is_judged_by_its_runs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = bench_of()
    at = bench.grid.model_copy(update={"profile": "settled"})
    times = {filed(profile="settled").claim.hash: datetime(2026, 1, 1, tzinfo=UTC)}
    settled = Bench.of(at.model_copy(update={"registered": times}), bench.results)
    of_that_name = Bench.of(at, bench.results)
    (own,) = judge_filed([filed(profile="settled")], [bench, of_that_name])
    assert own.bench == "made-up-settled", "of a claim that is not on file nobody asks that a bench registered it"
    assert "supported, not registered before its 16 runs |" in docket_markdown([own])
    monkeypatch.setattr("fpt_bench.analysis.filed_docket._hashes_on_file", lambda: {*times})
    assert [entry.bench for entry in judge_filed([filed(profile="settled")], [of_that_name])] == [None]
    assert [entry.bench for entry in judge_filed([filed(profile="settled")], [bench, settled])] == ["made-up-settled"]
    (waiting,) = judge_filed([filed(profile="settled", open_because="needs days")], [bench])
    assert (waiting.bench, waiting.outcome) == (None, "open")
    published = filed(experiments=("initializations",), tasks=("mnist",), profile="paper", open_because="needs a GPU")
    (record,) = docket_records([Entry(published)])
    assert record["next"] == "python -m fpt_bench bench --experiments initializations --profile paper; needs a GPU"


def test_a_claim_that_was_changed_after_its_runs_is_refused() -> None:
    grid, results = on_file("headline", HEADLINE_ARMS)
    own = filed(experiments=("headline",), worse="random-fanin")
    experiment = grid.experiment.model_copy(update={"claims": (own.claim,)})
    grid = grid.model_copy(
        update={"experiment": experiment, "registered": {own.claim.hash: datetime(2026, 1, 1, tzinfo=UTC)}}
    )
    assert judge_filed([own], [Bench.of(grid, results)])[0].outcome == "supported"
    changed = own.model_copy(update={"margin": 0.01})
    with pytest.raises(
        ValueError, match=r"hash [0-9a-f]{12}\) was registered on 2026-01-01 00:00 and no claim on file"
    ):
        judge_filed([changed], [Bench.of(grid, results)])


def test_an_own_arm_beside_those_on_file_hides_no_changed_claim() -> None:
    grid, results = on_file("headline", HEADLINE_ARMS)
    own = filed(experiments=("headline",), worse="random-fanin")
    arms = {**grid.experiment.arms, "mine": Arm(run={"init": "random"}, role="language")}
    experiment = grid.experiment.model_copy(update={"arms": arms, "claims": (own.claim,)})
    other = grid.model_copy(update={"experiment": experiment})
    other = other.registering((), datetime(2026, 1, 1, tzinfo=UTC), experiment.claims)
    with pytest.raises(ValueError, match="registered on 2026-01-01 00:00 and no claim on file"):
        judge_filed([own.model_copy(update={"margin": 0.01})], [Bench.of(other, results)])


def test_claims_on_file_are_not_of_somebody_s_own_experiment_of_the_same_name() -> None:
    grid, results = on_file("headline", HEADLINE_ARMS)
    arms = {**grid.experiment.arms, "random-fanin": Arm(run={"init": "random"}, role="language")}
    claim = filed(name="theirs", better="random-fanin", worse="language").claim
    experiment = grid.experiment.model_copy(update={"arms": arms, "claims": (claim,)})
    other = grid.model_copy(update={"experiment": experiment})
    other = other.registering((), datetime(2026, 1, 1, tzinfo=UTC), experiment.claims)
    claims = [filed(experiments=("headline",), worse="random-fanin")]
    assert judge_filed(claims, [Bench.of(grid, results)])[0].outcome == "supported"
    (entry,) = judge_filed(claims, [Bench.of(other, results)])
    assert (entry.bench, entry.outcome) == (None, "open")


def test_a_kept_docket_is_derived_again_and_differences_are_named() -> None:
    entries = judge_filed([filed()], [bench_of()])
    kept = json.loads(json.dumps(docket_records(entries)))
    assert changed_verdicts(kept, entries) == []
    kept[0]["verdict"] = "refuted"
    kept[0]["tasks"][0]["difference"] += 0.001
    found = changed_verdicts(kept, entries)
    assert found[0] == "c (made-up-embedded): verdict: kept refuted, derived supported"
    assert len(found) == 2
    assert changed_verdicts([], entries) == ["c (made-up-embedded): expected in both, derived only"]
    earlier = json.loads(json.dumps(docket_records(entries)))
    del earlier[0]["tasks"][0]["says_nothing"], earlier[0]["held"]
    assert changed_verdicts(earlier, entries) == [], "an earlier form has fewer fields"


def test_a_verdict_on_a_body_trained_here_says_what_that_body_learned() -> None:
    """A body that has learned nothing of copying says nothing of what copying gives."""
    grid, results = made_up_bench(("mnist",), seeds=SEEDS)
    body = BodyRecord(source="-", fingerprint="-", execution="native", trained_by="identity", trained_score=0.0699)
    trained = [r.model_copy(update={"body": body}) if r.spec.init == "pretrained" else r for r in results]
    (entry,) = judge_filed([filed()], [Bench.of(grid, trained)])
    (record,) = docket_records([entry])
    late, said = record["reservations"]
    assert said == "the body of language has 0.0699 on the task it was trained on"
    assert f"| supported, {late}, {said} |" in docket_markdown([entry])
    (plain,) = docket_records(judge_filed([filed()], [Bench.of(grid, results)]))
    assert plain["reservations"] == [late]


def test_the_page_has_a_row_a_claim_and_the_csv_a_row_a_task() -> None:
    claims = [filed(name="open|one", experiments=("x",)), filed(tasks=("bit-memory", "mnist"))]
    entries = judge_filed(claims, [bench_of()])
    page = docket_markdown(entries)
    rows = [line for line in page.splitlines() if line.startswith("| **")]
    assert rows[0].startswith("| **c**: language better than random on bit-memory, mnist"), "settled ones first"
    assert rows[1].startswith("| **open\\|one**")
    assert len(docket_csv(entries).splitlines()) == 1 + 2 + 1
    few = judge_filed([filed(tasks=("bit-memory", "cifar"))], [bench_of()])
    tasks = [row["task"] for row in csv.DictReader(docket_csv(few).splitlines())]
    assert tasks == ["bit-memory", "cifar"], "also a task without seeds"
    assert "; without two seeds of both arms: cifar |" in docket_markdown(few)
    assert "without two seeds" not in page


def test_text_of_a_claim_computes_nothing_in_a_spreadsheet() -> None:
    (entry,) = judge_filed([filed(source="=1+1")], [bench_of()])
    assert ",'=1+1," in docket_csv([entry])


@pytest.mark.parametrize("picked", ["", "--tasks mnist"])
def test_the_docket_is_of_whole_benches(picked: str) -> None:
    grid, results = made_up_bench(("mnist",), seeds=SEEDS)
    (entry,) = judge_filed([filed()], [Bench.of(grid.model_copy(update={"picked": picked}), results)])
    assert (entry.bench is None) is bool(picked)


@pytest.mark.parametrize("measure", ["score", "area"])
def test_both_arms_are_judged_on_one_scale_where_their_floors_differ(measure: str) -> None:
    grid, results = made_up_bench(("mnist",), seeds=SEEDS)
    made = []
    for result in results:
        is_language = result.spec.init == "pretrained"
        error = (4.0 if is_language else 3.0) + result.spec.seed / 100
        assert result.data is not None
        data = result.data.model_copy(
            update={
                "floor": 10.0 if is_language else 5.0, "perfect": 0.0, "is_fraction": False, "higher_is_better": False,
                "metric": "mean-absolute-error",
            }
        )  # fmt: skip
        curve = tuple((step, error) for step, _ in result.curve)
        scores = {"test_score": error, "validation_score": error, "curve": curve}
        made.append(result.model_copy(update={"data": data, **scores}))
    claims = [filed(measure=measure), filed(name="turned", better="random", worse="language", measure=measure)]
    words = [entry.outcome for entry in judge_filed(claims, [Bench.of(grid, made)])]
    assert words == ["refuted", "supported"], "an error of 4 is worse than one of 3, whatever each one's floor"
