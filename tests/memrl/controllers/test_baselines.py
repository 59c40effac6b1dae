"""The unlearned controllers, on memories small enough to count by hand. A word is a token."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from toy import count_words

from memory_stores.bm25_store import Bm25Store
from memory_stores.embed import HashEmbedder
from memory_stores.graph_store import GraphStore
from memory_stores.memory import AgentMemory
from memory_stores.token_store import TokenStore
from memory_stores.types import (
    Forget,
    Keep,
    Link,
    MemoryOp,
    Overwrite,
    Relink,
    Retrieve,
    Stamp,
    Unlink,
    Write,
)
from memrl.contracts.protocols import Controller, ControllerRequest, OfferRequest
from memrl.contracts.texts import TextTable
from memrl.contracts.types import Observation, OfferSet, Task
from memrl.controllers.fifo import Fifo
from memrl.controllers.lru import Lru
from memrl.controllers.none import NoWrites
from memrl.controllers.offers import OpOffers
from memrl.controllers.oracle import OracleKeeper
from memrl.controllers.similarity import Similarity
from memrl.controllers.uniform_random import UniformRandom
from memrl.controllers.window import Window

TASK = Task(env="toy", theta=None, seed=0)
TABLE = TextTable(HashEmbedder(64))
PROPOSER = OpOffers(TABLE, count_words)
RULES = [NoWrites(), Fifo(), Window(), Lru(), Similarity(), OracleKeeper(lambda task: {"o9": 99})]


def request(
    memory: AgentMemory,
    ops: Sequence[MemoryOp] | OfferSet,
    text: str = "new text",
    step: int = 9,
    count: int = 0,
    asks: bool = False,
    seed: int = 0,
) -> ControllerRequest:
    if not isinstance(ops, OfferSet):
        empty = np.zeros((len(ops), 1), dtype=np.float32)
        ops = OfferSet(ops=tuple(ops), rows=np.full((len(ops), 3), -1, dtype=np.int64), numbers=empty)
    observation = Observation(id=f"o{step}", step=step, content=text, wants_action=asks, writable=not asks)
    rng = np.random.default_rng(seed)
    return ControllerRequest(
        observation=observation, offers=ops, memory=memory, table=TABLE, task=TASK, rng=rng, count=count
    )


def chosen(controller: Controller, asked: ControllerRequest) -> MemoryOp:
    [choice] = controller.choose([asked])
    return asked.offers.ops[choice.index]


def tokens(budget: int) -> AgentMemory:
    return AgentMemory(token=TokenStore(budget, count_words))


def tell(controller: Controller, memory: AgentMemory, texts: Sequence[str], max_ops: int = 8, first: int = 0) -> int:
    """Tell every text in turn, as the rollout does; how many ops were carried out."""
    done = 0
    for step, text in enumerate(texts, start=first):
        for count in range(max_ops):
            observation = Observation(id=f"o{step}", step=step, content=text)
            offers = PROPOSER.writes(OfferRequest(memory, observation, False, count))
            op = chosen(controller, request(memory, offers, text, step, count))
            if isinstance(op, Keep):
                break
            result = memory.apply(op, Stamp(step=step, observation_id=observation.id))
            assert result.done, result
            done += 1
    return done


def texts_of(memory: AgentMemory) -> list[str]:
    return [entry.text for entry in memory.entries()]


def edges(budget: int, *triples: tuple[str, str, str]) -> AgentMemory:
    graph = GraphStore(budget, count_words)
    for step, triple in enumerate(triples):
        assert graph.apply(Link(*triple), Stamp(step=step, observation_id=f"o{step}")).done
    return AgentMemory(graph=graph)


def test_none_keeps_whatever_is_told() -> None:
    memory = tokens(10)
    assert tell(NoWrites(), memory, ["a b", "c d"]) == 0
    assert len(memory) == 0


@pytest.mark.parametrize("controller", [Fifo(), Window(), Lru()], ids=["fifo", "window", "lru"])
def test_of_equal_lengths_the_newest_stay(controller: Controller) -> None:
    memory = tokens(6)
    assert tell(controller, memory, ["a a", "b b", "c c", "d d", "e e"]) == 5
    assert texts_of(memory) == ["c c", "d d", "e e"]


def test_fifo_forgets_one_item_and_then_skips_what_still_does_not_fit() -> None:
    # Without "a" and in the place of "b b" five words would still make 7 tokens of 6.
    memory = tokens(6)
    tell(Fifo(), memory, ["a", "b b", "c", "d"])
    assert tell(Fifo(), memory, ["x x x x x"], first=4) == 1
    assert texts_of(memory) == ["b b", "c", "d"]
    # Two tokens are free. Overwriting "b b" makes room for four.
    assert tell(Fifo(), memory, ["y y y y"], first=5) == 1
    assert texts_of(memory) == ["c", "d", "y y y y"]


def test_fifo_forgets_the_oldest_and_overwrites_the_next() -> None:
    memory = tokens(6)
    tell(Fifo(), memory, ["a", "b b b", "c c"])
    assert tell(Fifo(), memory, ["x x x x"], first=3) == 2
    assert texts_of(memory) == ["c c", "x x x x"]


def test_window_holds_the_newest_whatever_their_length() -> None:
    memory = tokens(6)
    tell(Window(), memory, ["a", "b b", "c", "d", "x x x x x"])
    assert texts_of(memory) == ["d", "x x x x x"]


@pytest.mark.parametrize("controller", [Fifo(), Window(), Lru(), Similarity()])
def test_a_text_beyond_the_whole_budget_costs_nothing(controller: Controller) -> None:
    memory = tokens(4)
    tell(controller, memory, ["a b", "c d"])
    assert tell(controller, memory, ["one two three four five"], first=2) == 0
    assert texts_of(memory) == ["a b", "c d"]


def test_lru_spares_what_was_retrieved() -> None:
    memory = tokens(6)
    tell(Lru(), memory, ["red lamp", "blue bike", "green hat"])
    assert memory.apply(Retrieve("red", "token", 1), Stamp(step=3)).hits[0].text == "red lamp"
    tell(Lru(), memory, ["gold ring", "old coat"], first=4)
    # "blue bike" was written before "red lamp" was used, "green hat" too.
    assert texts_of(memory) == ["red lamp", "gold ring", "old coat"]


def test_similarity_overwrites_the_nearest_from_the_threshold_on() -> None:
    memory = tokens(20)
    tell(Similarity(), memory, ["the lamp is in the hall", "we had soup for lunch", "the lamp is in the attic"])
    assert texts_of(memory) == ["we had soup for lunch", "the lamp is in the attic"]


def test_similarity_below_the_threshold_adds_while_there_is_room_and_then_overwrites_the_nearest() -> None:
    story = ["the lamp is in the hall", "we had soup for lunch"]
    memory = tokens(17)
    tell(Similarity(threshold=1.1), memory, [*story, "the lamp is in the attic"])
    assert len(memory) == 3
    tell(Similarity(threshold=1.1), memory, ["we had pie for lunch"], first=3)
    assert texts_of(memory) == ["the lamp is in the hall", "the lamp is in the attic", "we had pie for lunch"]


def test_random_draws_every_offer_as_often_and_says_how_likely() -> None:
    ops = [Keep(), Write("x"), Forget("t1"), Forget("t2")]
    requests = [request(tokens(9), ops, seed=seed) for seed in range(400)]
    choices = UniformRandom().choose(requests)
    assert {choice.logprob for choice in choices} == {-math.log(4)}
    counts = np.bincount([choice.index for choice in choices], minlength=4)
    # Binomial(400, 1/4): mean 100, standard deviation 8.7.
    assert counts.min() > 65
    assert counts.max() < 135
    again = UniformRandom().choose([request(tokens(9), ops, seed=seed) for seed in range(400)])
    assert again == choices


@pytest.mark.parametrize("controller", RULES, ids=lambda rule: type(rule).__name__)
def test_a_rule_retrieves_the_most_when_it_is_asked(controller: Controller) -> None:
    ops = [Keep(), Retrieve("q", "archive", 1), Retrieve("q", "archive", 4), Retrieve("q", "graph", 4)]
    asked = request(tokens(9), ops, asks=True)
    expected = Keep() if isinstance(controller, NoWrites) else ops[2]
    assert chosen(controller, asked) == expected
    assert chosen(controller, request(tokens(9), [Keep(), Write("q")], asks=True)) == Keep()


@pytest.mark.parametrize("controller", RULES, ids=lambda rule: type(rule).__name__)
def test_a_rule_is_certain_and_has_no_state(controller: Controller) -> None:
    [choice] = controller.choose([request(tokens(9), [Keep()])])
    assert choice == (0, 0.0)
    assert controller.version == 0
    assert controller.state_dict() == {}
    controller.load_state_dict({})


def test_a_free_link_comes_before_one_that_needs_room() -> None:
    memory = edges(6, ("ana", "has", "lamp"))
    ops = [Keep(), Link("ben", "has", "hat")]
    assert chosen(Fifo(), request(memory, ops)) == ops[1]


def test_a_full_graph_loses_its_oldest_edge_first() -> None:
    memory = edges(6, ("ana", "has", "lamp"), ("ben", "has", "hat"))
    ops = [Keep(), Link("cid", "has", "bike"), Unlink("g2"), Unlink("g1")]
    assert chosen(Fifo(), request(memory, ops)) == Unlink("g1")


def test_a_graph_never_unlinks_what_this_observation_brought() -> None:
    memory = edges(3, ("ana", "has", "lamp"))
    ops = [Keep(), Link("cid", "has", "bike"), Unlink("g1")]
    assert chosen(Fifo(), request(memory, ops, step=0)) == Keep()


def test_the_oldest_rival_is_relinked_and_what_was_taken_back_unlinked_once() -> None:
    memory = edges(9, ("ana", "has", "lamp"), ("ana", "has", "hat"))
    ops = [Keep(), Relink("g2", "bike"), Relink("g1", "bike")]
    assert chosen(Fifo(), request(memory, ops)) == Relink("g1", "bike")
    taken_back = [Keep(), Unlink("g1")]
    assert chosen(Fifo(), request(memory, taken_back)) == Unlink("g1")
    assert chosen(Fifo(), request(memory, taken_back, count=1)) == Keep()


def test_every_store_is_used_before_the_step_is_closed() -> None:
    memory = AgentMemory(
        token=TokenStore(4, count_words), graph=GraphStore(9, count_words), archive=Bm25Store(9, count_words)
    )
    ops = [Keep(), Write("new text"), Write("new text", "archive"), Link("new", "is", "text")]
    taken = []
    for count in range(4):
        left = [op for op in ops if op not in taken]
        op = chosen(Fifo(), request(memory, left, count=count))
        memory.apply(op, Stamp(step=9, observation_id="o9"))
        taken.append(op)
    assert taken == [ops[1], ops[3], ops[2], Keep()]
    assert chosen(Fifo(), request(memory, ops[:1] + ops[2:3], count=3)) == Keep()


def oracle(plan: Mapping[str, int]) -> OracleKeeper:
    return OracleKeeper(lambda task: plan)


def test_the_oracle_writes_only_what_is_needed_later() -> None:
    memory = tokens(9)
    tell(oracle({"o1": 5, "o3": 8}), memory, ["a", "b", "c", "d"])
    assert texts_of(memory) == ["b", "d"]


def test_the_oracle_overwrites_what_is_needed_no_more() -> None:
    memory = tokens(4)
    keeper = oracle({"o0": 9, "o1": 2, "o3": 9})
    assert tell(keeper, memory, ["a a", "b b", "c c", "d d"]) == 3
    assert texts_of(memory) == ["a a", "d d"]


def test_the_oracle_forgets_several_to_make_room_for_one() -> None:
    memory = tokens(5)
    keeper = oracle({"o0": 2, "o1": 2, "o2": 9, "o3": 9})
    assert tell(keeper, memory, ["a", "b", "c", "d d d d"]) == 5
    assert texts_of(memory) == ["c", "d d d d"]


def test_the_oracle_gives_nothing_up_for_what_cannot_fit() -> None:
    memory = tokens(4)
    keeper = oracle({"o0": 9, "o1": 1, "o2": 9})
    assert tell(keeper, memory, ["a a", "b", "x x x x"]) == 2
    assert texts_of(memory) == ["a a", "b"]


def test_the_oracle_prefers_edges_and_never_relinks_what_is_still_needed() -> None:
    memory = AgentMemory(token=TokenStore(9, count_words), graph=edges(9, ("ana", "has", "lamp")).graph)
    ops = [Keep(), Write("new text"), Relink("g1", "bike")]
    assert chosen(oracle({"o0": 5, "o9": 12}), request(memory, ops)) == ops[2]
    assert chosen(oracle({"o0": 15, "o9": 12}), request(memory, ops)) == ops[1]
    link = [Keep(), Write("new text"), Link("cid", "has", "bike")]
    assert chosen(oracle({"o9": 12}), request(memory, link)) == link[2]


def test_the_oracle_unlinks_what_is_stale_when_the_graph_is_full() -> None:
    memory = edges(6, ("ana", "has", "lamp"), ("ben", "has", "hat"))
    ops = [Keep(), Link("cid", "has", "bike"), Unlink("g1"), Unlink("g2")]
    assert chosen(oracle({"o0": 20, "o9": 20}), request(memory, ops)) == Unlink("g2")
    assert chosen(oracle({"o0": 20, "o1": 20, "o9": 20}), request(memory, ops)) == Keep()


def test_the_oracle_plans_each_task_once() -> None:
    planned: list[Task] = []

    def plan(task: Task) -> dict[str, int]:
        planned.append(task)
        return {}

    tell(OracleKeeper(plan), tokens(9), ["a", "b", "c"])
    assert planned == [TASK]


def test_overwrite_is_taken_only_of_the_victim() -> None:
    # "c c c" may stand in for "b b b", but "a" is older: it goes first, and then "b b b".
    memory = tokens(4)
    tell(Fifo(), memory, ["a", "b b b"])
    offers = PROPOSER.writes(OfferRequest(memory, request(memory, [Keep()], "c c c").observation, False))
    assert Overwrite("t2", "c c c") in offers.ops
    assert chosen(Fifo(), request(memory, offers, "c c c")) == Forget("t1")
