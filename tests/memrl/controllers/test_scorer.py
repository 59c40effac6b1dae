"""What the learned scorer can and cannot tell apart."""

from __future__ import annotations

import numpy as np
import pytest

from memory_stores.embed import HashEmbedder
from memory_stores.memory import AgentMemory
from memory_stores.pattern_linker import PatternLinker
from memory_stores.token_store import TokenStore
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import ControllerRequest, OfferRequest
from memrl.contracts.texts import TextTable
from memrl.contracts.types import Observation, OfferSet, Task
from memrl.controllers.offers import OpOffers
from memrl.controllers.scorer import Scorer, ScorerOptions


def seen(table: TextTable, subjects: bool) -> tuple[AgentMemory, Observation, OfferSet]:
    memory = AgentMemory(token=TokenStore(16, lambda text: len(text.split())))
    observation = Observation(id="o1", step=1, content="Ana put the lantern in the attic.")
    proposer = OpOffers(table, lambda text: len(text.split()), PatternLinker(), subjects=subjects)
    return memory, observation, proposer.writes(OfferRequest(memory, observation, False))


@pytest.mark.parametrize("subjects", [False, True])
def test_only_with_subjects_does_the_score_depend_on_what_a_text_speaks_of(subjects: bool):
    table = TextTable(HashEmbedder(16))
    scorer = Scorer(table, ScorerOptions(width=4, hidden=8, subjects=subjects), seed=0)
    memory, observation, offers = seen(table, subjects=True)
    other = offers.rows.copy()
    other[:, 3] = table.row("donkey")

    def scores(rows: np.ndarray) -> np.ndarray:
        request = ControllerRequest(
            observation=observation, offers=OfferSet(ops=offers.ops, rows=rows, numbers=offers.numbers), memory=memory,
            table=table, task=Task(env="toy", theta={}, seed=0), rng=np.random.default_rng(0), greedy=True, count=0,
        )  # fmt: skip
        return scorer.offer_logprobs([request])[0]

    assert np.allclose(scores(offers.rows), scores(other)) is not subjects


def test_a_scorer_with_subjects_loads_its_own_state_and_no_other():
    table = TextTable(HashEmbedder(16))
    first = Scorer(table, ScorerOptions(width=4, hidden=8, subjects=True), seed=0)
    second = Scorer(table, ScorerOptions(width=4, hidden=8, subjects=True), seed=1)
    second.load_state_dict(first.state_dict())
    assert all(bool((a == b).all()) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    with pytest.raises(RuntimeError, match="subject"):
        Scorer(table, ScorerOptions(width=4, hidden=8), seed=0).load_state_dict(first.state_dict())


def test_a_prior_that_is_no_number_names_itself():
    with pytest.raises(ConfigError, match=r"controller.options.prior.read_keep = 'abc': it must be a number"):
        ScorerOptions(prior={"read_keep": "abc"})  # pyright: ignore[reportArgumentType]
