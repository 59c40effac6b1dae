"""A trained agent's own controller decides: it is never asked about what cannot fit, and what it turns down is said."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from toy import Taker, ToyTasks, toy_agent
from wrapped import Clock, agent_of

from memory_stores.types import Forget, Write
from memrl.agent import Fate, MemoryAgent
from memrl.agent.engine import Engine
from memrl.agent.ram import RamHome
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import PLAIN, OfferRequest
from memrl.contracts.types import Observation


def decided(*taken: type) -> MemoryAgent:
    """An agent whose controller takes the first offer of one of these kinds, else Keep."""
    agent = toy_agent(ToyTasks([]), Taker(*taken))
    return MemoryAgent(Engine(agent=agent, brief=PLAIN, keeps_all=False), RamHome(agent), clock=Clock())


def test_what_the_controller_writes_is_kept_and_what_it_leaves_is_said():
    assert decided(Write).observe("Ana has the lantern.").fate is Fate.KEPT
    left = decided().observe("Ana has the lantern.")
    assert left.fate is Fate.NOT_WORTH_KEEPING and not left and str(left) == "not worth keeping"


def test_an_observation_that_can_never_fit_changes_nothing():
    agent = decided(Forget, Write)
    budget = agent.memory.token.budget
    agent.observe("Ana has the lantern.")
    held = agent.memory.state_hash()
    longer = " ".join(f"word{number}" for number in range(budget + 1))
    offers = agent.engine.agent.offers
    observation = Observation(id="o9", step=9, content=longer)
    assert len(offers.offers([OfferRequest(agent.memory, observation, False)])[0]) == 1
    assert agent.memory.state_hash() == held


def test_a_text_that_is_longer_than_memory_is_cut_for_the_controller():
    agent = decided(Write)
    budget = agent.memory.token.budget
    seen = agent.observe(". ".join(["one two three"] * (budget // 2)))
    assert all(agent.memory.get(id).tokens <= budget for id in seen.ids)


def test_a_full_memory_is_told_apart_from_what_is_not_worth_keeping():
    agent = decided(Write)
    fates = [agent.observe(f"fact {number} is here").fate for number in range(6)]
    assert fates[:4] == [Fate.KEPT] * 4 and agent.memory.tokens_used == agent.memory.token.budget
    assert all(fate is not Fate.KEPT for fate in fates[4:])


def test_a_file_of_other_stores_is_named(tmp_path: Path):
    path = tmp_path / "run.json"
    decided(Write).memory.save(path)
    with pytest.raises(ConfigError, match=r"run\.json.*holds token memory, this model works on an archive"):
        agent_of(memory=path)
