"""Linkers that go by no pattern: what each promises, and what ``comention`` and ``spacy`` find."""

from __future__ import annotations

import importlib.util

import pytest

from memory_stores.comention_linker import ComentionLinker, ComentionOptions, names_in
from memory_stores.linker import EntityLinker, ProposedEdge
from memory_stores.pattern_linker import PatternLinker
from memory_stores.spacy_linker import MODELS, SpacyLinker

TEXTS = (
    "",
    "   ",
    "it rained all day",
    "Ed Wood: Ed Wood directed Glen or Glenda in Los Angeles.",
    "Prada bought the brand in 1999.\nWho sold it?",
    "Ünal met Åsa in Örebro — «Nothing happened», said Zoë.",
    "?!.: ''\"",
)
HAS_SPACY = importlib.util.find_spec("spacy") is not None and any(map(importlib.util.find_spec, MODELS))
needs_spacy = pytest.mark.skipif(not HAS_SPACY, reason="needs the extra: pip install 'memrl[spacy]'")
MADE = [PatternLinker, ComentionLinker, pytest.param(SpacyLinker, marks=needs_spacy)]


@pytest.mark.parametrize("make", MADE)
def test_a_linker_keeps_its_promises(make: type):
    linker, other = make(), make()
    for text in TEXTS:
        found = linker.link(text)
        assert isinstance(found, tuple) and all(isinstance(edge, ProposedEdge) for edge in found)
        assert found == linker.link(text) == other.link(text), "the same text must state the same edges"
        assert len(set(found)) == len(found), "an edge must be proposed once a text"
        for edge in found:
            assert (
                edge.subject.strip() and edge.relation.strip() and edge.object.strip() and edge.subject != edge.object
            )
    assert linker.link("") == ()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Ed Wood: He met Bela Lugosi in Los Angeles.", ("Ed Wood", "Bela Lugosi", "Los Angeles")),
        # At the start of a sentence a single word may be any word, but not if it is a name elsewhere.
        ("Lamps were sold. Ana bought one for Bob.", ("Bob",)),
        ("Ana left. Then it was Ana who came back with Bob.", ("Ana", "Bob")),
        # A first word that the text has in small letters too is none of a name's.
        ("The German met the tall Bob.", ("German", "Bob")),
        # A shorter name for the same thing is that thing.
        ("Engelbert Endrass rose early. Later Endrass met O'Brien.", ("Engelbert Endrass", "O'Brien")),
        ("I saw no name.", ()),
        ("we met ana in paris", ()),
    ],
)
def test_names_are_runs_of_capitals(text: str, names: tuple[str, ...]):
    assert names_in(text) == names


def test_names_of_one_text_are_linked_in_pairs_the_first_one_first():
    text = "It was Ana, with Bob, Cid and Dora."
    pairs = [(edge.subject, edge.object) for edge in ComentionLinker(4).link(text)]
    assert pairs == [("Ana", "Bob"), ("Ana", "Cid"), ("Ana", "Dora"), ("Bob", "Cid")]
    [edge] = ComentionLinker(1).link(text)
    assert edge == ProposedEdge("Ana", "with", "Bob", many=True)
    with pytest.raises(ValueError, match="most must be at least 1, got 0"):
        ComentionOptions(most=0)


def test_the_linkers_are_what_the_protocol_says():
    linkers: list[EntityLinker] = [PatternLinker(), ComentionLinker()]
    assert [linker.link("nothing") for linker in linkers] == [(), ()]


@pytest.mark.skipif(importlib.util.find_spec("spacy") is not None, reason="spaCy is installed")
def test_without_spacy_it_says_what_to_install():
    with pytest.raises(ImportError, match=r"the linker 'spacy' needs spaCy: pip install 'memrl\[spacy\]'"):
        SpacyLinker()


@needs_spacy
@pytest.mark.parametrize(
    ("text", "triples"),
    [
        ("Prada bought the company in 1999.", {("Prada", "buy", "company"), ("Prada", "buy in", "1999")}),
        ("The film was directed by Ed Wood.", {("film", "direct by", "Ed Wood")}),
        ("Ana Lopez lives in Paris and works for Google.", {("Ana Lopez", "live in", "Paris")}),
        ("Ana Lopez is a painter who lives in Paris.", {("Ana Lopez", "live in", "Paris")}),
        ("Shed is a film directed by Ana Lopez.", {("Shed", "direct by", "Ana Lopez")}),
        ("Does Ana Lopez live in Paris?", set()),
    ],
)
def test_spacy_finds_subject_verb_and_object(text: str, triples: set[tuple[str, str, str]]):
    found = {(edge.subject, edge.relation, edge.object) for edge in SpacyLinker().link(text)}
    assert triples <= found and (triples or not found)


@needs_spacy
def test_spacy_sees_a_negation_who_a_pronoun_is_and_which_relations_are_single():
    [edge] = SpacyLinker(one_at_a_time=("live in",)).link("Ana Lopez does not live in Paris.")
    assert edge == ProposedEdge("Ana Lopez", "live in", "Paris", negated=True, many=False)
    found = SpacyLinker().link("Barack Obama was elected. He moved to Washington.")
    assert ProposedEdge("Barack Obama", "move to", "Washington", many=True) in found


@needs_spacy
def test_spacy_names_a_pipeline_that_is_not_there():
    with pytest.raises(ImportError, match="needs the pipeline 'xx_none'"):
        SpacyLinker("xx_none")
