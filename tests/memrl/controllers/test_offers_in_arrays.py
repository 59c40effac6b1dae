"""Offers described in arrays equal a plain description, whatever else is described with them."""

import numpy as np
import pytest

from memory_stores.bm25_store import Bm25Store
from memory_stores.embed import HashEmbedder
from memory_stores.graph_store import GraphStore
from memory_stores.memory import AgentMemory
from memory_stores.pattern_linker import PatternLinker
from memory_stores.token_store import TokenStore
from memory_stores.types import Keep, Link, Retrieve, Stamp, Write
from memrl.contracts.offer_sets import OfferSet, stacked
from memrl.contracts.protocols import OfferRequest
from memrl.contracts.texts import TextTable
from memrl.contracts.types import Observation
from memrl.controllers.offer_batch import ranks
from memrl.controllers.offers import OpOffers
from plain_offers import PlainOffers

THINGS, PLACES = ("lantern", "kettle", "ladder"), ("attic", "cellar", "garden", "old stone barn")
PEOPLE = ("Ana", "Ben", "Carla")


def count_words(text: str) -> int:
    return len(text.split())


def sentence(rng: np.random.Generator) -> str:
    thing, place, person = rng.choice(THINGS), rng.choice(PLACES), rng.choice(PEOPLE)
    return str(
        rng.choice(
            [
                f"{person} put the {thing} in the {place}.",
                f"{person} put the {thing} in the {place}. {person} left the ladder in the garden.",
                f"{person} no longer carries the {thing}.",
                "It rained all day long.",
                f"A much longer remark about nothing in particular was made by {person} at great length and to no end.",
                " ",
            ],
            p=[0.5, 0.1, 0.1, 0.15, 0.1, 0.05],
        )
    )


def world(rng: np.random.Generator) -> tuple[AgentMemory, Observation]:
    """A memory after some ops, of one to three stores, and what is seen next."""
    token, graph, archive = rng.random(3) < (0.8, 0.4, 0.3)
    memory = AgentMemory(
        token=TokenStore(int(rng.integers(4, 40)), count_words) if token or not (graph or archive) else None,
        graph=GraphStore(int(rng.integers(3, 14)), count_words) if graph else None,
        archive=Bm25Store(int(rng.integers(5, 60)), count_words) if archive else None,
    )
    steps = int(rng.integers(0, 12))
    for step in range(steps):
        text = sentence(rng)
        stamp = Stamp(step=step, observation_id=f"o{step}", trust=float(rng.choice([0.3, 1.0])))
        memory.apply(Write(text), stamp)
        memory.apply(Write(text, "archive"), stamp)
        for edge in PatternLinker().link(text):
            memory.apply(Link(edge.subject, edge.relation, edge.object), stamp)
        if rng.random() < 0.3:
            memory.apply(Retrieve(text, str(rng.choice(["token", "graph", "archive"])), 2, 1), stamp)  # pyright: ignore
    again = steps and rng.random() < 0.2
    return memory, Observation(
        id=f"o{steps - 1 if again else steps}",
        step=steps,
        content=sentence(rng),
        trust=float(rng.choice([0.3, 1.0])),
    )


def requests(seed: int, count: int) -> list[OfferRequest]:
    rng = np.random.default_rng(seed)
    return [
        OfferRequest(*world(rng), reads=bool(rng.random() < 0.2), ops_so_far=int(rng.integers(0, 3)))
        for _ in range(count)
    ]


def both(seed: int, linker: bool, subjects: bool) -> tuple[list[OfferRequest], OpOffers, list[OfferSet]]:
    table = TextTable(HashEmbedder(16))
    args = (table, count_words, PatternLinker() if linker else None, True, subjects)
    asked = requests(seed, 40)
    return asked, OpOffers(*args), PlainOffers(*args).offers(asked)


def same(one: OfferSet, other: OfferSet) -> None:
    assert one.ops == other.ops and len(one) == len(other.ops)
    assert [one.op(i) for i in range(len(one))] == list(other.ops)
    np.testing.assert_array_equal(one.rows, other.rows)
    np.testing.assert_allclose(one.numbers, other.numbers, rtol=0, atol=1e-6)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("linker", "subjects"), [(True, False), (True, True), (False, False)])
def test_the_arrays_equal_the_plain_description(seed: int, linker: bool, subjects: bool):
    asked, offers, plain = both(seed, linker, subjects)
    kinds = {type(op) for one in plain for op in one.ops}
    assert len(kinds) >= (6 if linker else 4), "the worlds must try most ops"
    for made, expected in zip(offers.offers(asked), plain, strict=True):
        same(made, expected)


def test_nothing_about_a_moment_depends_on_the_rest_of_the_batch():
    asked, offers, _ = both(3, True, True)
    together = offers.offers(asked)
    for one, request in zip(together, asked, strict=True):
        [alone] = OpOffers(offers._table, count_words, PatternLinker(), True, True).offers([request])
        assert alone.ops == one.ops
        assert alone.rows.tobytes() == one.rows.tobytes() and alone.numbers.tobytes() == one.numbers.tobytes()


def test_a_set_says_the_same_after_the_memory_went_on():
    asked, offers, plain = both(5, True, True)
    made = offers.offers(asked)
    for request in asked:
        request.memory.apply(Write("something else altogether"), Stamp(step=99, observation_id="late"))
    offers.offers(asked)
    for one, expected in zip(made, plain, strict=True):
        same(one, expected)


def test_stacked_is_the_sets_behind_each_other_in_any_order():
    asked, offers, plain = both(7, True, True)
    made = [*offers.offers(asked[:25]), *offers.offers(asked[25:])]
    order = np.random.default_rng(0).permutation(len(made))
    mixed = [plain[i] if i % 7 == 0 else made[i] for i in order]
    found = stacked(mixed)
    assert found.counts.tolist() == [len(plain[i].ops) for i in order]
    np.testing.assert_array_equal(found.rows, np.concatenate([plain[i].rows for i in order]))
    np.testing.assert_allclose(found.numbers, np.concatenate([plain[i].numbers for i in order]), atol=1e-6)


def test_facts_start_anew_when_the_text_table_was_trimmed():
    asked, offers, _ = both(2, True, True)
    offers.offers(asked)
    offers._table.trim(3)
    again = OpOffers(offers._table, count_words, PatternLinker(), True, True)
    for made, expected in zip(offers.offers(asked), again.offers(asked), strict=True):
        same(made, expected)


def test_keep_alone_is_described_as_the_memory_was():
    memory = AgentMemory(token=TokenStore(20, count_words))
    memory.apply(Write("Ana put the lantern in the attic."), Stamp(step=1, observation_id="o1"))
    question = Observation(id="o2", step=2, content="Where is the lantern?", wants_action=True, writable=False)
    table = TextTable(HashEmbedder(16))
    request = OfferRequest(memory, question, reads=True)
    [made], [plain] = (made(table, count_words, PatternLinker()).offers([request]) for made in (OpOffers, PlainOffers))
    memory.apply(Write("Ben left."), Stamp(step=2, observation_id="o3"))
    assert made.ops == (Keep(),) and len(made) == 1
    same(made, plain)


def test_ranks_by_hand():
    found = ranks(np.array([0, 0, 0, 1, 2, 2, 2]), np.array([3, 3, 9, 4, 8, 2, 5]))
    assert found.tolist() == [0, 0, 1, 0, 1, 0, 0.5]
