"""The pages in a real browser, before real services: what is shown is what the model answers, whatever happens."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from {{ cookiecutter.project_slug }}.inference.batch import score
from {{ cookiecutter.project_slug }}.inference.engine import Engine

from tests.dashboard_world import KEY, ODD, RECORD, World, cells, enter, price, shows, table
from tests.dashboards import HTML, browser, chosen, dashboard, page_object
from tests.project import make_project
from tests.servables import CITY

pytestmark = pytest.mark.slow
SHOTS = os.environ.get("SCREENSHOTS")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, chromium: Any) -> Iterator[World]:
    del chromium  # without one there is nothing to start
    made = World(make_project(tmp_path_factory.mktemp("world") / "project"))
    try:
        yield made
    finally:
        made.end()


@pytest.fixture(scope="module")
def url(world: World) -> Iterator[str]:
    overrides = [f"dashboard.api={world.url('prod')}", f"dashboard.staging_api={world.url('staging')}"]
    patience = ["dashboard.refresh_seconds=2", "dashboard.timeout_seconds=60"]
    with dashboard(world.project, *overrides, *patience, DASHBOARD_API_KEY=KEY) as address:
        yield address


@pytest.fixture
def pages(chromium: Any, url: str) -> Iterator[Any]:
    opened = page_object()(chromium, url)
    yield opened
    opened.page.context.close()
    assert opened.dialogs == []
    assert opened.foreign == []


def shoot(pages: Any) -> None:
    """Keep a picture where one is wanted."""
    if SHOTS:
        pages.page.wait_for_timeout(1000)  # until the plot has drawn itself
        pages.page.screenshot(path=Path(SHOTS) / f"dashboard-{chosen().removesuffix('_app')}.png")


def test_predictions_and_what_if(pages: Any) -> None:
    pages.sees("Predicts price (k$) from 6 columns")
    pages.sees("version 1")
    enter(pages)
    pages.press("Predict")
    shows(pages, price(RECORD))
    pages.sees(f"price lies between {price(RECORD, age=18):.5g} k$ (at 18) and {price(RECORD, age=90):.5g} k$ (at 90).")
    line = pages.plot()
    shoot(pages)
    pages.choose("Vary this column, leave the others as they are", CITY)
    pages.sees(
        f"price lies between {price(RECORD, **{CITY: None}):.5g} k$ (at (missing)) and {price(RECORD, **{CITY: 'true'}):.5g} k$"
    )
    assert pages.plot() != line
    pages.clear("income ($)")
    pages.choose(CITY, "☂ <b>neu</b>")
    pages.press("Predict")
    shows(pages, price(RECORD, income=None, **{CITY: "☂ neu"}))
    pages.choose(CITY, HTML)
    pages.press("Predict")
    shows(pages, price(RECORD, income=None, **{CITY: HTML}))
    assert pages.page.locator("img[src=x]").count() == 0


def test_words_of_a_refusal(pages: Any) -> None:
    pages.clear("age (years) *")
    pages.press("Predict")
    pages.sees("column 'age' may not be missing")
    pages.fill("age (years) *", "41.5")
    pages.fill("seen at", "gestern")
    pages.press("Predict")
    pages.sees("column 'seen at' must be an ISO 8601 time or seconds since 1970 (UTC)")
    pages.loses("column 'age' may not be missing")
    pages.fill("seen at", "2020-09-13T12:26:40Z")
    pages.press("Predict")
    shows(pages, price())


def test_a_table(pages: Any, world: World, tmp_path: Path) -> None:
    path = table(tmp_path / "größen.csv")
    pages.open("Score a table")
    pages.upload(path)
    pages.sees("10 rows scored")
    pages.sees("2 rows rejected")
    got, original = cells(pages.download("Download predictions")), cells(path.read_bytes())
    score(Engine(world.folders[0]), path, tmp_path / "scored.csv", 1000)
    want = cells((tmp_path / "scored.csv").read_bytes())
    assert list(got) == [*original, "price_prediction"]
    assert got["price_prediction"] == want["price_prediction"]
    kept = [row for row, key in enumerate(original["id"]) if key not in (HTML, "☂")]
    for name in original.keys() - {"age"}:
        assert got[name] == [original[name][row] for row in kept], name
    assert got["age"] == [float(original["age"][row]) for row in kept]  # "old" makes it text in the original
    assert pages.download("Download rejected rows") == (tmp_path / "scored.rejects.csv").read_bytes()
    assert pages.page.locator("img[src=x]").count() == 0
    (tmp_path / "wrong.csv").write_text("age\n1\n")
    pages.upload(tmp_path / "wrong.csv")
    pages.sees("wrong.csv: missing columns: 'rooms per house', 'is.new', 'seen at'")
    pages.loses("10 rows scored")


def test_what_is_served(pages: Any, world: World) -> None:
    pages.open("Model")
    pages.sees("5.25")
    pages.sees(world.versions[0].run_id)
    pages.sees("models:/house@prod")
    pages.sees("Version 1 to prod, asked by CI (woodpecker) at 2026-01-02 03:04 UTC")
    pages.sees(ODD)
    pages.sees("switched off in the configuration")


def test_two_services(pages: Any, tmp_path: Path) -> None:
    pages.press("Predict")
    shows(pages, price())
    pages.open("Score a table")
    pages.upload(table(tmp_path / "a.csv"))
    pages.sees("10 rows scored")
    pages.open("Compare")
    pages.sees("prod, version 1")
    pages.sees("staging, version 2")
    pages.sees(f"{price() + 3:.5g} k$")
    pages.sees("+3 k$")
    pages.sees("\N{MINUS SIGN}0.75")
    pages.press("Compare the table")
    pages.sees("rows that both answered")
    pages.sees("price: largest absolute difference")
    got = cells(pages.download("Download differences"))
    assert sorted(got["row"]) == [0, 1, 2, 3, 4, 7, 8, 9, 10, 11]
    apart = np.array(got["price_prediction_second"]) - np.array(got["price_prediction_first"])
    np.testing.assert_allclose(apart, got["price_difference"], atol=1e-6)
    np.testing.assert_allclose(apart, 3.0, rtol=1e-6)


def test_users_do_not_see_each_other(pages: Any, chromium: Any, url: str, tmp_path: Path) -> None:
    other = page_object()(chromium, url)
    other.fill("age (years) *", "77")
    pages.fill("age (years) *", "30.5")
    pages.press("Predict")
    shows(pages, price(age=30.5))
    other.sees("Fill in the form and press Predict.")
    other.holds("age (years) *", "77")
    pages.holds("age (years) *", "30.5")
    pages.open("Score a table")
    pages.upload(table(tmp_path / "a.csv"))
    pages.sees("10 rows scored")
    other.open("Score a table")
    other.sees("A CSV or Parquet file with the model's columns.")
    other.loses("rows scored")
    other.open("Compare")
    other.sees("Predict a row first")
    other.sees("Upload a table first")
    other.page.context.close()


def test_on_a_narrow_window(chromium: Any, url: str) -> None:
    narrow = page_object()(chromium, url, 400)
    narrow.press("Predict")
    shows(narrow, price())
    widths = narrow.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert widths[0] <= widths[1]
    narrow.page.context.close()


def test_a_wrong_key(chromium: Any, world: World) -> None:
    # pragma: allowlist nextline secret
    with dashboard(world.project, f"dashboard.api={world.url('prod')}", DASHBOARD_API_KEY="wrong") as address:
        pages = page_object()(chromium, address)
        pages.sees("refuses the key in DASHBOARD_API_KEY: set DASHBOARD_API_KEY to one that it knows, and start anew")
        assert "wrong" not in pages.page.content().replace("something went wrong", "")
        pages.page.context.close()


def test_the_service_goes_and_returns(pages: Any, world: World) -> None:
    pages.press("Predict")
    shows(pages, price())
    pages.open("Score a table")
    picker = pages.page.locator("input[type=file]").element_handle()
    before = world.services["prod"]
    before.end(signal.SIGKILL)
    pages.sees("cannot be reached: is it running, and dashboard.api its address?")
    assert picker.evaluate("node => node.isConnected"), "an upload on its way would be lost"
    pages.open("Predict")
    pages.press("Predict")
    pages.sees("does not answer")
    pages.page.get_by_text(f"{price():.5g} k$").first.wait_for(state="detached")
    world.services["prod"] = world.start("prod", before.port).listening()
    pages.page.get_by_text("cannot be reached").first.wait_for(state="detached")
    pages.press("Predict")
    shows(pages, price())


def test_a_swap_is_shown(pages: Any, world: World) -> None:
    pages.fill("age (years) *", "30.5")
    pages.press("Predict")
    shows(pages, price(age=30.5))
    world.move("prod", world.versions[1])
    pages.sees("prod, version 2 answers now; it was prod, version 1")
    pages.holds("age (years) *", "30.5")
    pages.press("Predict")
    shows(pages, price(age=30.5) + 3)
    assert re.search("Answered by prod, version 2", pages.page.locator("body").inner_text())
