"""Peptides: each once, and no test peptide with kin in training."""

from importlib import metadata
from pathlib import Path

import pytest

from datamodules.contract import TEST, TRAIN, VALIDATION
from datamodules.learners import learn
from datamodules.proteins.peptides import ALIKE, WORD, PeptidesDataModule, families, read_peptides
from datamodules.proteins.protein_files import LETTERS
from datamodules.sources.packages import MissingPackageError


def test_a_peptide_in_both_classes_is_left_out_and_a_doubled_one_is_there_once(tmp_path: Path) -> None:
    path = tmp_path / "peptides.csv"
    path.write_text("5,1,UniProt,AMP\nACD, 1\nWWW, 0\nACD, 1\nKKK, 0\nKKK, 1\n")
    assert read_peptides(path) == ([("ACD", 1), ("WWW", 0)], {"repeated": 1, "in both classes": 2})


def test_kin_of_kin_are_a_family() -> None:
    assert families(["ACDEFGHIKL", "IKLACDEFWW", "WWWWWWW"]).tolist() == [0, 1, 2], "2 of 7 4-mers are less than 30 %"
    assert families(["ACDEFGHIK", "IKLACDEFW", "WWWWWWW"]).tolist() == [0, 0, 1], "2 of 6 are more"
    assert families(["ACDEFG", "CDEFGHIK", "FGHIKLMN", "GHIKWWWWWW"]).tolist() == [0, 0, 0, 1], "kin of kin"


def words(tokens: object) -> set[str]:
    peptide = "".join(LETTERS[token - 1] for token in tokens)  # type: ignore[attr-defined]
    return {peptide[i : i + WORD] for i in range(len(peptide) - WORD + 1)}


def test_no_test_peptide_has_kin_elsewhere_and_none_is_lost() -> None:
    module = PeptidesDataModule()
    sizes = {split: len(module.examples(split)) for split in (TRAIN, VALIDATION, TEST)}
    assert sum(sizes.values()) == 4620
    assert 900 <= sizes[TEST] <= 945
    assert 450 <= sizes[VALIDATION] <= 495
    assert sum(int(module.examples(split).labels.sum()) for split in sizes) == 2540
    test, others = (
        [words(tokens) for split in splits for tokens in module.examples(split).sequences]
        for splits in ((TEST,), (TRAIN, VALIDATION))
    )
    where: dict[str, list[int]] = {}
    for number, own in enumerate(others):
        for word in own:
            where.setdefault(word, []).append(number)
    for own in test:
        for number in {number for word in own for number in where.get(word, [])}:
            assert len(own & others[number]) < ALIKE * min(len(own), len(others[number]))


def test_composition_and_length_learn_more_than_a_constant() -> None:
    module = PeptidesDataModule(batch_size=16)
    learner = module.simple_learners()["logistic on composition and length"]
    assert learn(learner, module, 200) > module.floor() + 0.1


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("datamodules.sources.packages.distribution", missing)
    with pytest.raises(MissingPackageError, match="'modlamp', which carries modlamp/data/AMPvsUniProt"):
        PeptidesDataModule.choose_kind("embedded", None, offline=True)
