"""Offers, network and unlearned rows for a memory that must choose what it is worth to hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import memrl
from memory_stores.embed import HashEmbedder
from memory_stores.memory import AgentMemory
from memory_stores.token_store import TokenStore
from memory_stores.types import Forget, Keep, Overwrite, Stamp, Write
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import ControllerRequest, OfferRequest
from memrl.contracts.texts import TextTable
from memrl.contracts.types import Observation, OfferSet, Task
from memrl.controllers.arrivals import ARRIVAL_NAMES, Arrivals
from memrl.controllers.kept_longest import Longest
from memrl.controllers.kept_novel import Novel
from memrl.controllers.worth import Worth, WorthOptions
from memrl.controllers.worth_offers import WORTH_NAMES, WorthOffers
from memrl.recipes import recipe
from memrl.rollouts.scheduler import play
from memrl.training.build import build_agent
from memrl.training.run_folder import load_run

SMALL = str(Path(__file__).parents[1] / "streams" / "small.jsonl")


def words(text: str) -> int:
    return len(text.split())


def told(step: int, text: str, asks: bool = False) -> Observation:
    return Observation(id=f"o{step}", step=step, content=text, wants_action=asks, writable=not asks, source="ann")


class World:
    """A memory of some words, and offers for it."""

    def __init__(self, budget: int = 8) -> None:
        self.table = TextTable(HashEmbedder(16))
        self.offers = WorthOffers(self.table, words)
        self.memory = AgentMemory(token=TokenStore(budget, words), graph=None, archive=None)

    def moment(self, observation: Observation, reads: bool = False) -> OfferSet:
        [found] = self.offers.offers([OfferRequest(self.memory, observation, reads)])
        return found

    def write(self, step: int, text: str) -> None:
        offers = self.moment(told(step, text))
        assert offers.ops == (Keep(), Write(text))
        assert self.memory.apply(Write(text), Stamp(observation_id=f"o{step}", step=step)).done

    def request(self, observation: Observation) -> ControllerRequest:
        task, rng = Task(env="x", theta=None, seed=0), np.random.default_rng(0)
        offers = self.moment(observation)
        return ControllerRequest(
            observation=observation, offers=offers, memory=self.memory, table=self.table, task=task, rng=rng
        )


def test_a_write_where_there_is_room_and_who_leaves_where_there_is_none():
    world = World()
    world.write(0, "one two three four five")
    world.write(1, "six seven")
    offers = world.moment(told(2, "a b c"))
    assert offers.ops == (Keep(), Overwrite("t1", "a b c"), Overwrite("t2", "a b c"))
    offers = world.moment(told(3, "a b c d"))
    assert offers.ops == (Keep(), Overwrite("t1", "a b c d"), Forget("t2"))
    enough = offers.numbers[:, WORTH_NAMES.index("fits")]
    assert enough.tolist() == [0.0, 1.0, 0.0]
    assert offers.numbers[:, WORTH_NAMES.index("age")] == pytest.approx([0.0, 3 / 500, 2 / 500])
    assert offers.rows[:, 2].tolist() == [-1, world.table.row("one two three four five"), world.table.row("six seven")]


def test_nothing_but_keep_is_on_offer_where_nothing_can_be_written():
    world = World()
    world.write(0, "one two")
    for observation, reads in ((told(0, "one two"), False), (told(1, "a " * 9), False), (told(2, "who?", True), True)):
        offers = world.moment(observation, reads)
        assert offers.ops == (Keep(),)
        assert offers.numbers.shape == (1, len(WORTH_NAMES))


def test_numbers_of_an_arrival_by_hand():
    arrivals = Arrivals(TextTable(HashEmbedder(16)))
    first = arrivals.arrive(told(0, "Fern: The Bell rang 12 times!"), 6)
    second = arrivals.arrive(told(1, "Fern: why the bell?"), 4)
    assert arrivals.arrive(told(0, "Fern: The Bell rang 12 times!"), 6) == first
    own = dict(zip(ARRIVAL_NAMES, arrivals.lines[second].tolist(), strict=True))
    assert own["asks"] == 1.0
    assert own["digits"] == 0.0
    assert own["same_source"] == 1.0
    assert own["same_start"] == 0.25  # one word
    assert own["shared"] == 0.75  # fern, the, bell of four
    assert own["new_words"] == pytest.approx(0.1)
    assert own["tokens"] == pytest.approx(0.08)
    before = dict(zip(ARRIVAL_NAMES, arrivals.lines[first].tolist(), strict=True))
    assert before["digits"] == 0.5
    assert before["calls"] == 1.0
    assert before["cosine_last"] == 0.0
    strange = arrivals.of("elsewhere", "Fern: why the bell?", 4)
    assert arrivals.lines[strange][:7] == pytest.approx(arrivals.lines[second][:7])
    assert not arrivals.lines[strange][7:].any()


def test_a_score_is_the_worth_of_the_new_text_less_that_of_the_one_that_leaves():
    world = World()
    world.write(0, "one two three four five")
    world.write(1, "six seven")
    controller = Worth(world.table, WorthOptions(width=4, hidden=8, bias=4.0), 0, WORTH_NAMES)
    net = controller.net
    with torch.no_grad():
        texts = net.texts(torch.from_numpy(world.table.matrix))
        swap = world.moment(told(2, "a b c"))
        texts = net.texts(torch.from_numpy(world.table.matrix))
        scores = net(texts, torch.from_numpy(swap.rows), torch.from_numpy(swap.numbers))
        alone = net(texts, torch.from_numpy(swap.rows), torch.from_numpy(swap.numbers * (np.arange(36) != 1)))
    assert scores[0] == 0.0
    gap = scores[1] - scores[2]  # worth(six seven) - worth(one two three four five)
    assert gap == pytest.approx(float((alone[1] - scores[1] - 4) * -1 + (alone[2] - scores[2] - 4)), abs=1e-5)
    with pytest.raises(ConfigError, match=r"controller\.options\.spread"):
        WorthOptions(spread=0.0)


def test_unlearned_rows_let_the_shortest_and_the_most_redundant_go():
    world = World()
    world.write(0, "one two three four five")
    world.write(1, "six seven")
    request = world.request(told(2, "a b c"))
    assert request.offers.op(Longest().choose([request])[0].index) == Overwrite("t2", "a b c")
    short = world.request(told(3, "six eight"))
    assert short.offers.op(Longest().choose([short])[0].index) == Keep()
    same = world.request(told(3, "six seven"))
    assert same.offers.op(Novel().choose([same])[0].index) == Overwrite("t2", "six seven")


def small(tmp_path: Path, **knobs):
    return recipe(
        "writing",
        steps=2,
        env={"options": {"data": SMALL}},
        memory={"token_budget": 24, "read_budget": 24, "embedder": "hash"},
        controller={"options": {"width": 4, "hidden": 8}},
        rollout={"tasks": 2, "group_size": 4},
        out=str(tmp_path / "run"),
        **knobs,
    )


def test_the_recipe_learns_and_gives_the_same_bytes_twice(tmp_path: Path):
    runs = [memrl.train(replace(small(tmp_path), out=str(tmp_path / name))) for name in "ab"]
    states = [load_run(run)[1]["controller"]["net"] for run in runs]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    fresh = build_agent(small(tmp_path)).controller.state_dict()["net"]
    assert any(not torch.equal(states[0][name], fresh[name]) for name in fresh)


def test_the_budget_holds_and_a_batch_changes_no_choice(tmp_path: Path):
    agent = build_agent(small(tmp_path))
    tasks = [agent.task_source.train(agent.task_source.cells()[-1], seed) for seed in range(3)]
    together = play(agent, tasks, [0, 1, 0])
    alone = [play(agent, [task], [0, 1, 0])[0] for task in tasks[:1]]
    first = [d.action for d in together[0].episodes[0].decisions]
    assert first == [d.action for d in alone[0].episodes[0].decisions]
    for group in together:
        for episode in group.episodes:
            for step in episode.steps:
                assert sum(agent.count_tokens(line.text) for line in step.view) <= 24


def test_other_offers_are_refused_by_name(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"controller\.name"):
        build_agent(replace(small(tmp_path), controller=replace(small(tmp_path).controller, offers="ops")))
    with pytest.raises(ConfigError, match=r"memory\.graph_budget"):
        build_agent(replace(small(tmp_path), memory=replace(small(tmp_path).memory, graph_budget=8)))
