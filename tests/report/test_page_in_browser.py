"""The report in a real browser: sort, follow a link, toggle an arm; nothing fetched, nothing wider than the window."""

import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from rich.console import Console

from fpt_bench.report.page.report_page import build_report
from tests.made_up_bench import made_up_bench, write_bench

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no browser is driven")
# One browser, so one process that drives it.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

COST = "Convergence and cost"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_api.sync_playwright() as driver:
        path = found or driver.chromium.executable_path
        if not Path(path).is_file():
            pytest.skip("no Chromium is installed: `playwright install chromium` gets one")
        # Chromium refuses its own sandbox to root, whom containers often run as.
        chromium = driver.chromium.launch(executable_path=path, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("browser")
    names = {"full": "<img src=x onerror=alert(1)>"}
    runs = write_bench(folder / "runs", *made_up_bench(rates=(1e-3, 1e-2), seeds=(0, 1), names=names))
    build_report(runs, folder / "report.html", Console(quiet=True))
    return (folder / "report.html").as_uri()


class Visit:
    """A page that is open, with what it said and asked for."""

    def __init__(self, browser: Any, url: str, width: int = 1280, scheme: Literal["light", "dark"] = "light") -> None:
        self.said: list[str] = []
        self.requests: list[str] = []
        self.page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(url)

    def table(self, caption: str) -> Any:
        return self.page.get_by_role("table", name=caption)

    def column(self, caption: str, number: int) -> list[str]:
        cells: list[str] = self.table(caption).locator(f"tbody td:nth-child({number})").all_inner_texts()
        return cells


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_its_window_and_fetches_nothing(
    browser: Any, report: str, width: int, scheme: Literal["light", "dark"]
) -> None:
    visit = Visit(browser, report, width, scheme)
    visit.page.locator(".open-all").click()
    wide = visit.page.evaluate(
        """() => [...document.querySelectorAll("body *")].filter((element) => !element.closest(".scroll, svg, .skip")
        && element.getBoundingClientRect().right > innerWidth + 1).map((element) => element.outerHTML.slice(0, 80))"""
    )
    assert wide == []
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    assert [url for url in visit.requests if not url.startswith("data:")] == [report]
    assert visit.said == []
    ground = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(ground[4:].partition(",")[0]) < 128) is (scheme == "dark")


def test_a_column_sorts_by_its_numbers_from_the_keyboard(browser: Any, report: str) -> None:
    visit = Visit(browser, report)
    header = visit.table(COST).get_by_role("columnheader", name="steps to target")
    place = 1 + header.evaluate("cell => cell.cellIndex")
    header.get_by_role("button").focus()
    visit.page.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "ascending"
    steps = [text.split()[0] for text in visit.column(COST, place)]
    reached = [int(text) for text in steps if not text.startswith(">")]
    assert reached == sorted(reached)
    assert all(text.startswith(">") for text in steps[len(reached) :]), "what was not reached comes last"
    visit.page.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "descending"
    assert visit.column(COST, place)[0].startswith(">")
    assert visit.said == []


def test_a_link_opens_its_run(browser: Any, report: str) -> None:
    visit = Visit(browser, report)
    link = visit.table("Every run that is over").locator("tbody a").first
    target = visit.page.locator(link.get_attribute("href").replace(".", "\\."))
    assert target.get_attribute("open") is None
    link.click()
    command = target.locator(".command")
    command.wait_for(state="visible")
    assert command.inner_text().startswith("python -m fpt_bench run --task bit-memory")
    assert command.is_visible()
    assert visit.said == []


def test_an_arm_can_be_left_out_of_tables_and_figures(browser: Any, report: str) -> None:
    visit = Visit(browser, report)
    rows, arm = visit.page.locator("tbody tr:visible"), visit.page.get_by_role("checkbox", name="random")
    displays = "[...document.querySelectorAll('svg .arm-1')].map((mark) => getComputedStyle(mark).display)"
    before, own = rows.count(), visit.page.locator("tbody tr.arm-1:visible").count()
    assert own
    assert "none" not in visit.page.evaluate(displays)
    arm.uncheck()
    assert rows.count() == before - own, "rows of claims and simple learners stay"
    assert set(visit.page.evaluate(displays)) == {"none"}
    arm.check()
    assert rows.count() == before
    assert "none" not in visit.page.evaluate(displays)


def test_a_name_with_markup_stays_text(browser: Any, report: str) -> None:
    visit = Visit(browser, report)
    assert visit.page.get_by_role("checkbox", name="<img src=x onerror=alert(1)>").is_visible()
    assert visit.page.locator("img").count() == 0


def test_it_prints_in_ink_on_paper_even_from_a_dark_screen(browser: Any, report: str) -> None:
    visit = Visit(browser, report, scheme="dark")
    visit.page.emulate_media(media="print")
    assert visit.page.evaluate("getComputedStyle(document.body).color") == "rgb(27, 27, 26)"
    assert not visit.page.locator(".toggles").is_visible()


def test_readers_of_a_screen_get_headings_names_and_a_skip_link(browser: Any, report: str) -> None:
    visit = Visit(browser, report)
    levels = visit.page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map((h) => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), "no level is skipped"
    figures = visit.page.get_by_role("img").all()
    assert len(figures) >= 5
    assert all("mnist† language" in (figure.get_attribute("aria-label") or "") for figure in figures[:2])
    visit.page.keyboard.press("Tab")
    assert visit.page.evaluate("document.activeElement.className") == "skip"
