"""The docket: claims on file, one a file in configs/claims, and the experiments whose runs judge them."""

import functools
from pathlib import Path

from pydantic import Field, model_validator

from fpt_bench.config.claims import Claim
from fpt_bench.config.yaml_files import CONFIGS, load


class FiledClaim(Claim):
    """A claim with a name, the file's, and what is needed to judge it."""

    name: str
    experiments: tuple[str, ...] = Field(
        (), description="those whose runs judge it; of several, the first that has any"
    )
    profile: str | None = Field(
        None, description="the one whose runs alone judge it, such as that of published sizes; none: any does"
    )
    open_because: str = Field(
        "", description="why no run here judges it; of claims that name no experiment, or a profile that needs more"
    )

    @model_validator(mode="after")
    def _can_be_run_or_says_why_not(self) -> "FiledClaim":
        says_why, elsewhere = bool(self.open_because.strip()), self.profile is not None
        if not (self.experiments or says_why) or (self.experiments and says_why and not elsewhere):
            raise ValueError(
                "expected `experiments` that judge it, or `open_because`, why none here can; one of the two, or both "
                "beside a `profile`"
            )
        if elsewhere and not self.experiments:
            raise ValueError("expected `profile` beside `experiments`, whose runs at it judge the claim")
        return self

    @property
    def claim(self) -> Claim:
        """Return what is claimed, whose hash a bench registers, without what is only said of the file."""
        return Claim.model_validate(self.model_dump(include=set(Claim.model_fields)))


@functools.cache
def filed_claims(folder: Path = CONFIGS / "claims") -> tuple[FiledClaim, ...]:
    """Return the claims of a folder, sorted by name; none where there is no folder.

    Raises:
        ValueError: a mistake in a file, two claims of one name, or one claim under two names.
    """
    by_name: dict[str, Path] = {}
    by_hash: dict[str, str] = {}
    found = []
    for path in sorted((*folder.glob("*.yaml"), *folder.glob("*.yml"))):
        if path.stem in by_name:
            raise ValueError(f"{path}: expected one claim of a name, got {by_name[path.stem].name} and {path.name}")
        by_name[path.stem] = path
        filed = load(FiledClaim, path)
        if (other := by_hash.setdefault(filed.claim.hash, filed.name)) != filed.name:
            raise ValueError(
                f"{path}: expected each claim once, got the one of {other} again; name both experiments there"
            )
        found.append(filed)
    return tuple(sorted(found, key=lambda filed: filed.name))


def claims_on(experiment: str, profile: str | None = None, folder: Path = CONFIGS / "claims") -> tuple[Claim, ...]:
    """Return the claims on file that an experiment's runs judge at a profile, by its name; none: at any, by name."""
    filed = (filed for filed in filed_claims(folder) if experiment in filed.experiments)
    return tuple(each.claim for each in filed if each.profile in (None, profile))
