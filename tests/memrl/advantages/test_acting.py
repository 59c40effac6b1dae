"""Credit for policies whose actions change what comes after them; every number worked by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from episodes import op
from toy import TASK, Taker, ToyTasks, toy_agent

from memory_stores.types import Keep, Write
from memrl.advantages.credit import check_estimator_fits, give_credit
from memrl.contracts.config import CreditConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Env, Outcome, SampleRequest
from memrl.contracts.registry import names
from memrl.contracts.types import (
    Action,
    Decision,
    End,
    Episode,
    Group,
    Observation,
    Say,
    Step,
    Task,
    TokenDecision,
)
from memrl.rollouts.scheduler import play

WORLD = toy_agent(ToyTasks((), passive=False), Taker())
"""Its source says nothing of being passive."""
REFUSED = {
    "stratified", "retrieval_tracing", "answer_likelihood_gain", "fresh_futures", "leave_one_out", "blended",
    "memory_r1", "mem_alpha",
}  # fmt: skip


def act(actor: str = "policy") -> TokenDecision:
    return TokenDecision(
        actor=actor, action=Say("a"), memory_hash="", prompt_ids=(1,), action_ids=(2,), logprobs=(-0.1,)
    )


def episode(*steps: tuple[str, Sequence[Decision], float], end: End = End.DONE) -> Episode:
    """Steps of observation id, decisions, reward."""
    made = [
        Step(
            observation=Observation(id=name, step=t, content=name, wants_action=True),
            decisions=tuple(decisions),
            reward=reward,
        )
        for t, (name, decisions, reward) in enumerate(steps)
    ]
    return Episode(task=TASK, steps=tuple(made), end=end)


def credit(name: str, *episodes: Episode, agent: Any = WORLD, discount: float = 1.0, **options: Any) -> Any:
    config = CreditConfig(name=name, discount=discount, options=options)
    return [c.advantages.tolist() for c in give_credit([Group(task=TASK, episodes=episodes)], config, agent)]


def three(last: float, path: str = "") -> Episode:
    return episode(("o0", [act()], 0.0), (f"o1{path}", [act()], 0.0), (f"o2{path}", [act()], last))


@pytest.mark.parametrize("paths", [("", "", "", ""), ("a", "b", "c", "d"), ("a", "a", "b", "c")])
def test_a_reward_at_the_last_of_three_actions_belongs_to_all_three(paths: Sequence[str]):
    """T1. Returns 1, 0, 0, 1: the first is judged against the others' mean 1/3, the second against 2/3."""
    siblings = [three(last, path) for last, path in zip((1.0, 0.0, 0.0, 1.0), paths, strict=True)]
    won, lost, lost_too, won_too = credit("return_to_go", *siblings)
    shared = paths[0] == paths[1] and paths[0] != ""  # the first two share their ids: they are compared by themselves
    later = (1.0, -1.0) if shared else (2 / 3, -2 / 3)
    assert won == pytest.approx([2 / 3, later[0], later[0]])
    assert lost == pytest.approx([-2 / 3, later[1], later[1]])
    # Nobody shares their ids: the place is the number of the step.
    assert lost_too == pytest.approx([-2 / 3] * 3) and won_too == pytest.approx([2 / 3] * 3)


def test_where_siblings_share_ids_at_other_steps_the_id_is_the_place():
    """The second took a detour: at "hall" the returns to go are 1, 0 and 0, whatever the number of the step."""
    straight = episode(("door", [act()], 0.0), ("hall", [act()], 1.0))
    detour = episode(("door", [act()], 0.0), ("yard", [act()], 0.0), ("hall", [act()], 0.0))
    other = episode(("door", [act()], 0.0), ("hall", [act()], 0.0))
    got = credit("return_to_go", straight, detour, other)
    # At the yard, the second step, the others' returns to go are 1 and 0.
    assert got == [[1.0, 1.0], [-0.5, -0.5, -0.5], [-0.5, -0.5]]


def test_an_action_is_discounted_by_the_steps_until_it_pays():
    """T5. Reward 4, two steps after the first action; the other sibling earns nothing."""
    won, lost = credit("return_to_go", three(4.0), three(0.0), discount=0.5)
    assert won == [1.0, 2.0, 4.0] and lost == [-1.0, -2.0, -4.0]


def test_gae_with_lambda_one_is_return_to_go_for_actions_too():
    siblings = [three(1.0), three(0.0), three(0.5)]
    assert np.allclose(credit("gae", *siblings, gae_lambda=1.0), credit("return_to_go", *siblings))
    # With lambda 0 the siblings' values 0.25, 0.75, 0.5 are what is believed: only the last step was a surprise.
    assert credit("gae", *siblings, gae_lambda=0.0) == [[0.0, 0.0, 0.75], [0.0, 0.0, -0.75], [0.0, 0.0, 0.0]]


def test_two_policies_in_one_episode_are_each_compared_with_themselves():
    """They take turns; in the third sibling in the other order. The reward belongs to both."""
    a, b = act("policy:a"), act("policy:b")
    one = episode(("o0", [a], 0.0), ("o1", [b], 1.0))
    two = episode(("o0", [a], 0.0), ("o1", [b], 0.0))
    swapped = episode(("o0", [b], 0.0), ("o1", [a], 6.0))
    got = credit("return_to_go", one, two, swapped)
    # Alone with its actor at its place, the third is nobody's baseline and has none.
    assert got == [[1.0, 1.0], [-1.0, -1.0], [0.0, 0.0]]


def test_a_controller_and_a_policy_of_one_step_earn_the_same_return():
    one = episode(("o0", [act(), op(1)], 0.0), ("o1", [act()], 1.0))
    two = episode(("o0", [act(), op(0)], 0.0), ("o1", [act()], 0.0))
    assert credit("return_to_go", one, two) == [[1.0, 1.0, 1.0], [-1.0, -1.0, -1.0]]


def test_coming_back_to_a_place_is_one_state_of_gigpo():
    """ "hall" is shown at three steps under three ids; returns to go there are 1, 1 and 0 of one, 0 of the other."""

    def hall(t: int) -> Observation:
        return Observation(id=f"h{t}", step=t, content="hall", wants_action=True)

    def walk(*rewards: float) -> Episode:
        steps = [Step(observation=hall(t), decisions=(act(),), reward=r) for t, r in enumerate(rewards)]
        return Episode(task=TASK, steps=tuple(steps), end=End.DONE)

    got = credit("gigpo_state", walk(0.0, 1.0, 0.0), walk(0.0))
    # Episodes: +-0.5. The state's mean to go is (1 + 1 + 0 + 0) / 4.
    assert got == [[1.0, 1.0, 0.0], [-1.0]]


def test_multi_conversation_stamps_the_centred_outcome_on_every_conversation():
    """MemAgent (arXiv:2507.02259): outcomes 1, 0, 0, 1 of 3, 5, 4 and 3 conversations.

    The mean is 1/2 over samples; over conversations it would be 6/15. No deviation is divided by.
    """

    def sample(conversations: int, outcome: float) -> Episode:
        steps = [(f"chunk {t}", [act("controller")], 0.0) for t in range(conversations - 1)]
        return episode(*steps, ("question", [act()], outcome))

    got = credit("multi_conversation", sample(3, 1.0), sample(5, 0.0), sample(4, 0.0), sample(3, 1.0))
    assert got == [[0.5] * 3, [-0.5] * 5, [-0.5] * 4, [0.5] * 3]


@pytest.mark.parametrize("name", names("estimator"))
def test_who_cannot_serve_acting_policies_refuses_by_name_before_play(name: str):
    config = CreditConfig(name=name)
    check_estimator_fits(config, ToyTasks(()))
    if name not in REFUSED:
        return check_estimator_fits(config, WORLD.task_source)
    with pytest.raises(ConfigError, match=rf"^credit.name = '{name}': .*env 'toy'.*use one of .*return_to_go") as error:
        check_estimator_fits(config, WORLD.task_source)
    assert "\n" not in str(error.value)
    with pytest.raises(ConfigError, match="passive = True"):
        credit(name, three(1.0), three(0.0))
    return None


def test_who_undoes_single_ops_refuses_a_controller_that_writes_in_tokens():
    written = episode(("o0", [act("controller")], 0.0), ("o1", [act()], 1.0))
    with pytest.raises(ConfigError, match=r"decides in tokens; use one of .*leave_one_out"):
        credit("answer_likelihood_gain", written, written, agent=toy_agent(ToyTasks(()), Taker()))


class Vault(ToyTasks):
    """A code is told, then a choice of two doors, then a question behind the right one.

    Door "a" leads to the vault, where the code pays; door "b" leads into the street, where nothing does.
    """

    def __init__(self) -> None:
        super().__init__(("the code is lantern", "a or b?", "code?"), passive=False)

    def make(self, task: Task) -> Env:  # pyright: ignore[reportIncompatibleMethodOverride]
        return VaultEnv()


class VaultEnv:
    def __init__(self) -> None:
        self._t, self._inside = 0, False

    def start(self) -> Observation:
        text = ("the code is lantern", "a or b?", "code?" if self._inside else "nothing here")[self._t]
        asks = text.endswith("?")
        return Observation(id=f"{text}", step=self._t, content=text, wants_action=asks, writable=not asks)

    def step(self, action: Action | None) -> Outcome:
        if self._t == 1:
            self._inside = action == Say("a")
        reward = float(self._t == 2 and self._inside and action == Say("lantern"))
        self._t += 1
        return Outcome(reward, self.start() if self._t < 3 else None)


class Goes:
    """Takes a door, and says the code where it is in view."""

    version = 0

    def __init__(self, door: str) -> None:
        self._door = door

    def sample(self, requests: Sequence[SampleRequest]) -> list[TokenDecision]:
        return [replace(act(r.actor), action=self._action(r), memory_hash=r.memory_hash) for r in requests]

    def _action(self, request: SampleRequest) -> Say:
        knows = any("lantern" in line.text for line in request.view)
        return Say(self._door if request.observation.text == "a or b?" else "lantern" if knows else "?")

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Any) -> None:
        pass


@pytest.mark.parametrize(("door", "gain"), [("a", 1.0), ("b", 0.0)])
def test_same_state_plays_on_with_policies_that_act_anew(door: str, gain: float):
    """Writing the code wins the vault where the policy goes there, and nothing where it does not."""
    agent = toy_agent(Vault(), Taker(Write), Goes(door), max_ops=1)
    other = toy_agent(Vault(), Taker(Keep), Goes("b"), max_ops=1)
    [one], [two] = (play(a, [TASK], [0], tries=1) for a in (agent, other))
    got = credit("same_state", one.episodes[0], two.episodes[0], agent=agent)
    # The write; then what the policy did at the doors: its return to go against the sibling's.
    assert got[0][:2] == [gain, gain] and got[1][:2] == [0.0, -gain]
