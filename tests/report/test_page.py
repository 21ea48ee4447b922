import base64
import copy
import hashlib
import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from made import CAST, made_bench

from acofer.errors import StoreError
from acofer.report import numerals
from acofer.report.inline_svg import drawn
from acofer.report.numbers import page_numbers
from acofer.report.page import page_html, write_page
from acofer.report.page_figures import figures_of
from acofer.report.page_tables import class_tables
from acofer.report.tables import as_csv, tables

EVIL = "</script></style><script>alert(1)</script><!-- ]]>'\"&$x_1$\x01\ud800"
FIXED = {"key", "setting", "id", "of", "minus", "status", "outcome", "kind", "axes", "protocol", "measure", "metric"}
"""Names of texts that the program itself has chosen."""
VOID = {"meta", "link", "br"}
LISTS = ("settings", "absent", "differences", "convergence", "archive", "features", "classes", "optimism", "repeat")


class Page(HTMLParser):
    """A page's elements, its tables as texts by id, and what its scripts hold."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.tables, self.scripts = [], [], {}, []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        about = dict(attributes)
        self.elements.append((tag, about))
        if tag not in VOID:
            self.open.append((tag, about))
        if tag == "table":
            self.tables[about.get("id", f"table {len(self.tables)}")] = self.rows = []
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "small" and self._is_in("tr"):
            self.rows[-1][-1] += "|"
        elif tag == "script":
            self.scripts.append("")

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open[-1][0] == tag, (tag, self.open[-3:])
        self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1][0] == "script":
            self.scripts[-1] += data
        elif (self._is_in("td") or self._is_in("th")) and ("aria-hidden", "true") not in self.open[-1][1].items():
            self.rows[-1][-1] += data

    def _is_in(self, tag):
        return any(name == tag for name, _ in self.open)

    def of(self, tag):
        return [about for name, about in self.elements if name == tag]

    def table(self, name):
        """Return the rows below the head, by setting's heading."""
        groups = {"": []}
        for row in [[cell.strip() for cell in row] for row in self.tables[f"table-{name}"]][1:]:
            if len(row) == 1:
                groups[row[0]] = []
            else:
                groups[list(groups)[-1]].append(row)
        return groups


def with_evil(value, name=None):
    if isinstance(value, dict):
        return {key: with_evil(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [with_evil(one, name) for one in value]
    return value + EVIL if isinstance(value, str) and name not in FIXED else value


def emptied(numbers):
    """Return the numbers of runs that hold nothing."""
    nothing = {name: [] for name in (*LISTS, "confusion differences", "checks", "how")}
    return {
        **numbers,
        **nothing,
        "main": {"reference": "colony", "rows": []},
        "cost": {"axes": [], "points": []},
        "audit": {"rows": [], "printed": []},
    }


@pytest.fixture(scope="module")
def numbers():
    return page_numbers([made_bench(n_test=200, seeds=(0, 1))], title="A comparison")


@pytest.fixture(scope="module")
def written(numbers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    write_page(numbers, folder / "page.html")
    return folder


@pytest.fixture(scope="module")
def few_numbers():
    few = [one for one in CAST if one.name in ("colony", "all", "mobilenetv2")]
    settings = ("demo 48x48 flattened",)
    return page_numbers([made_bench(few, n_test=100, seeds=(0, 1), settings=settings, protocols=("five-classes",))])


@pytest.fixture(scope="module")
def exported(few_numbers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("few")
    write_page(few_numbers, folder / "few.html", export=folder / "export")
    return folder


@pytest.fixture(scope="module")
def page(written):
    return Page((written / "page.html").read_text())


def shown(page, name, entries, numbers):
    """Yield each entry with its row of a table."""
    groups = page.table(name)
    for setting in numbers["settings"]:
        own = [entry for entry in entries if entry["setting"] == setting["key"]]
        rows = groups.get(setting["name"], [])
        assert len(rows) == len(own)
        for entry in own:
            found = [row for row in rows if row[0].split("|")[0] == entry["contender"]]
            assert len(found) == 1
            yield entry, found[0]


def test_the_main_table_shows_the_json(page, numbers):
    for entry, row in shown(page, "main", numbers["main"]["rows"], numbers):
        for place, measure in enumerate(("accuracy", "balanced accuracy", "macro F1"), start=2):
            mean, (low, high) = entry[measure]["mean"], entry[measure]["interval"]
            assert row[place] == f"{mean:.3f}|{low:.3f}–{high:.3f}"
        words = {"no difference": "not told apart"}
        assert row[1].endswith(words.get(entry["outcome"], entry["outcome"]))
        features = entry["features"]
        assert row[5] == ("–" if features is None else f"{features['mean']:,.0f}|of {entry['of']:,}")
        assert row[6] == ("–" if entry["parameters"] is None else f"{entry['parameters']:,.0f}")
        assert row[7] == f"{entry['multiply-adds'] / 1e6:#.3g} M"
        assert float(row[8]) == pytest.approx(entry["latency, ms"], rel=5e-3)
        for place, name in ((9, "training seconds"), (10, "search seconds")):
            written = None if row[place] == "–" else float(row[place].replace(",", ""))
            assert written == (None if entry[name] is None else pytest.approx(entry[name], rel=5e-3))


def test_the_most_accurate_stands_first(page, numbers):
    best = max(numbers["main"]["rows"], key=lambda row: row["accuracy"]["mean"])
    assert page.table("main")[numbers["settings"][0]["name"]][0][0].startswith(best["contender"])


def test_the_other_tables_show_the_json(page, numbers):
    for entry, row in shown(page, "more", numbers["main"]["rows"], numbers):
        spreads = [f"{entry[m]['sd']:.3f}" for m in ("accuracy", "balanced accuracy", "macro F1")]
        means = [f"{entry[m]['mean']:.3f}" for m in ("binary accuracy", "log-loss")]
        assert row[1:6] == [*spreads, *means]
        assert row[6] == f"{entry['without copies']['accuracy']:.3f}"
    for entry, row in shown(page, "differences", numbers["differences"], numbers):
        low, high = (f"{end:+.3f}".replace("-", "−") for end in entry["interval"])
        assert row[2].endswith(f"|{low} to {high}")
        assert row[4] == ("< 0.001" if entry["p Holm"] < 0.001 else f"{entry['p Holm']:.3f}")
        assert row[5] == "{} : {}".format(*entry["discordant"])
    for entry, row in shown(page, "optimism", numbers["optimism"], numbers):
        assert row[2:4] == [f"{entry['search score']:.3f}", f"{entry['on the test part']:.3f}"]
    for entry, row in shown(page, "features", numbers["features"], numbers):
        assert row[2].startswith(f"{entry['stability']['value']:.3f}".replace("-", "−"))
        assert row[4:] == [str(times) for times in entry["picked"]]
    for entry, row in shown(page, "classes", numbers["classes"], numbers):
        assert row[1:] == [f"{one['F1']:.3f}" for one in entry["per class"]]
    for point, row in shown(page, "cost", numbers["cost"]["points"], numbers):
        assert [cell.endswith("|front") for cell in row[2:]] == [point["front"][a] for a in numbers["cost"]["axes"]]
    values = [f"{row['value']:.3f}" for row in numbers["audit"]["rows"]]
    assert [row[3].split("|")[0] for rows in page.table("audit").values() for row in rows] == values


def test_every_contenders_confusion_is_there(page, numbers):
    plain = [rows for name, rows in page.tables.items() if name.startswith("table ")]
    confusions = [rows for rows in plain if rows[0][0] == "True"]
    assert len(confusions) == len(numbers["classes"])
    for entry, rows in zip(numbers["classes"], confusions, strict=True):
        assert [row[1:] for row in rows[1:]] == [[f"{100 * s:.0f}" for s in shares] for shares in entry["confusion"]]


def test_verdict_checks_and_commands_are_said(written, numbers):
    text = re.sub(r"<[^>]+>", "", (written / "page.html").read_text())
    text = text.replace("&#39;", "'").replace("&#34;", '"').replace("&lt;", "<").replace("&gt;", ">")
    for sentence in (*numbers["verdict"], *numbers["how"]):
        assert sentence in text
    for check in numbers["checks"]:
        assert all(words in text for words in (check["name"], check["finding"], check["to do"] or ""))
    names = {setting["key"]: setting["name"] for setting in numbers["settings"]}
    for row in numbers["main"]["rows"]:
        assert f"{row['contender']}: {names[row['setting']]}" in text
    for row in numbers["repeat"]:
        assert row["command"] in text


def test_the_json_in_the_page_is_the_json_beside_it(page, written, numbers):
    beside = json.loads((written / "page.json").read_text())
    assert json.loads(page.scripts[0]) == beside == numbers
    assert sorted(path.name for path in written.iterdir()) == ["page.html", "page.json"]


def test_nothing_comes_from_elsewhere(page, written):
    for _, about in page.elements:
        for name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
            assert about.get(name, "#").startswith(("#", "data:"))
        assert all(not name.startswith("on") for name in about)
    without_files = re.sub(r'href="data:[^"]*"', "", (written / "page.html").read_text())
    assert not re.search(r"https?://|@import|url\((?!#)", without_files)


def test_the_policy_lets_only_the_own_script_run(page):
    policy = next(a["content"] for a in page.of("meta") if a.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert len(page.scripts) == 2
    expected = base64.b64encode(hashlib.sha256(page.scripts[1].encode()).digest()).decode()
    assert rules["script-src"] == f"'sha256-{expected}'"
    assert {rules[name] for name in rules if name not in ("script-src", "style-src")} == {"'none'", "data:"}


def test_figures_have_words_and_names_of_their_own(page):
    identities = [about["id"] for _, about in page.elements if "id" in about]
    assert len(identities) == len(set(identities))
    pictures = page.of("svg")
    assert len(pictures) >= 8
    for picture in pictures:
        assert picture["role"] == "img"
        assert set(picture["aria-labelledby"].split()) <= set(identities)
    used = [about["href"][1:] for about in [*page.of("use"), *page.of("a")] if about.get("href", "").startswith("#")]
    assert used
    assert set(used) <= set(identities)


def test_tables_and_headings_can_be_walked_by_ear(page):
    names = [name for name, _ in page.elements]
    assert names.count("caption") == names.count("table") > 10
    assert all(about.get("scope") in ("col", "row", "rowgroup") for about in page.of("th"))
    levels = [int(name[1]) for name in names if re.fullmatch("h[1-6]", name)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert {"header", "main", "nav", "footer"} <= set(names)
    assert len([about for about in page.of("th") if about.get("aria-sort") == "descending"]) == 1


def test_links_hold_the_files(exported, few_numbers):
    page = Page((exported / "few.html").read_text())
    links = {about["download"]: about["href"] for about in page.of("a") if "download" in about}
    kind, _, content = links["main.csv"].partition(",")
    assert kind == "data:text/csv;charset=utf-8"
    assert unquote(content) == as_csv(*tables(few_numbers)["main"])
    for name in ("differences.tex", "audit.md"):
        assert unquote(links[name].partition(",")[2]) == (exported / "export" / name).read_text()
    pictures = [name for name in links if name.endswith(".svg")]
    assert len(pictures) == len(figures_of(few_numbers))
    for name in pictures:
        picture = unquote(links[name].partition(",")[2])
        assert picture == (exported / "export" / name).read_text()
        assert "{http://www.w3.org/2000/svg}text" in {one.tag for one in ElementTree.fromstring(picture).iter()}


def test_exports_are_whole(exported, few_numbers):
    names = {path.name for path in (exported / "export").iterdir()}
    figures = {f"{figure.name}.{kind}" for figure in figures_of(few_numbers) for kind in ("svg", "png", "pdf")}
    assert names == figures | {f"{name}.{kind}" for name in tables(few_numbers) for kind in ("csv", "md", "tex")}
    assert (exported / "export/cost.pdf").read_bytes().startswith(b"%PDF")
    assert (exported / "export/cost.png").read_bytes().startswith(b"\x89PNG")


def test_figures_draw_the_numbers(numbers):
    from matplotlib.figure import Figure

    setting = numbers["settings"][0]["key"]
    figures = {figure.name: figure for figure in figures_of(numbers)}

    def lines(name):
        canvas = Figure()
        figures[name].draw(canvas)
        return [[list(map(float, line.get_xdata())) for line in axes.get_lines()] for axes in canvas.axes]

    differences = [entry for entry in numbers["differences"] if entry["setting"] == setting]
    found = lines("differences-1-demo-48x48-flattened")[0]
    for entry in differences:
        assert [entry["difference"]] in found
        assert entry["interval"] in found
    costs = lines("cost-1-demo-48x48-flattened")
    points = [point for point in numbers["cost"]["points"] if point["setting"] == setting]
    for axis, found in zip(numbers["cost"]["axes"], costs, strict=True):
        front = sorted(point["x"][axis] for point in points if point["front"][axis])
        assert found[0] == front
        assert all([point["x"][axis]] in found for point in points if point["x"][axis] is not None)
    curves = [entry for entry in numbers["convergence"] if entry["setting"] == setting]
    for entry, found in zip(curves, lines("convergence-1-demo-48x48-flattened"), strict=True):
        assert all(curve["evaluations"] in found for curve in entry["curves"])


def test_hostile_names_do_nothing(few_numbers, tmp_path, recwarn):
    worse = with_evil(few_numbers)
    write_page(worse, tmp_path / "page.html", export=tmp_path / "export")
    page = Page((tmp_path / "page.html").read_text())
    assert len(page.scripts) == 2
    assert json.loads(page.scripts[0]) == json.loads((tmp_path / "page.json").read_text()) == worse
    assert "alert" not in page.scripts[1]
    assert [name for name, _ in page.elements].count("style") == 1
    assert not any("alert" in name or name.startswith("on") for _, about in page.elements for name in about)
    assert page.tables["table-main"][1][0].startswith("mobilenetv2</script></style><script>alert(1)")
    for path in (tmp_path / "export").glob("*.svg"):
        assert not [one for one in ElementTree.parse(path).iter() if one.tag.endswith("script")]
    assert not recwarn.list


def test_a_made_bench_is_a_small_page(tmp_path):
    write_page(page_numbers([made_bench()]), tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size < 2_000_000


def test_the_same_numbers_give_the_same_page(written, numbers, tmp_path):
    write_page(numbers, tmp_path / "page.html")
    assert (tmp_path / "page.html").read_bytes() == (written / "page.html").read_bytes()


def test_empty_parts_say_why_and_what_to_run(numbers):
    empty = emptied(numbers)
    assert figures_of(empty) == []
    text = page_html(empty, [])
    reasons = re.findall('<p class="empty">(.*?)</p>', text)
    assert len(reasons) == 10  # one a part, and the data that was compared on
    assert sum("acofer " in reason for reason in reasons) == 9


def test_one_setting_needs_no_headings(exported):
    page = Page((exported / "few.html").read_text())
    assert list(page.table("main")) == [""]
    assert {about["id"] for about in page.of("figure")} >= {"figure-differences", "figure-cost", "figure-audit"}
    assert (exported / "few.json").exists()


def test_subsets_of_many_sizes_have_a_front(numbers):
    entry = copy.deepcopy(numbers["archive"][0])
    entry["scored"] = [[size, 1 / size, size % 3 == 0] for size in range(10, 60)]
    entry["front"], entry["chosen"] = [[10, 0.1], [30, 1 / 30], [59, 1 / 59]], [59, 1 / 59]
    names = [figure.name for figure in figures_of({**numbers, "archive": [entry]})]
    assert "archive-1-demo-48x48-flattened" in names
    assert not any(name.startswith("archive-one-size") for name in names)
    figure = next(f for f in figures_of({**numbers, "archive": [entry]}) if f.name.startswith("archive"))
    assert "59 features 0.017" in figure.description


def test_layers_stand_below_each_other(numbers):
    entry = copy.deepcopy(numbers["features"][0])
    layer = entry["layers"][0]
    entry["layers"] = [{**layer, "layer": name, "places": [[1.0, 2.5], [0.0, 3.0]]} for name in ("early", "late")]
    from matplotlib.figure import Figure

    figure = next(f for f in figures_of({**numbers, "features": [entry, entry]}) if f.name.startswith("places"))
    canvas = Figure()
    figure.draw(canvas)
    titles = [axes.get_title().split("\n")[1].split(":")[0] for axes in canvas.axes]
    assert titles == ["early", "late"] * 2
    assert [text.get_text() for text in canvas.axes[0].texts] == ["1", "2.5", "0", "3"]


def test_what_is_many_is_a_picture_within_the_figure(few_numbers):
    """Maps of 24 x 24 places and archives of thousands of subsets would weigh megabytes as shapes."""
    feature, archive = copy.deepcopy(few_numbers["features"][0]), copy.deepcopy(few_numbers["archive"][0])
    feature["layers"][0]["places"] = [[float(i + j) for j in range(24)] for i in range(24)]
    archive["scored"] = [[10 + i % 90, 1.5 + 0.001 * i, False] for i in range(2000)]
    figures = figures_of({**few_numbers, "features": [feature], "archive": [archive]})
    for name in ("places", "archive"):
        picture = drawn(next(figure for figure in figures if figure.name == name))
        assert 'href="data:image/png;base64,' in picture.inline
        assert len(picture.svg) < 100_000


def test_many_classes_need_no_endless_page(few_numbers):
    entry = copy.deepcopy(few_numbers["classes"][0])
    one = entry["per class"][0]
    assert len(class_tables(entry)) == 2
    entry["per class"] = [{**one, "class": str(i)} for i in range(21)]
    assert len(class_tables(entry)) == 1


def test_a_page_that_cannot_be_written_is_one_line(numbers, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        write_page(emptied(numbers), tmp_path / "taken" / "page.html")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (numerals.rate(0.43651), "0.437"),
        (numerals.rate(None), "–"),
        (numerals.rate(-0.0421), "−0.042"),
        (numerals.rate_range([0.4, 0.5]), "0.400–0.500"),
        (numerals.rate_range(None), ""),
        (numerals.signed(0.012), "+0.012"),
        (numerals.signed(-0.0124), "−0.012"),
        (numerals.signed(-0.0001), "−0.000"),  # which side of 0 an interval ends on is what is asked
        (numerals.signed_range([-0.01, 0.02]), "−0.010 to +0.020"),
        (numerals.probability(0.00099), "< 0.001"),
        (numerals.probability(0.05), "0.050"),
        (numerals.count(5120), "5,120"),
        (numerals.count(64.00000000000001), "64"),
        (numerals.count(18.67), "18.7"),
        (numerals.large(2_257_984), "2.26 M"),
        (numerals.large(12_900_000_000), "12.9 G"),
        (numerals.large(290_263), "290,263"),
        (numerals.measure(0.0512), "0.0512"),
        (numerals.measure(4.2), "4.20"),
        (numerals.measure(1234.5), "1,234"),
        (numerals.measure(0), "0"),
        (numerals.percent(0.437), "44"),
        (numerals.signed_percent(-0.19), "−19"),
        (numerals.signed_percent(0.004), "0"),
    ],
)
def test_numbers_are_written_as_read(written, expected):
    assert written == expected
