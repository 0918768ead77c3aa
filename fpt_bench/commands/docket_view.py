"""The docket of `judge RUNS...`: every claim on file, by what was run."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from fpt_bench.commands.console import FAILED, notes
from fpt_bench.config.claim_files import filed_claims
from fpt_bench.config.named import named_experiment
from fpt_bench.config.yaml_files import CONFIGS, config_names
from fpt_bench.names import require_known
from fpt_bench.results.atomic import write_atomically
from fpt_bench.results.folder import runs_of
from fpt_bench.results.grids import read_grids
from fpt_bench.results.result_files import read_results
from fpt_bench.results.simple_records import known_records

if TYPE_CHECKING:
    from fpt_bench.analysis.benches import Bench
    from fpt_bench.analysis.filed_docket import Entry

ENDINGS = (".md", ".csv", ".json")


def judge_runs(
    places: Sequence[Path],
    kept: Path | None,
    claims: Path | None,
    output: Path | None,
    verify: Path | None,
    as_json: bool,
    mix_releases: bool,
) -> None:
    """Print the docket by the benches in folders of runs, or write it to a file, or compare it with a kept one.

    Raises:
        ValueError: no bench is there, or two folders have one of the same name; a claim is wrong, or was changed after
            its runs; a task's runs are of several releases of torch; another ending of the file.
        OSError: something cannot be read or written.
    """
    from fpt_bench.report.docket_tables import changed_verdicts, docket_csv, docket_json, docket_markdown

    if output is not None and output.suffix not in ENDINGS:
        raise ValueError(f"--output: expected a file that ends in {', '.join(ENDINGS)}, got {output}")
    entries = derive_docket(places, claims, kept, mix_releases)
    if verify is not None:
        found = changed_verdicts(_read_docket(verify), entries)
        for sentence in found:
            notes.print(sentence, style="red", soft_wrap=True)
        notes.print(
            f"{len(entries)} verdicts derived from {' and '.join(map(str, places))}; {len(found)} differences to "
            f"{verify}",
            soft_wrap=True,
        )
        if found:
            raise typer.Exit(FAILED)
        return
    written = {".md": docket_markdown, ".csv": docket_csv, ".json": docket_json}
    ending = output.suffix if output else ".json" if as_json else ".md"
    text = written[ending](entries)
    if output is None:
        print(text, end="")
    else:
        write_atomically(output, text)
        notes.print(f"docket: {output}", soft_wrap=True)


def derive_docket(
    places: Sequence[Path], claims: Path | None = None, kept: Path | None = None, mix_releases: bool = False
) -> "list[Entry]":
    """Return the docket by the benches in folders of runs.

    Args:
        places: the folders, or packed files. Each is read by itself, so that two may have one run from two machines.
        claims: a folder of claims in place of configs/claims.
        kept: another such place, whose results count as these benches' own.
        mix_releases: judge a task whose runs were made with several releases of torch all the same.
    """
    from fpt_bench.analysis.filed_docket import judge_filed

    filed = filed_claims(claims or CONFIGS / "claims")
    if not filed:
        raise ValueError(f"expected claims, a YAML file each, in {claims or CONFIGS / 'claims'}, found none")
    benches = _read_benches(places, kept, mix_releases)
    profiles = {*config_names("profiles"), *(bench.grid.profile for bench in benches.values())}
    for claim in filed:
        if claim.profile is not None:
            require_known(f"profile of claim {claim.name}", claim.profile, profiles)
        for name in claim.experiments:
            experiment = named_experiment(name)
            if claim.profile is not None and not experiment.is_answered_at(claim.profile):
                raise ValueError(
                    f"claim {claim.name}: expected profile {experiment.profile}, at which experiment {name} is "
                    f"answered, got {claim.profile}"
                )
            for task in claim.tasks:
                require_known(f"task of experiment {name}, of claim {claim.name}", task, experiment.tasks)
            for arm in (claim.better, claim.worse):
                require_known(f"arm of experiment {name}, of claim {claim.name}", arm, experiment.arms)
    entries = judge_filed(filed, list(benches.values()))
    for name, bench in benches.items():
        experiment = bench.grid.experiment
        if experiment.claims and experiment.name not in config_names("experiments"):
            notes.print(
                f"{name}: the claims of its own ({len(experiment.claims)}) are judged in its table (`table`), not here",
                soft_wrap=True,
            )
    return entries


def _read_benches(places: Sequence[Path], kept: Path | None, mix_releases: bool) -> "dict[str, Bench]":
    from fpt_bench.analysis.benches import Bench
    from fpt_bench.analysis.releases import require_one_release

    benches: dict[str, Bench] = {}
    read_from: dict[str, Path] = {}
    for place in dict.fromkeys(places):
        grids = read_grids(place, notes)
        folder = runs_of(next(iter(grids)))
        results, simple = read_results(folder, notes, kept), known_records(folder, notes, kept)
        for grid in grids.values():
            if not mix_releases:
                require_one_release(grid, results, folder)
            if grid.name in benches:
                raise ValueError(
                    f"expected each bench in one of {', '.join(map(str, places))}, got {grid.name} in both "
                    f"{read_from[grid.name]} and {place}: leave one of the two out"
                )
            read_from[grid.name] = place
            benches[grid.name] = Bench.of(grid, results, simple=simple)
    return benches


def _read_docket(path: Path) -> list[dict[str, object]]:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: expected a docket that `judge -o` wrote as JSON, got {error}") from error
    if not isinstance(kept, list) or not all(
        isinstance(record, dict)
        and isinstance(record.get("name"), str)
        and isinstance(record.get("bench", 0), str | None)
        for record in kept
    ):
        raise ValueError(f"{path}: expected a docket that `judge -o` wrote as JSON, got something else")
    return kept
