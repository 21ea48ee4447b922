"""The page in a real Chromium, with the network off."""

import json
import re
import shutil
from pathlib import Path

import pytest
from made import made_bench

from acofer.report.numbers import page_numbers
from acofer.report.page import write_page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.xdist_group("browser")

TEXTS = (
    *("body", ".verdict", "small", "#theme", "nav a", "caption", "figcaption", "th button", ".reference small"),
    *(
        "summary",
        ".badge.pass",
        ".badge.warn",
        ".todo",
        "footer",
        "pre",
        "tbody th",
        ".better",
        ".worse",
        "figure svg text",
    ),
)
LEAST_CONTRAST = 4.5
"""Of body text: WCAG 2.2, success criterion 1.4.3."""
COLOURS = """selector => {
    const element = document.querySelector(selector), style = getComputedStyle(element);
    let ground = element;
    while (getComputedStyle(ground).backgroundColor === "rgba(0, 0, 0, 0)") ground = ground.parentElement;
    return [selector.endsWith("text") ? style.fill : style.color, getComputedStyle(ground).backgroundColor];
}"""


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as driver:
        own = driver.chromium.executable_path
        found = shutil.which("chromium") or shutil.which("chromium-browser") or (own if Path(own).exists() else None)
        if found is None:
            pytest.skip(
                "no Chromium: neither chromium on the path nor one of playwright's (playwright install chromium)"
            )
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    place = tmp_path_factory.mktemp("page") / "page.html"
    numbers = page_numbers([made_bench(seeds=(0, 1))])
    numbers["title"] = (
        "<script>document.title = 'caught'</script><img src=http://127.0.0.1/x onerror=document.title='caught'>"
    )
    write_page(numbers, place)
    return place


@pytest.fixture
def visit(chromium, written):
    """Return a function that opens the page; in the end no request, no error and no warning may have come of it."""
    contexts, requests, complaints = [], [], []

    def open_page(**settings):
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **settings})
        contexts.append(context)
        context.set_offline(True)
        page = context.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(written.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert {url for url in requests if not url.startswith("data:")} == {written.as_uri()}


@pytest.fixture
def numbers(written):
    return json.loads(written.with_suffix(".json").read_text())


def contenders(page):
    """Return the first cells of each group of the main table, in order."""
    return page.evaluate(
        """[...document.querySelectorAll("#table-main tbody")].map(body => [...body.rows]
            .filter(row => !row.classList.contains("group")).map(row => row.cells[0].firstChild.textContent))"""
    )


def expected(numbers, key, *, is_down):
    """Return the contenders of each setting in the order of a number; those without it last."""
    orders = []
    for setting in numbers["settings"]:
        own = [row for row in numbers["main"]["rows"] if row["setting"] == setting["key"]]
        known = sorted((row for row in own if key(row) is not None), key=key, reverse=is_down)
        orders.append([key(row) for row in known] + [None for row in own if key(row) is None])
    return orders


def values(page, numbers, key):
    """Return the number of each row of the main table, as it stands in the JSON."""
    by_name = {(row["setting"], row["contender"]): key(row) for row in numbers["main"]["rows"]}
    keys = [setting["key"] for setting in numbers["settings"]]
    return [[by_name[setting, name] for name in group] for setting, group in zip(keys, contenders(page), strict=True)]


def features(row):
    return None if row["features"] is None else row["features"]["mean"]


def accuracy(row):
    return row["accuracy"]["mean"]


def head(page, words):
    return page.locator("#table-main thead th", has_text=words).first


def test_it_opens_without_network_and_holds_its_json(visit, numbers):
    page = visit()
    assert json.loads(page.evaluate("document.getElementById('numbers').textContent")) == numbers
    assert page.title() == numbers["title"]  # the title tried to be a script
    assert page.locator("h1").inner_text() == numbers["title"]
    assert page.locator(".verdict").all_inner_texts() == numbers["verdict"]
    shown = page.locator("#table-main tbody tr:not(.group) td:nth-child(3)").all_inner_texts()
    texts = [f"{accuracy(row):.3f}" for row in numbers["main"]["rows"]]
    assert sorted(text.split()[0] for text in shown) == sorted(texts)


def test_a_click_sorts(visit, numbers):
    page = visit()
    assert values(page, numbers, accuracy) == expected(numbers, accuracy, is_down=True)
    assert head(page, "Accuracy").get_attribute("aria-sort") == "descending"
    head(page, "Accuracy").locator("button").click()
    assert values(page, numbers, accuracy) == expected(numbers, accuracy, is_down=False)
    assert head(page, "Accuracy").get_attribute("aria-sort") == "ascending"
    head(page, "Features").locator("button").click()
    assert values(page, numbers, features) == expected(numbers, features, is_down=True)
    assert head(page, "Features").get_attribute("aria-sort") == "descending"
    assert page.locator("#table-main th[aria-sort]").count() == 1
    assert page.locator("#spoken").inner_text() == "Sorted by Features, descending"


def test_the_keyboard_sorts(visit):
    page = visit()
    head(page, "Contender").locator("button").focus()
    page.keyboard.press("Enter")
    assert contenders(page) == [sorted(group) for group in contenders(page)]
    assert head(page, "Contender").get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Space")
    assert contenders(page) == [sorted(group, reverse=True) for group in contenders(page)]
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent").startswith("Against the reference")


def luminance(colour):
    """Relative luminance (WCAG 2.2)."""
    shares = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(colour, ground):
    lighter, darker = sorted((luminance(colour), luminance(ground)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_that_of_the_standard():
    assert contrast("rgb(0, 0, 0)", "rgb(255, 255, 255)") == pytest.approx(21)
    assert contrast("rgb(118, 118, 118)", "rgb(255, 255, 255)") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_read_in_light_and_dark(visit, scheme):
    page = visit(color_scheme=scheme)
    for selector in TEXTS:
        assert page.locator(selector).count(), selector
        colour, ground = page.evaluate(COLOURS, selector)
        assert contrast(colour, ground) >= LEAST_CONTRAST, (selector, colour, ground)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (luminance(ground) < 0.1) == (scheme == "dark")


def test_the_switch_chooses_and_is_remembered(visit):
    page = visit(color_scheme="light")
    switch = page.locator("#theme")
    grounds = []
    for words in ("system", "light", "dark"):
        assert switch.inner_text() == f"Theme: {words}"
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        switch.click()
    assert switch.inner_text() == "Theme: system"
    assert [luminance(ground) > 0.5 for ground in grounds] == [True, True, False]
    switch.click()
    page.reload()
    assert switch.inner_text() == "Theme: light"


def test_a_phone_scrolls_tables_and_not_the_page(visit):
    page = visit(viewport={"width": 320, "height": 640})
    for details in page.locator("details").all():
        details.evaluate("element => element.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    width, box = page.evaluate("[...['#table-main', '.scroll']].map(s => document.querySelector(s).offsetWidth)")
    assert width > box
    assert page.locator(".scroll").first.get_attribute("tabindex") == "0"


def test_the_first_screen_holds_verdict_and_winner(visit):
    page = visit()  # 1280 x 800
    for selector in (".verdict.second", "#table-main tbody tr:not(.group)"):
        box = page.locator(selector).first.bounding_box()
        assert box["y"] + box["height"] <= 800


def test_paper_is_white_and_without_buttons(visit):
    page = visit(color_scheme="dark", viewport={"width": 700, "height": 1000})
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for selector in ("nav", "#theme", ".downloads"):
        assert not page.locator(selector).first.is_visible()
    assert page.locator("#table-main").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 700
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_figures_show_their_words_and_can_be_saved(visit, tmp_path):
    page = visit(accept_downloads=True)
    assert "genetic-algorithm" in page.locator("#figure-cost-1-demo-48x48-flattened svg").inner_html()
    for link in ("figcaption a", ".downloads a"):
        with page.expect_download() as waiting:
            page.locator(link).first.click()
        waiting.value.save_as(tmp_path / waiting.value.suggested_filename)
    saved = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert saved["main.csv"].startswith("setting,contender")
    assert saved["differences-1-demo-48x48-flattened.svg"].startswith("<?xml")
