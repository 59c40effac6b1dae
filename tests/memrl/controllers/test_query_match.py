"""Tokens of a query by learned weights, and what entries of a story tell of their time and source."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from memory_stores.bm25_store import Bm25Store
from memory_stores.embed import HashEmbedder
from memory_stores.memory import AgentMemory
from memory_stores.types import Stamp, Write
from memrl.contracts.contexts import ControllerContext, OffersContext
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import ControllerRequest, OfferRequest
from memrl.contracts.registry import make
from memrl.contracts.texts import TextTable
from memrl.contracts.types import Observation, Task
from memrl.controllers.query_match import AS_WELL, MATCH, NEVER, SHARP, QueryMatch
from memrl.controllers.scorer import Scorer, ScorerOptions
from memrl.controllers.token_pool import SCALE, Bag

NAMES = ("bias", "read_age", "read_match_00", "read_match_01")
TOLD = ("Mara: the lantern is in the attic.", "Theo: soup again.", "Mara: the lantern is in the shed.", "Theo: rain.")


def offers(**options):
    context = OffersContext(
        table=TextTable(HashEmbedder(64)), count_tokens=lambda text: len(text.split()), linker=None, edges=False,
        subjects=False, cache=Path(),
    )  # fmt: skip
    return make("offers", "entries", options, "controller.offers", context), context.table


def archive(*texts: str, trust: float = 1.0) -> AgentMemory:
    memory = AgentMemory(archive=Bm25Store(1000, lambda text: len(text.split())))
    for step, text in enumerate(texts):
        memory.apply(Write(text, "archive"), Stamp(step=step, observation_id=f"o{step}", trust=trust))
    return memory


def asked(memory: AgentMemory, text: str = "Where is the lantern?") -> OfferRequest:
    question = Observation(id="q", step=9, content=text, wants_action=True, writable=False)
    return OfferRequest(memory, question, True, view=(), room=100)


def matcher() -> QueryMatch:
    """One salience, the first of a token's two columns: the first token of the query outweighs the second by three."""
    match = QueryMatch(2, 1, NAMES)
    with torch.no_grad():
        match.salience.weight.copy_(torch.tensor([[math.log(3.0) / SCALE, 0.0]]))
    return match


def query(match: QueryMatch) -> torch.Tensor:
    vectors = torch.tensor([[0, 0], [1, 0], [0, 1], [0, 0], [1, 0]], dtype=torch.float16)
    return match(Bag(vectors, torch.tensor([0, 5, 9, 0, 5]), torch.tensor([3, 2])))


def test_a_text_is_the_salience_of_its_tokens_and_lowest_where_it_has_none():
    assert query(matcher()).flatten().tolist() == pytest.approx([math.log(3), 0.0, math.log(3), NEVER])


def test_a_match_is_the_mean_by_weight_and_newer_ones_are_counted():
    match = matcher()
    texts = query(match)
    #                           Keep               an older entry       a newer one
    numbers = torch.tensor([[1.0, 0, 0, 0], [1.0, 0.5, 1.0, 0.0], [1.0, 0.25, 0.2, 1.0]])
    found = match.compare(torch.zeros(3, dtype=torch.int64), texts, numbers, torch.tensor([3]))
    assert found[:, 0].tolist() == pytest.approx([0.0, MATCH * 0.75, MATCH * 0.4])
    assert found[:, 1].tolist() == pytest.approx([MATCH * 0.75, 0.0, MATCH * 0.35])
    as_well = 1 / (1 + math.exp(-SHARP * (0.4 - 0.75 + AS_WELL)))
    assert found[:, 2].tolist() == pytest.approx([0.0, math.log1p(as_well) / 2, 0.0])


def test_a_token_that_nothing_on_offer_has_does_not_count():
    match = matcher()
    numbers = torch.tensor([[1.0, 0, 0, 0], [1.0, 0.5, 0.3, 0.9]])
    found = match.compare(torch.zeros(2, dtype=torch.int64), query(match), numbers, torch.tensor([2]))
    assert found[1, 0].item() == pytest.approx(MATCH * 0.9)


def test_moments_do_not_look_at_each_other():
    match = matcher()
    numbers = torch.rand(7, 4, generator=torch.Generator().manual_seed(0))
    rows, counts = torch.zeros(7, dtype=torch.int64), torch.tensor([3, 4])
    both = match.compare(rows, query(match), numbers, counts)
    apart = [
        match.compare(rows[:n], query(match), part, torch.tensor([n]))
        for n, part in ((3, numbers[:3]), (4, numbers[3:]))
    ]
    assert torch.equal(both, torch.cat(apart))


def test_offers_tell_matches_token_by_token_and_a_scorer_learns_their_weights():
    made, table = offers(story=True, matches=8)
    text = "Where is the lantern, or soup?"
    found = made.offers([asked(archive(*TOLD), text), asked(archive(*TOLD[:2]), text)])
    table.keep_tokens("the test")
    scorer = Scorer(table, ScorerOptions(width=4, hidden=8, query_heads=2), seed=0, names=made.names)
    rows = torch.from_numpy(np.concatenate([one.rows for one in found]))
    numbers = torch.from_numpy(np.concatenate([one.numbers for one in found]))
    logprobs, _ = scorer.logprobs(rows, numbers, torch.tensor([len(one) for one in found]))
    logprobs[:, 1].sum().backward()
    assert scorer.net.query is not None
    assert bool(scorer.net.query.salience.weight.grad.abs().sum() > 0)
    lantern = [made.names.index(f"read_match_{i:02}") for i in range(8)][3]  # where is the LANTERN
    held = [memory.get(op.ids[0]).text for memory, op in ((archive(*TOLD), op) for op in found[0].ops[1:])]
    assert [value > 0.99 for value in found[0].numbers[1:, lantern]] == ["lantern" in text for text in held]


def test_played_scores_are_those_that_are_learned_from_to_the_last_bit():
    made, table = offers(story=True, matches=8)
    found = made.offers([asked(archive(*TOLD)), asked(archive(*TOLD[:2])), asked(archive())])
    scorer = Scorer(table, ScorerOptions(width=4, hidden=8, query_heads=2), seed=0, names=made.names)
    table.add([f"another text {i}" for i in range(40)])

    class Asked:
        def __init__(self, offers) -> None:
            self.offers = offers

    together = scorer.offer_logprobs([Asked(one) for one in found])  # pyright: ignore[reportArgumentType]
    for one, own in zip(found, together, strict=True):
        [alone] = scorer.offer_logprobs([Asked(one)])  # pyright: ignore[reportArgumentType]
        assert (alone == own).all()


@pytest.mark.parametrize(("told", "missing"), [("read_age", "matches"), ("read_match_00", "story")])
def test_offers_that_tell_too_little_are_refused_by_what_is_missing(told: str, missing: str):
    way_out = rf"query_heads = 1: offers tell nothing token by token.* set controller\.offers_options\.{missing}$"
    with pytest.raises(ConfigError, match=way_out):
        QueryMatch(2, 1, (told, "bias"))


def test_a_story_tells_age_trust_and_how_many_newer_ones_match_the_rarest_token():
    made, _ = offers(story=True)
    [found] = made.offers([asked(archive(*TOLD, trust=0.5))])
    held = [archive(*TOLD).get(op.ids[0]).stamp.step for op in found.ops[1:]]
    by_step = {
        name: dict(zip(held, found.numbers[1:, made.names.index(f"read_{name}")].tolist(), strict=True))
        for name in ("age", "trust", "newer_known", "known_rarest")
    }
    assert by_step["trust"] == dict.fromkeys(range(4), 0.5)
    assert [by_step["age"][step] for step in range(4)] == pytest.approx([math.log1p(3 - step) / 4 for step in range(4)])
    assert by_step["known_rarest"][0] > 0.99 > by_step["known_rarest"][1]
    assert by_step["newer_known"][0] == pytest.approx(math.log1p(1) / 2)
    assert by_step["newer_known"][2] == by_step["newer_known"][3] == 0.0


def test_a_long_story_offers_the_newest_of_what_fits_too():
    texts = [f"Mara: the lantern is in the room{i}, and so it stays." for i in range(40)]
    plain, story = offers(candidates=4)[0], offers(candidates=4, story=True)[0]
    newest = {
        kind: max(int(op.ids[0][1:]) for op in made.offers([asked(archive(*texts, *TOLD))])[0].ops[1:])
        for kind, made in (("plain", plain), ("story", story))
    }
    shown = story.offers([asked(archive(*texts))])[0]
    assert len(shown) == 5 and newest["story"] >= newest["plain"]
    assert {int(op.ids[0][1:]) for op in shown.ops[1:]} & set(range(12, 41))


def chosen(name: str, memory: AgentMemory, text: str = "Where is the lantern?", **options) -> str:
    made, table = offers(**options)
    rule = make(
        "controller", name, {}, "controller.name",
        ControllerContext(table=table, seed=0, plan=lambda task: {}, names=made.names),
    )  # fmt: skip
    [found] = made.offers([asked(memory, text)])
    request = ControllerRequest(
        observation=asked(memory, text).observation, offers=found, memory=memory, table=table,
        task=Task(env="e", theta=None, seed=0), rng=np.random.default_rng(0),
    )  # fmt: skip
    return memory.get(rule.decide([request])[0].action.ids[0]).text


def test_newest_takes_the_newest_that_has_the_rarest_word_and_is_believed():
    memory = archive(*TOLD)
    assert chosen("newest", memory, "Lantern?", story=True) == TOLD[2]
    memory.apply(Write("Zed: the lantern is gone.", "archive"), Stamp(step=5, observation_id="o5", trust=0.3))
    assert chosen("newest", memory, "Lantern?", story=True) == TOLD[2]
    memory.apply(Write("Ann: a lantern.", "archive"), Stamp(step=6, observation_id="o6"))
    assert chosen("newest", memory, "Lantern?", story=True) == "Ann: a lantern."


def test_newest_dense_weighs_time_against_meaning():
    short, middle, long = "lantern", "rain lantern", "soup bread door lantern"
    for told, newest_dense in (((middle, short, long), short), ((short, long, middle), middle)):
        # 1/61 + 1/60 for the second newest, most alike, before 1/60 + 1/62; 1/60 + 1/61 before 1/62 + 1/60
        memory = archive(*told)
        found = [chosen(name, memory, "lantern", story=True) for name in ("newest", "dense", "newest_dense")]
        assert found == [told[2], short, newest_dense]


def test_dense_trusted_is_dense_but_for_what_is_not_believed():
    memory = archive("rain lantern", "soup bread door lantern")
    memory.apply(Write("lantern", "archive"), Stamp(step=5, observation_id="o5", trust=0.3))
    assert chosen("dense", memory, "lantern", story=True) == "lantern"
    assert chosen("dense_trusted", memory, "lantern", story=True) == "rain lantern"


@pytest.mark.parametrize("name", ["newest", "newest_dense", "dense_trusted"])
def test_rules_that_go_by_time_ask_for_it(name: str):
    with pytest.raises(ConfigError, match=r"controller\.offers_options\.story = False: .* goes by time and trust"):
        chosen(name, archive(*TOLD))
