"""Which ops are on offer, by hand, and the numbers that go with them."""

import numpy as np

from memory_stores.comention_linker import ComentionLinker
from memory_stores.embed import HashEmbedder
from memory_stores.graph_store import GraphStore
from memory_stores.memory import AgentMemory
from memory_stores.pattern_linker import PatternLinker
from memory_stores.token_store import TokenStore
from memory_stores.types import Forget, Keep, Link, Overwrite, Relink, Retrieve, Stamp, Unlink, Write
from memrl.contracts.protocols import OfferRequest
from memrl.contracts.texts import TextTable
from memrl.contracts.types import Observation, OfferSet
from memrl.controllers.offers import NUM_NUMBERS, NUMBER_NAMES, OpOffers


def count_words(text: str) -> int:
    return len(text.split())


def proposer(edges: bool = False) -> OpOffers:
    return OpOffers(TextTable(HashEmbedder(16)), count_words, PatternLinker(), edges=edges)


def told(text: str, step: int = 5) -> Observation:
    return Observation(id=f"o{step}", step=step, content=text)


def memory(budget: int = 16, graph: int = 0) -> AgentMemory:
    return AgentMemory(token=TokenStore(budget, count_words), graph=GraphStore(graph, count_words) if graph else None)


def number(offers: OfferSet, name: str) -> list[float]:
    return offers.numbers[:, NUMBER_NAMES.index(name)].tolist()


def test_an_empty_memory_offers_keep_and_write():
    text = "Ana put the lantern in the attic."
    assert proposer().writes(OfferRequest(memory(), told(text), False)).ops == (Keep(), Write(text))


def test_a_full_memory_offers_overwriting_where_it_fits_and_forgetting_everywhere():
    store = memory(budget=10)
    store.apply(Write("one two three four five six seven"), Stamp(step=1, observation_id="o1"))
    store.apply(Write("eight nine ten"), Stamp(step=2, observation_id="o2"))
    text = "Ana put the lantern in there."  # six words: fits in the place of seven, not of three
    ops = proposer().writes(OfferRequest(store, told(text), False)).ops
    assert ops == (Keep(), Overwrite("t1", text), Forget("t1"), Forget("t2"))


def test_forgetting_that_makes_room_is_to_a_scorer_the_overwriting_that_it_begins():
    store = memory(budget=10)
    store.apply(Write("one two three four five six seven"), Stamp(step=1, observation_id="o1"))
    store.apply(Write("eight nine ten"), Stamp(step=2, observation_id="o2"))
    made = proposer().writes(OfferRequest(store, told("Ana put the lantern in there."), False))
    assert number(made, "overwrite") == [0, 1, 0, 1]  # Keep, Overwrite t1, Forget t1, Forget t2
    assert number(made, "forget") == [0, 0, 1, 0]
    assert (made.rows[:, 1] >= 0).tolist() == [False, True, False, True]


def test_what_is_held_already_is_not_offered_again():
    store, text = memory(), "Ana put the lantern in the attic."
    store.apply(Write(text), Stamp(step=5, observation_id="o5"))
    assert proposer().writes(OfferRequest(store, told(text), False, 1)).ops == (Keep(), Forget("t1"))


def test_a_later_fact_about_the_same_thing_is_marked_as_a_conflict():
    store = memory(budget=32)
    store.apply(Write("Ana put the lantern in the attic."), Stamp(step=1, observation_id="o1"))
    store.apply(Write("Ben left the kettle in the cellar."), Stamp(step=2, observation_id="o2"))
    offers = proposer().writes(OfferRequest(store, told("Ben moved the lantern to the garden."), False))
    touches = [getattr(op, "id", "") for op in offers.ops]
    conflicts = dict(zip(touches, number(offers, "conflict"), strict=True))
    assert conflicts["t1"] == 1.0 and conflicts["t2"] == 0.0
    assert set(number(offers, "states")) == {1.0}


def test_small_talk_states_nothing():
    assert set(number(proposer().writes(OfferRequest(memory(), told("It rained all day long."), False)), "states")) == {
        0.0
    }


def test_an_edge_is_linked_once_and_relinked_when_it_changes():
    store, makes = memory(graph=32), proposer(edges=True)
    first = makes.writes(OfferRequest(store, told("Ana put the lantern in the attic.", 1), False))
    [link] = [op for op in first.ops if isinstance(op, Link)]
    store.apply(link, Stamp(step=1, observation_id="o1"))
    assert not any(
        isinstance(op, Link | Relink)
        for op in makes.writes(OfferRequest(store, told("The lantern is in the attic."), False)).ops
    )
    moved = makes.writes(OfferRequest(store, told("Ben moved the lantern to the garden."), False))
    assert [op for op in moved.ops if isinstance(op, Link | Relink)] == [Relink("g1", "garden")]


def test_a_full_graph_offers_room():
    store, makes = memory(graph=3), proposer(edges=True)
    store.apply(Link("lantern", "in", "attic"), Stamp(step=1, observation_id="o1"))
    ops = makes.writes(OfferRequest(store, told("Ben left the kettle in the cellar."), False)).ops
    assert Unlink("g1") in ops and Link("kettle", "in", "cellar") in ops


def test_a_question_offers_retrieval_only_from_stores_that_hold_something():
    question = Observation(id="o9", step=9, content="Where is the lantern?", wants_action=True, writable=False)
    store, makes = memory(graph=32), proposer(edges=True)
    assert makes.reads(OfferRequest(store, question, True)).ops == (Keep(),)
    store.apply(Link("lantern", "in", "attic"))
    ops = makes.reads(OfferRequest(store, question, True)).ops
    assert ops[0] == Keep() and len(ops) > 1 and all(isinstance(op, Retrieve) and op.store == "graph" for op in ops[1:])


def test_every_offer_has_its_row_of_finite_numbers():
    store = memory(budget=32, graph=32)
    store.apply(Write("Ana put the lantern in the attic."), Stamp(step=1, observation_id="o1"))
    offers = proposer(edges=True).writes(OfferRequest(store, told("Ben moved the lantern to the garden."), False))
    assert offers.numbers.shape == (len(offers.ops), NUM_NUMBERS) and offers.rows.shape == (len(offers.ops), 3)
    assert np.isfinite(offers.numbers).all()
    assert offers.numbers[:, :8].sum(axis=1).tolist() == [1.0] * len(offers.ops), "one kind each"


def test_subjects_are_two_more_columns_of_rows():
    table = TextTable(HashEmbedder(16))
    makes = OpOffers(table, count_words, PatternLinker(), subjects=True)
    store = memory(budget=32)
    store.apply(Write("Ana put the lantern in the attic."), Stamp(step=1, observation_id="o1"))
    store.apply(Write("What a lovely day it was."), Stamp(step=2, observation_id="o2"))
    observation = told("Ben put the kettle in the cellar.")
    offers = makes.writes(OfferRequest(store, observation, False))
    assert offers.rows.shape == (len(offers.ops), 5)
    assert set(offers.rows[:, 3]) == {table.row("kettle")}
    about = {getattr(op, "id", ""): row for op, row in zip(offers.ops, offers.rows[:, 4], strict=True)}
    assert about == {"": -1, "t1": table.row("lantern"), "t2": -1}, "chatter speaks of nothing that is known"


def test_an_edge_speaks_of_its_own_subject():
    table = TextTable(HashEmbedder(16))
    makes = OpOffers(table, count_words, PatternLinker(), edges=True, subjects=True)
    store = memory(budget=32, graph=32)
    store.apply(Link("lantern", "in", "attic"), Stamp(step=1, observation_id="o1"))
    offers = makes.writes(OfferRequest(store, told("Ben moved the lantern to the garden."), False))
    [relink] = [i for i, op in enumerate(offers.ops) if isinstance(op, Relink)]
    assert offers.rows[relink, 3:].tolist() == [table.row("lantern")] * 2


def test_an_edge_of_which_there_may_be_many_takes_no_other_ones_place_and_states_nothing():
    makes = OpOffers(TextTable(HashEmbedder(16)), count_words, ComentionLinker(), edges=True)
    store = memory(budget=32, graph=32)
    for step, text in enumerate(("It was Ana who met Bob.", "It was Ana who met Cid.")):
        offers = makes.writes(OfferRequest(store, told(text, step), False))
        assert not offers.numbers[:, NUMBER_NAMES.index("states")].any()
        [link] = [op for op in offers.ops if isinstance(op, Link | Relink)]
        assert isinstance(link, Link)
        assert store.apply(link, Stamp(step=step, observation_id=f"o{step}")).done
    offers = makes.writes(OfferRequest(store, told("It was Ana who met Bob and Cid.", 2), False))
    assert [op for op in offers.ops if isinstance(op, Link | Relink)] == [Link("Bob", "with", "Cid")]
    full = memory(graph=3)
    full.apply(Link("Ana", "with", "Bob"), Stamp(step=1, observation_id="o1"))
    full.apply(Link("Ana", "with", "Dora"), Stamp(step=2, observation_id="o2"))
    offers = makes.writes(OfferRequest(full, told("It was Ana who met Cid.", 3), False))
    assert Unlink("g1") in offers.ops and not offers.numbers[:, NUMBER_NAMES.index("superseded")].any()
