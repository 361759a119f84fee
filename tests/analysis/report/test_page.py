import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from analysis.report.build import write_html
from analysis.report.page import Cell, Page, Section, Table, listed, render
from analysis.report.svg import inline
from experiments.paths import REPOSITORY

EVIL = "<script>alert('x')</script>&\"$"


class Outline(HTMLParser):
    """Elements of a page with their attributes, in order."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def all(self, *tags):
        return [attrs for tag, attrs in self.elements if tag in tags]


_written = []


@pytest.fixture
def html(made):
    """The made study's page, written once: it is the same wherever the study lies."""
    if not _written:
        _written.append(write_html(made).read_text())
    return _written[0]


def test_order_of_the_page(html):
    outline = Outline(html)
    headings = [tag for tag, _ in outline.elements if re.fullmatch("h[1-6]", tag)]
    assert headings == ["h1"] + ["h2"] * 14
    assert [attrs["id"] for attrs in outline.all("section")] == [
        "verdict", "targets", "certainty", "effects", "shapley", "synergy", "learning", "kept", "exhibits", "monitoring", "alarms",
        "unfinished", "environment", "reproduce",
    ]  # fmt: skip


def test_a_reader_with_a_screen_reader_or_a_keyboard_finds_the_way(html):
    outline = Outline(html)
    assert outline.all("html")[0]["lang"] == "en"
    ids = [attrs["id"] for _, attrs in outline.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = [attrs["href"] for attrs in outline.all("a")]
    assert links[0] == "#verdict"  # the skip link comes first
    assert {link.removeprefix("#") for link in links} <= set(ids)
    assert len(outline.all("table")) == len(outline.all("caption")) > 10
    assert all(attrs.get("scope") in ("col", "row") for attrs in outline.all("th"))
    for attrs in outline.all("div"):
        if attrs.get("class") == "scroll":
            assert attrs["tabindex"] == "0" and attrs["role"] == "region"
            assert attrs.get("aria-label") or attrs["aria-labelledby"] in ids
    # Bars by class, learning curves, kept boxes; targets and effects with their certainty.
    assert [attrs["role"] for attrs in outline.all("svg")] == ["img"] * 5
    assert all("tables of this section hold the figures" in attrs["aria-label"] for attrs in outline.all("svg"))


def test_nothing_is_fetched_and_nothing_runs(html):
    outline = Outline(html)
    assert outline.all("script", "iframe", "object", "embed", "img") == []
    for tag, attrs in outline.elements:
        for name in ("src", "href", "xlink:href", "action"):
            assert attrs.get(name, "#").startswith("#") or (tag, attrs[name]) == ("link", "data:,")
    assert not re.search(r"url\((?!#)|@import", html)
    assert len(html) < 5_000_000


def test_verdicts_stand_as_words_beside_their_symbols(html):
    for words in ("passed", "failed (1 of 2)", "not reached"):
        assert re.search(rf'aria-hidden="true">[✓✗○]</span> {re.escape(words)}</span>', html)


def test_what_comes_from_data_is_escaped(study, add_run):
    classes = [EVIL, "Chipped"]
    gates = [{"name": "class_ap", "subject": EVIL, "milestone": 1, "verdict": "failed", "says": EVIL}]
    alarms = [{"kind": "loss_ratio", "subject": EVIL, "iteration": 1, "last": 1, "says": EVIL, "figures": {}}]
    add_run("baseline", 0.1, 0.2, classes=classes, gates=gates, alarms=alarms, device=EVIL, versions={"torch": EVIL})
    add_run(EVIL, 0.1, 0.3, classes=classes, levels={}, identity="evil")
    add_run("failed", status="failed", reason=EVIL, log_tail=[EVIL])
    html = write_html(study).read_text()
    assert Outline(html).all("script") == []
    assert "<script" not in html
    assert html.count("&lt;script&gt;") > 8


def test_homes_and_the_repository_are_left_out_of_paths(study, add_run, monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: Path("/srv/people/ada"))
    reason = f"cannot read /home/bob/data/x.json, /srv/people/ada/y, /root/z nor {REPOSITORY}/experiments/train.py"
    add_run("baseline", 0.5, 0.1, 0.3, 0.2, 0.4)
    add_run("focal", status="failed", reason=reason, log_tail=["File /Users/eve/lab/train.py"])
    html = write_html(study).read_text()
    assert "cannot read ~/data/x.json, ~/y, ~/z nor experiments/train.py" in html
    assert "File ~/lab/train.py" in html
    assert not re.search("/home|/Users|/srv/people|/root", html)


@pytest.mark.parametrize(("seeds", "words"), [((0,), "1 seed (0)"), ((0, 1, 2), "3 seeds (0, 1, 2)")])
def test_the_page_says_how_many_seeds_and_which(study, add_run, seeds, words):
    for seed in seeds:
        add_run("baseline", 0.5, 0.1, 0.3, 0.2, 0.4, seed=seed)
    assert f"<dt>replicates</dt><dd>{words}</dd>" in write_html(study).read_text()


def test_the_same_study_gives_the_same_page(made):
    first = write_html(made).read_bytes()
    assert write_html(made).read_bytes() == first
    assert not list((made / "report").glob(".*"))


def test_cells_of_one_or_more_lines():
    marked = (Cell("5x met", "good"), Cell("8x missed", "bad"))
    rows = (("a+<b>", marked), ("b", "run +<it>"))
    section = Section("one", "One", tables=(Table("A table", ("arm", "command"), rows, frozenset({"command"})),))
    html = render(Page("T", (), ("Yes.",), (section,)))
    assert '<span class="line short good"><span class="symbol" aria-hidden="true">✓</span> 5x met</span>' in html
    assert "<code><span>run</span> <span>+&lt;it&gt;</span></code>" in html
    assert '<span class="line short">a+<wbr>&lt;b&gt;</span>' in html
    assert [Cell("x" * n).width for n in (28, 29, 49)] == ["short", "medium", "long"]


def test_inlined_charts_have_their_own_ids_and_the_pages_colours():
    path = '<path id="a" style="fill: #222222; clip-path: url(#a)" d="M 1.23456 -0.005 L 3 4"/>'
    size = 'width="9pt" height="9pt" viewBox="0 0 9 9"'
    rest = '<text>0.12345</text><use xlink:href="#a"/></svg>'
    svg = f'<?xml version="1.0"?>\n<svg {size}><metadata>x</metadata><!-- y -->{path}{rest}\n'
    text = inline(svg, name="curve", alt='so "it" is')
    assert text.startswith('<svg viewBox="0 0 9 9" ') and 'aria-label="so &quot;it&quot; is"' in text
    assert '<path id="curve-a" style="fill: currentColor; clip-path: url(#curve-a)" d="M 1.23 -0.01 L 3 4"/>' in text
    assert text.endswith('<text>0.12345</text><use xlink:href="#curve-a"/></svg>')


def test_lists_in_words():
    assert [listed("a"), listed("ab"), listed("abc")] == ["a", "a and b", "a, b and c"]
