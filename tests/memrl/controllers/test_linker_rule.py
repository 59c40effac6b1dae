"""The row "linker_rule", on memories small enough to count by hand. A word is a token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from toy import count_words

from memory_stores.embed import HashEmbedder
from memory_stores.graph_store import GraphStore
from memory_stores.memory import AgentMemory
from memory_stores.pattern_linker import PatternLinker
from memory_stores.token_store import TokenStore
from memory_stores.types import Stamp, Write
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import ControllerRequest, OfferRequest
from memrl.contracts.texts import TextTable
from memrl.contracts.types import Observation, Task
from memrl.controllers.linker_rule import NUMBERS, LinkerRule
from memrl.controllers.offers import OpOffers
from memrl.evaluate import evaluate_agent
from memrl.recipes import recipe
from memrl.testing import check_controller
from memrl.training.build import build_agent

TABLE = TextTable(HashEmbedder(16))
OFFERS = OpOffers(TABLE, count_words, PatternLinker(), edges=True)
AT = tuple(map(OFFERS.names.index, NUMBERS))
ATTIC, CELLAR, SHED = (f"The lantern is in the {place}" for place in ("attic", "cellar", "shed"))
KETTLE, ROPE = "The kettle is in the cellar", "The rope is in the barn"
"""Six words each."""


def tell(rule: LinkerRule, memory: AgentMemory, texts: Sequence[str], first: int = 0) -> int:
    """Tell every text in turn, as the rollout does; how many ops were carried out."""
    done = 0
    for step, text in enumerate(texts, start=first):
        for count in range(8):
            observation = Observation(id=f"o{step}", step=step, content=text)
            offers = OFFERS.writes(OfferRequest(memory, observation, False, count))
            request = ControllerRequest(
                observation=observation, offers=offers, memory=memory, table=TABLE,
                task=Task(env="toy", theta=None, seed=0), rng=np.random.default_rng(0), count=count,
            )  # fmt: skip
            [choice] = rule.choose([request])
            if choice.index == 0:
                break
            assert memory.apply(offers.op(choice.index), Stamp(step=step, observation_id=observation.id)).done
            done += 1
    return done


def told(rule: LinkerRule, budget: int, *texts: str) -> list[str]:
    """What is held after so many texts, from nothing."""
    memory = AgentMemory(token=TokenStore(budget, count_words))
    tell(rule, memory, texts)
    return [entry.text for entry in memory.entries()]


def test_what_states_nothing_is_left():
    assert told(LinkerRule(AT), 20, "We had soup for lunch", ATTIC, "Where did the day go") == [ATTIC]


def test_what_speaks_of_the_same_takes_the_place_of_what_is_held():
    assert told(LinkerRule(AT), 30, ATTIC, KETTLE, CELLAR) == [KETTLE, CELLAR]
    # At its place too where there is room for both, and of the same thing alone.
    assert told(LinkerRule(AT), 60, ATTIC, KETTLE, CELLAR, SHED) == [KETTLE, SHED]


def test_a_full_memory_of_live_facts_takes_in_no_more_unless_the_oldest_may_leave():
    assert told(LinkerRule(AT), 12, ATTIC, KETTLE, ROPE) == [ATTIC, KETTLE]
    assert told(LinkerRule(AT, live_leave=True), 12, ATTIC, KETTLE, ROPE) == [KETTLE, ROPE]
    # An update is no new fact: it has the place of the old one.
    assert told(LinkerRule(AT), 12, ATTIC, KETTLE, ROPE, SHED) == [KETTLE, SHED]


def full(*texts: str) -> AgentMemory:
    memory = AgentMemory(token=TokenStore(6 * len(texts), count_words))
    for step, text in enumerate(texts):
        assert memory.apply(Write(text), Stamp(step=step, observation_id=f"o{step}")).done
    return memory


@pytest.mark.parametrize("live_leave", [False, True])
def test_what_is_out_of_date_leaves_first_then_what_states_nothing(live_leave: bool):
    memory, rule = full(KETTLE, "We had soup today for lunch", ATTIC, CELLAR), LinkerRule(AT, live_leave)
    assert tell(rule, memory, [ROPE], first=4) == 1
    assert [entry.text for entry in memory.entries()] == [KETTLE, "We had soup today for lunch", CELLAR, ROPE]
    assert tell(rule, memory, ["The ladder is in the barn"], first=5) == 1
    assert [entry.text for entry in memory.entries()] == [KETTLE, CELLAR, ROPE, "The ladder is in the barn"]


def test_nothing_is_given_up_for_what_still_would_not_fit():
    # Out of date are six words of 18; seven more are needed than are free.
    memory = full(KETTLE, ATTIC, CELLAR)
    assert tell(LinkerRule(AT), memory, ["Now the rope is in the old barn"], first=3) == 0
    # With live facts to give up, the outdated one and then the oldest go.
    assert tell(LinkerRule(AT, live_leave=True), memory, ["Now the rope is in the old barn"], first=3) == 2
    assert [entry.text for entry in memory.entries()] == [CELLAR, "Now the rope is in the old barn"]


def test_a_longer_word_on_the_same_thing_gives_it_up_for_good_or_not_at_all():
    memory, longer = full(ATTIC, KETTLE), "By now the lantern is in the old shed"
    assert tell(LinkerRule(AT), memory, [longer], first=2) == 0
    assert [entry.text for entry in memory.entries()] == [ATTIC, KETTLE]


def test_edges_come_first_and_a_sentence_is_kept_where_they_have_no_room():
    memory = AgentMemory(token=TokenStore(12, count_words), graph=GraphStore(3, count_words))
    tell(LinkerRule(AT), memory, [ATTIC, KETTLE])
    assert [entry.text for entry in memory.entries()] == [KETTLE, "lantern in attic"]
    tell(LinkerRule(AT), memory, [SHED], first=2)
    assert [entry.text for entry in memory.entries()] == [KETTLE, "lantern in shed"]
    memory = AgentMemory(graph=GraphStore(3, count_words))
    tell(LinkerRule(AT, live_leave=True), memory, [ATTIC, KETTLE])
    assert [entry.text for entry in memory.entries()] == ["kettle in cellar"]


def test_it_keeps_the_promises_of_a_controller_and_says_what_it_needs():
    check_controller("linker_rule", {"live_leave": True}, linker="pattern")
    check_controller("linker_rule", offers="entries", linker="pattern")
    with pytest.raises(ConfigError, match=r"memory.linker = 'none': linker_rule goes by what a linker finds"):
        check_controller("linker_rule")
    with pytest.raises(ConfigError, match=r"controller.offers = 'linker_rule': .* take offers 'ops'"):
        check_controller("linker_rule", offers="worth", linker="pattern")


def test_it_is_a_row_of_any_evaluation_with_a_linker():
    world = {"horizon": 24, "objects": 3, "places": 5, "questions": 4, "delay": 3}
    config = recipe(
        "natural", env={"options": world}, memory={"embedder": "hash", "linker": "pattern", "token_budget": 24},
        policy={"options": {}}, controller={"options": {"features": 0, "heads": 0, "width": 4, "hidden": 8}},
    )  # fmt: skip
    report = evaluate_agent(build_agent(config), config, rows=["linker_rule", "none"], episodes=4)
    success = {row.controller: row.success for row in report.rows}
    assert success["linker_rule"] > success["none"] == 0.0
    bare = replace(config, memory=replace(config.memory, linker="none"))
    with pytest.raises(ConfigError, match=r"memory.linker"):
        evaluate_agent(build_agent(bare), bare, rows=["linker_rule"], episodes=1)
