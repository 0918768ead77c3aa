"""Every link in the pages leads somewhere: to a file that is there, and to a heading that the file has."""

import re
from pathlib import Path

import pytest

from tests.paths import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"(?:\]\(|\bsrc=\")([^)\s\"]+)[)\"]")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return what a page's headings are called in links to them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


def broken(page: Path) -> list[str]:
    """Return the links of a page that lead nowhere; those out of the checkout are not tried."""
    wrong = []
    for link in LINK.findall(CODE.sub("", page.read_text())):
        place, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", place):
            continue
        target = (page.parent / place).resolve() if place else page
        is_there = target.exists() and target.is_relative_to(ROOT)
        if not is_there or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            wrong.append(link)
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_a_broken_link_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.test_links.ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(
        "# A heading, of sorts\n[a](gone.md) [b](#a-heading-of-sorts) [c](#no) `[d](code.md)` "
        '[e](../out.md) <img src="no.png">'
    )
    (tmp_path.parent / "out.md").touch()
    assert broken(page) == ["gone.md", "#no", "../out.md", "no.png"]
