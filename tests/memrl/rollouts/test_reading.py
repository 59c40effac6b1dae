"""Readings one after the other in play, and what goes to the archive by itself."""

from dataclasses import replace
from pathlib import Path

import pytest
from toy import TASK, Echo, Taker, ToyTasks, count_words, toy_agent

from memory_stores.bm25_store import Bm25Store
from memory_stores.embed import HashEmbedder
from memory_stores.memory import AgentMemory
from memory_stores.types import Keep, Retrieve, Write
from memrl.advantages.credit import give_credit
from memrl.contracts.config import CreditConfig, MemoryConfig
from memrl.contracts.contexts import OffersContext
from memrl.contracts.errors import ConfigError
from memrl.contracts.registry import make
from memrl.contracts.types import ARCHIVIST, Episode, Group, OpDecision
from memrl.rollouts.replay import memory_after
from memrl.rollouts.scheduler import play
from memrl.training.build import build_memory

STORY = ("Ana put the lantern away.", "It rained.", "Ana went home.", "Where is the lantern, Ana?", "Did it rain?")


def reading_agent(controller, max_reads: int = 8, room: int = 8, story=STORY, read=None):
    agent = toy_agent(ToyTasks(story), controller)
    source = agent.task_source
    source.passive = True
    context = OffersContext(
        table=agent.table, count_tokens=count_words, linker=None, edges=False,
        subjects=False, cache=Path(),
    )  # fmt: skip
    return replace(
        agent,
        offers=make("offers", "entries", {}, "controller.offers", context),
        new_memory=lambda: AgentMemory(archive=Bm25Store(100, count_words)),
        read_budget=room,
        max_reads=max_reads,
        archive_all=True,
    )


def played(agent) -> Episode:
    [group] = play(agent, [TASK], [0], tries=1)
    return group.episodes[0]


def readings(step) -> list[tuple[str, ...]]:
    return [d.action.ids if isinstance(d.action, Retrieve) else () for d in step.decisions if isinstance(d, OpDecision)]


def test_reading_goes_on_until_the_budget_is_full():
    first, second = played(reading_agent(Taker(Retrieve))).steps[3:]
    # 5 + 2 + 3 words are archived, 8 fit: after two readings nothing more does.
    assert len(readings(first)) == 2 and len(first.view) == 2
    assert sum(count_words(line.text) for line in first.view) <= 8
    assert len(second.view) == 2


def test_keep_and_the_limit_end_it():
    assert [len(step.view) for step in played(reading_agent(Taker())).steps[3:]] == [0, 0]
    assert [readings(step) for step in played(reading_agent(Taker())).steps[3:]] == [[()], [()]]
    assert [len(step.view) for step in played(reading_agent(Taker(Retrieve), max_reads=1)).steps[3:]] == [1, 1]


def test_what_is_archived_by_itself_is_recorded_and_asks_nobody():
    episode = played(reading_agent(Taker(Write)))
    for step in episode.steps[:3]:
        [decision] = step.decisions
        assert decision.actor == ARCHIVIST and decision.ops == (Write(step.observation.text, "archive"),)
    assert not any(d.actor == ARCHIVIST for step in episode.steps[3:] for d in step.decisions)


def test_a_replay_archives_again():
    agent = reading_agent(Taker(Retrieve))
    memory = memory_after(played(agent), agent)
    assert memory.archive is not None
    assert [item.text for item in memory.archive.entries()] == list(STORY[:3])


def test_archiving_by_itself_needs_an_archive():
    with pytest.raises(
        ConfigError, match=r"memory.archive_all = True: there is no archive; give memory.archive_budget"
    ):
        build_memory(MemoryConfig(archive_all=True), count_words, HashEmbedder(4))


class Picks(Taker):
    """Reads the given entries for the first question, nothing for the second."""

    def __init__(self, *ids: str) -> None:
        super().__init__()
        self._ids = ids

    def _pick(self, request):
        wanted = self._ids[request.count] if request.observation.id == "o3" and request.count < len(self._ids) else ""
        ops = request.offers.ops
        return next((i for i, op in enumerate(ops) if isinstance(op, Retrieve) and op.ids == (wanted,)), 0)


class Two(ToyTasks):
    """The first question rests on the first and the third text, the second on nothing that anybody knows."""

    passive = True

    def blame(self, task, question_id, held):
        return frozenset({"o0", "o2"} if question_id == "o3" else ()) - held


def test_credit_for_readings_by_hand():
    def tried(*ids: str) -> Episode:
        agent = reading_agent(Picks(*ids), room=20)
        return played(replace(agent, task_source=Two(STORY), policy=Echo()))

    # phi is 0, 0.25 with half of the evidence, 1 with all of it.
    both, one = tried("a1", "a2", "a3"), tried("a2", "a3")
    agent = replace(reading_agent(Taker()), task_source=Two(STORY))
    config = CreditConfig(name="reading", options={"share": 0.5, "discount": 0.5})
    credits = give_credit([Group(task=TASK, episodes=(both, one))], config, agent)
    # R of the first try: readings 3, 2, 1 earn 0.75, 0 + 0.375, 0.25 + 0.1875. Of the other: Keep 0, 0.25, 0 + 0.125.
    earned = ([0.4375, 0.375, 0.75], [0.125, 0.25, 0.0])
    for credit, own, other in zip(credits, earned, earned[::-1], strict=True):
        at = [i for i, d in enumerate(credit.episode.decisions) if isinstance(d, OpDecision)]
        first_question = credit.advantages[at][:3]
        assert first_question == pytest.approx([a - b for a, b in zip(own, other, strict=True)])


def test_an_edge_that_is_read_earns_what_its_text_is_worth_only_where_edges_tell_all():
    agent = replace(reading_agent(Picks("a1", "a3"), room=20), task_source=Two(STORY), policy=Echo())
    texts = played(agent)
    ask = texts.steps[3]
    view = tuple(replace(line, store="graph") if line.entry_id == "a1" else line for line in ask.view)
    edge = replace(texts, steps=(*texts.steps[:3], replace(ask, view=view), *texts.steps[4:]))
    config = CreditConfig(name="reading", options={"share": 0.5, "discount": 0.5})

    def first_reading(source: Two) -> float:
        credits = give_credit([Group(task=TASK, episodes=(texts, edge))], config, replace(agent, task_source=source))
        at = next(
            i for i, d in enumerate(texts.decisions) if isinstance(d, OpDecision) and d.ops and d.actor != ARCHIVIST
        )
        return credits[0].advantages[at]

    class Telling(Two):
        edges_tell = True

    # Read as texts 0.25 + 0.75 / 2; where the first is an edge that tells nothing, 0 + 0.25 / 2.
    assert first_reading(Two(STORY)) == pytest.approx(0.625 - 0.125)
    assert first_reading(Telling(STORY)) == pytest.approx(0.0)


def test_keep_of_the_reader_is_a_decision_like_another():
    episode = played(reading_agent(Taker()))
    assert [type(d.action) for d in episode.steps[3].decisions if isinstance(d, OpDecision)] == [Keep]
