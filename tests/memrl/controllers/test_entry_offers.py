"""Reading entry by entry: what is on offer, how it is described, and that searches find what they should."""

from pathlib import Path

import numpy as np
import pytest

from memory_stores.bm25_store import Bm25Store
from memory_stores.embed import HashEmbedder
from memory_stores.graph_store import GraphStore
from memory_stores.memory import AgentMemory
from memory_stores.types import Forget, Hit, Keep, Link, Retrieve, Stamp, Write
from memrl.contracts.contexts import ControllerContext, OffersContext
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import ControllerRequest, OfferRequest
from memrl.contracts.registry import make
from memrl.contracts.texts import TextTable
from memrl.contracts.types import Observation, Task
from memrl.controllers.entry_offers import EntryOffers

TOLD = (
    "Mara: I keep the brass lantern in the attic.",
    "Theo: we had soup again.",
    "Mara: the kettle whistles all day.",
    "Theo: why did you buy that thing?",
    "Mara: because the old lantern broke.",
    "Theo: soup again, and bread.",
)


def words(text: str) -> int:
    return len(text.split())


def archive(*texts: str) -> AgentMemory:
    memory = AgentMemory(archive=Bm25Store(1000, words))
    for step, text in enumerate(texts):
        memory.apply(Write(text, "archive"), Stamp(step=step, observation_id=f"o{step}"))
    return memory


def context(**knobs) -> OffersContext:
    embedder = knobs.pop("embedder", HashEmbedder(64))
    given = {"linker": None, "edges": False, "subjects": False, "cache": Path(), **knobs}
    return OffersContext(table=TextTable(embedder), count_tokens=words, **given)


def entries(**options) -> EntryOffers:
    return make("offers", "entries", options, "controller.offers", context())


def question(text: str = "Where does the lantern stand?") -> Observation:
    return Observation(id="q", step=9, content=text, wants_action=True, writable=False)


def asked(memory: AgentMemory, view: tuple[Hit, ...] = (), room: int = 100, text: str = "Where is the lantern?"):
    return OfferRequest(memory, question(text), True, view=view, room=room)


def read(memory: AgentMemory, *ids: str) -> tuple[Hit, ...]:
    return memory.apply(Retrieve("x", "archive", ids=ids), Stamp(step=9)).hits


def number(offers: EntryOffers, found, name: str) -> list[float]:
    return found.numbers[:, offers.names.index(f"read_{name}")].tolist()


def test_keep_comes_first_and_every_entry_is_offered_by_itself():
    memory = archive(*TOLD)
    [found] = entries().offers([asked(memory)])
    assert found.op(0) == Keep() and len(found) == 7
    assert {op.ids for op in found.ops[1:]} == {(f"a{i}",) for i in range(1, 7)}
    assert all(op.query == "Where is the lantern?" for op in found.ops[1:])


def test_what_is_in_view_and_what_does_not_fit_is_not_on_offer():
    memory = archive(*TOLD)
    offers = entries()
    [found] = offers.offers([asked(memory, read(memory, "a1"), room=6)])
    short = {entry.id for entry in memory.entries() if words(entry.text) <= 6}
    assert {op.ids[0] for op in found.ops[1:]} == short - {"a1"} and len(short) < 6
    assert ("a1",) not in {op.ids for op in found.ops[1:]}
    [full] = offers.offers([asked(memory, room=0)])
    [empty] = offers.offers([asked(archive())])
    assert full.ops == empty.ops == (Keep(),)


def test_only_so_many_candidates_the_most_promising():
    memory = archive(*TOLD)
    [found] = entries(candidates=2).offers([asked(memory)])
    assert {op.ids[0] for op in found.ops[1:]} == {"a1", "a5"}


@pytest.mark.parametrize("name", ["bm25", "cosine", "tokens"])
def test_each_measure_puts_the_texts_about_it_first(name: str):
    offers, memory = entries(), archive(*TOLD)
    [found] = offers.offers([asked(memory)])
    values = dict(zip([op.ids[0] for op in found.ops[1:]], number(offers, found, f"{name}_place")[1:], strict=True))
    assert {id for id, _ in sorted(values.items(), key=lambda pair: -pair[1])[:2]} == {"a1", "a5"}


def test_an_entry_knows_what_stands_next_to_it():
    offers, memory = entries(), archive(*TOLD)
    [found] = offers.offers([asked(memory)])
    ids = [op.ids[0] for op in found.ops[1:]]
    after, own = number(offers, found, "bm25_+1")[1:], number(offers, found, "bm25")[1:]
    assert after[ids.index("a4")] == pytest.approx(own[ids.index("a5")])
    assert number(offers, found, "bm25_-1")[1:][ids.index("a2")] == pytest.approx(own[ids.index("a1")])


def test_what_is_in_view_shows_in_what_is_offered_next():
    offers, memory = entries(), archive(*TOLD)
    [before] = offers.offers([asked(memory)])
    assert not np.any([number(offers, before, name) for name in ("seen_cosine", "seen_words", "seen_next", "in_view")])
    [after] = offers.offers([asked(memory, read(memory, "a2"), room=90)])
    ids = [op.ids[0] for op in after.ops[1:]]
    assert number(offers, after, "seen_words")[1:][ids.index("a6")] > 0.2  # soup again
    next_to = dict(zip(ids, number(offers, after, "seen_next")[1:], strict=True))
    assert next_to["a1"] == next_to["a3"] == 1.0 and next_to["a5"] == 0.0
    assert number(offers, after, "room") == [pytest.approx(90 / 512)] * len(after)


def test_edges_of_the_graph_are_entries_too():
    memory = AgentMemory(archive=Bm25Store(100, words), graph=GraphStore(100, words))
    memory.apply(Write("Theo: we had soup.", "archive"), Stamp(step=0, observation_id="o0"))
    memory.apply(Link("lantern", "in", "attic"), Stamp(step=1, observation_id="o1"))
    [found] = entries().offers([asked(memory)])
    [edge] = [op for op in found.ops[1:] if op.store == "graph"]
    [hit] = memory.apply(edge, Stamp(step=9)).hits
    assert hit.text == "lantern in attic"


def test_nothing_depends_on_the_rest_of_the_batch_nor_on_what_was_asked_before():
    one, other = archive(*TOLD), archive(*TOLD[:3])
    requests = [asked(one), asked(other), asked(one, text="What did they eat?"), asked(one, read(one, "a2"), 50)]
    together = entries().offers(requests)
    for request, found in zip(requests, together, strict=True):
        fresh = entries()
        fresh.offers([request._replace(view=())])  # a reading begins with nothing in view
        [alone] = fresh.offers([request])
        assert found.ops == alone.ops and (found.numbers == alone.numbers).all() and (found.rows >= -1).all()


def test_a_memory_that_changed_is_described_anew():
    offers, memory = entries(), archive(*TOLD[:3])
    offers.offers([asked(memory)])
    memory.apply(Write("Theo: the lantern is mine.", "archive"), Stamp(step=7, observation_id="o7"))
    [found] = offers.offers([asked(memory)])
    assert ("a4",) in {op.ids for op in found.ops[1:]}


def test_decisions_on_memory_are_offered_as_before_with_numbers_that_say_nothing_behind():
    offers, plain = entries(), make("offers", "ops", {}, "controller.offers", context())
    told = OfferRequest(archive(*TOLD[:2]), Observation(id="o5", step=5, content="rain"), False)
    [found], [same] = offers.offers([told]), plain.offers([told])
    assert found.ops == same.ops and offers.names[: len(plain.names)] == plain.names
    assert (found.numbers[:, : len(plain.names)] == same.numbers).all() and not found.numbers[
        :, len(plain.names) :
    ].any()


def test_an_embedder_that_knows_whole_texts_only_is_refused():
    class Whole:
        dim = 4

        def embed(self, texts):
            return np.zeros((len(texts), 4), dtype=np.float32)

    with pytest.raises(ConfigError, match=r"memory.embedder = 'Whole': it knows whole texts only.*minilm"):
        make("offers", "entries", {}, "controller.offers", context(embedder=Whole()))


@pytest.mark.parametrize(
    ("name", "first"), [("bm25", "a1"), ("dense", "a1"), ("rrf", "a1"), ("late_interaction", "a1")]
)
def test_a_rule_takes_what_its_measure_ranks_highest(name: str, first: str):
    offers, memory = entries(), archive(*TOLD)
    table = TextTable(HashEmbedder(4))
    rule = make(
        "controller", name, {}, "controller.name",
        ControllerContext(table=table, seed=0, plan=lambda task: {}, names=offers.names),
    )  # fmt: skip
    text = "Where is the brass lantern in the attic?"
    [found] = offers.offers([asked(memory, text=text)])
    request = ControllerRequest(
        observation=question(text), offers=found, memory=memory, table=table,
        task=Task(env="e", theta=None, seed=0), rng=np.random.default_rng(0),
    )  # fmt: skip
    assert rule.decide([request])[0].action.ids == (first,)


def test_memories_that_grow_apart_from_a_common_start_are_described_as_if_alone():
    offers = entries()
    one, other = archive(*TOLD[:3]), archive(*TOLD[:3])
    offers.offers([asked(one), asked(other)])
    for step, text in enumerate(("Theo: the lantern is mine.", "Mara: no lantern, no light.", "Theo: soup"), 3):
        one.apply(Write(text, "archive"), Stamp(step=step, observation_id=f"x{step}"))
        other.apply(Write(text.upper(), "archive"), Stamp(step=step, observation_id=f"y{step}"))
        for memory in (one, other):
            [grown], [alone] = offers.offers([asked(memory)]), entries().offers([asked(memory)])
            assert grown.ops == alone.ops and (grown.numbers == alone.numbers).all()


def test_an_entry_that_is_gone_is_not_looked_at_any_more():
    offers, memory = entries(), archive(*TOLD)
    offers.offers([asked(memory)])
    memory.apply(Forget("a1"))
    memory.apply(Write("Mara: one more", "archive"), Stamp(step=8, observation_id="o8"))
    [grown], [alone] = offers.offers([asked(memory)]), entries().offers([asked(memory)])
    assert ("a1",) not in {op.ids for op in grown.ops[1:]}
    assert grown.ops == alone.ops and (grown.numbers == alone.numbers).all()


def test_of_very_many_entries_only_the_promising_are_compared_token_by_token(monkeypatch):
    monkeypatch.setattr("memrl.controllers.entry_features.WHOLE", 16)
    monkeypatch.setattr("memrl.controllers.entry_features.MOST_PROMISING", 8)
    memory = archive(*(f"Theo: day {n} brought word {n * 7} of soup" for n in range(40)), *TOLD)
    [found] = entries(candidates=4).offers([asked(memory)])
    texts = [memory.get(op.ids[0]).text for op in found.ops[1:]]
    assert {TOLD[0], TOLD[4]} <= set(texts)
