"""What benchmarks/stale.py and benchmarks/graph_text.py count, on a stream small enough to count by hand."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

from memory_stores.comention_linker import ComentionLinker
from memory_stores.linker import ProposedEdge
from memory_stores.types import Edge, Item, Stamp
from memrl.envs.documents.records import Question, Stream, Unit


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The modules, as scripts in their folder import each other."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    names = ("graph_text", "stale", "stale_tables")
    return SimpleNamespace(**{name: import_module(name) for name in names})


SETTLED = 'In the {} conversation about this: "buses", what was settled for: "{}"?'


def asked(id: str, text: str, answer: str, *evidence: str, more: tuple[tuple[str, ...], ...] = ()) -> Question:
    return Question(id=id, question=text, answers=(answer,), evidence=evidence, evidence_alt=more)


LAST = asked("b0", SETTLED.format("most recent", "from"), "Bonn", "u3")
BEFORE = asked("b1", SETTLED.format("last but one", "from"), "Köln", "u1", more=(("u1",), ("u2", "u3")))
SAME = asked("c0", SETTLED.format("most recent", "seats"), "2", "u4")
SAME_BEFORE = asked("c1", SETTLED.format("last but one", "seats"), "2", "u0")
OWNERS = [asked(f"/wiki/Helm#P127_{i}", f"Who, {i}?", f"owner {i}", f"v{i}") for i in range(3)]


def test_a_fact_is_the_same_in_all_its_versions_and_later_ones_have_higher_numbers(pages: SimpleNamespace):
    assert (
        pages.stale.fact_and_time(LAST)[0] == pages.stale.fact_and_time(BEFORE)[0] != pages.stale.fact_and_time(SAME)[0]
    )
    assert pages.stale.fact_and_time(LAST)[1] > pages.stale.fact_and_time(BEFORE)[1]
    assert [pages.stale.fact_and_time(one) for one in OWNERS] == [("/wiki/Helm#P127", i) for i in range(3)]


def test_other_versions_share_neither_answer_nor_accepted_evidence(pages: SimpleNamespace):
    found = pages.stale.versions([LAST, BEFORE, SAME, SAME_BEFORE, *OWNERS])
    # Of the older version's two sets, the second holds a unit that is accepted for the newer.
    assert found["b0"] == ([frozenset({"u1"})], [])
    assert found["b1"] == ([], [])
    assert found["c0"] == found["c1"] == ([], [])
    assert found[OWNERS[1].id] == ([frozenset({"v0"})], [frozenset({"v2"})])


@pytest.mark.parametrize(
    ("seen", "letter"),
    [
        ({"v1"}, "c"),
        ({"v0", "v1"}, "c"),
        ({"v0"}, "o"),
        ({"v0", "v2"}, "o"),
        ({"v2"}, "a"),
        ({"v9"}, "-"),
        (set(), "-"),
    ],
)
def test_outdated_is_an_older_version_without_the_current_one(pages: SimpleNamespace, seen: set[str], letter: str):
    others = pages.stale.versions(OWNERS)[OWNERS[1].id]
    assert pages.stale.in_view(OWNERS[1], others, frozenset(seen)) == letter


def test_the_interval_of_a_share_is_wilsons(pages: SimpleNamespace):
    # 10 of 20: (0.5 + 0.09604) / 1.19208 -+ 1.96 * sqrt(0.0125 + 0.0024010) / 1.19208
    assert pages.stale_tables.wilson(10, 20) == pytest.approx((0.29930, 0.70070), abs=1e-4)
    assert pages.stale_tables.wilson(0, 10)[0] == pytest.approx(0.0, abs=1e-12)


UNITS = (
    Unit(id="u0", text="Glen: It was Glen that Ed Wood made."),
    Unit(id="u1", text="Ed Wood: It was in Ohio that Ed Wood lived."),
    Unit(id="u2", text="Zoo: It was Zoo that Ana Lopez made."),
)
WHERE = asked("q", "Where did the maker of Glen live?", "Ohio", "u0", "u1")
STREAM = Stream(id="s", units=UNITS, questions=(WHERE,))


def test_an_edge_counts_for_its_text_where_both_its_ends_matter(pages: SimpleNamespace):
    evidence, stamp = pages.graph_text.Evidence(STREAM, ComentionLinker()), Stamp()
    first = Edge(id="g1", subject="Glen", relation="with", object="Ed Wood", tokens=4, stamp=stamp)
    second = Edge(id="g2", subject="Ed Wood", relation="with", object="Ohio", tokens=4, stamp=stamp)
    other = Edge(id="g3", subject="Zoo", relation="with", object="Ana Lopez", tokens=4, stamp=stamp)
    texts = [Item(id=f"a{i}", text=u.shown, tokens=9, stamp=Stamp(observation_id=u.id)) for i, u in enumerate(UNITS)]
    assert evidence.suffices(WHERE, texts[:2]) and evidence.suffices(WHERE, [first, second])
    assert evidence.suffices(WHERE, [first, texts[1]])
    assert not evidence.suffices(WHERE, [first, other, texts[2]]) and not evidence.suffices(WHERE, texts[1:])


def test_a_road_leads_from_the_questions_names_to_texts_that_share_none_with_it(pages: SimpleNamespace):
    roads = pages.graph_text.Roads(ComentionLinker(), [unit.shown for unit in UNITS])
    assert set(roads.mentioned("Where did the maker of Glen live?")) == {"Glen"}
    near, next_, far = roads.scores("Where did the maker of Glen live?", ())
    assert near > next_ > far == pytest.approx(0.0, abs=1e-6)
    assert roads.scores("Who?", ()).tolist() == [0.0, 0.0, 0.0]
    assert roads.scores("Who?", (2,))[2] > 0.4


def test_the_linker_of_this_page_finds_what_it_says():
    assert ComentionLinker().link(UNITS[2].shown) == (ProposedEdge("Zoo", "with", "Ana Lopez", many=True),)
