"""What any estimator of credit promises, looked at in two small worlds: one that tells and asks, one that reacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from memory_stores.embed import HashEmbedder
from memory_stores.memory import AgentMemory
from memory_stores.token_store import TokenStore
from memory_stores.types import Write
from memrl.advantages.contract import Advantages, Estimator, Scene, served_by
from memrl.contracts.config import CreditConfig
from memrl.contracts.promised import in_a_sentence
from memrl.contracts.protocols import Agent, Chooser, ControllerRequest, Env, OpChoice, Outcome, SampleRequest
from memrl.contracts.registry import find, make_options
from memrl.contracts.texts import TextTable
from memrl.contracts.types import Action, Episode, Observation, Say, Task, TokenDecision, Verdict
from memrl.controllers.offers import OpOffers
from memrl.policies.oracle_reader import OracleReader
from memrl.rollouts.play import EpisodeContext, play_episode
from memrl.rollouts.scheduler import play_all

STORY = ("the lantern is here", "rain again all day", "where is it?", "snow all night", "is it there?")
DOORS = ("left or right?", "which key?", "go in?")
TASK = Task(env="promises", theta=None, seed=0)


def check_estimator(estimator: str | Estimator, options: Any = None) -> None:
    """Play siblings in two worlds and look at what the estimator says of their decisions.

    Args:
        estimator: its name, or itself: ``(episodes, scene) -> one array an episode``.
        options: its own, for one that is not given by name; a name brings its defaults.

    Raises:
        AssertionError: a promise is broken; the message says which.
    """
    with in_a_sentence("the estimator"):
        _check(estimator, options)


def _check(estimator: str | Estimator, options: Any) -> None:
    if isinstance(estimator, str):
        part = find("estimator", estimator, "credit.name")
        options, estimator = make_options(part, {}, "credit.options") if options is None else options, part.make
    serves = served_by(estimator)
    told = [_played(_told(keeps)) for keeps in (False, True, False)]
    _check_shape_and_order(estimator, told, Scene(_told(False), CreditConfig(), options))
    scene = Scene(_reacting("", passive=True), CreditConfig(), options)
    answered = [_played(_reacting(answers, passive=True)) for answers in ("rrr", "rrw", "rwr")]
    _check_shape_and_order(estimator, answered, scene)
    found = estimator(answered[:2], scene)
    assert found[0][-1] > found[1][-1], "a right answer must earn more than a wrong one to the same question"
    if serves.acting:
        scene = Scene(_reacting("", passive=False), CreditConfig(), options)
        acted = [_played(_reacting(actions, passive=False)) for actions in ("rww", "www", "wwr")]
        _check_shape_and_order(estimator, acted, scene)
        found = estimator(acted, scene)
        assert found[0][0] > max(0.0, found[1][0]), (
            "where actions change what follows, an action must earn what comes after it (else: serves(acting=False))"
        )
    if serves.baseline == "siblings":
        _check_baseline(estimator, told, Scene(_told(False), CreditConfig(), options))
        _check_baseline(estimator, answered, Scene(_reacting("", passive=True), CreditConfig(), options))


def _check_shape_and_order(estimator: Estimator, episodes: Sequence[Episode], scene: Scene) -> None:
    found = estimator(episodes, scene)
    assert isinstance(found, Sequence), f"there must be a list of arrays, not a {type(found).__name__}"
    assert len(found) == len(episodes), "there must be one array of advantages an episode"
    for advantages, episode in zip(found, episodes, strict=True):
        count = sum(1 for _ in episode.decisions)
        assert np.shape(advantages) == (count,), "there must be one number a decision, in the order they were taken"
        assert np.isfinite(advantages).all(), "every advantage must be a finite number"
    again = estimator(episodes, scene)
    assert all(map(_equal, found, again)), "the same episodes must earn the same when asked twice"
    order = [*range(1, len(episodes)), 0]
    moved = estimator([episodes[i] for i in order], scene)
    assert all(_equal(moved[n], found[i]) for n, i in enumerate(order)), "the order of siblings must not matter"


def _check_baseline(estimator: Estimator, episodes: Sequence[Episode], scene: Scene) -> None:
    richer = [_with_last_reward(episode, 7.0) for episode in episodes]
    assert all(map(_equal, estimator(episodes, scene), estimator(richer, scene))), (
        "a reward that all siblings get at the same place must change nothing (else: serves(baseline='keep'))"
    )
    same = estimator([episodes[0]] * 3, scene)
    assert all(_equal(one, np.zeros_like(one)) for one in same), (
        "siblings that did and earned the same must get 0 (else: serves(baseline='keep'))"
    )


def _equal(one: Advantages, other: Advantages) -> bool:
    # Standard deviations have an epsilon added, so a shift is not taken out to the last bit.
    return bool(np.allclose(one, other, atol=1e-5))


def _with_last_reward(episode: Episode, more: float) -> Episode:
    *steps, last = episode.steps
    return replace(episode, steps=(*steps, replace(last, reward=last.reward + more)))


class _Telling:
    """Tells and asks; whether the first line is remembered decides all answers."""

    name, passive = TASK.env, True

    def make(self, task: Task) -> Env:
        return _Line(STORY, lambda t, action, done: float(STORY[t].endswith("?") and action == Say("yes")))

    def cells(self) -> Sequence[str]:
        return ("all",)

    def train(self, cell: str, seed: int) -> Task:
        return TASK

    def held_out(self, seed: int) -> Task:
        return replace(TASK, split="eval")

    def read(self, task: Task, question_id: str, seen: frozenset[str]) -> str:
        return "yes" if "o0" in seen else "unknown"

    def blame(self, task: Task, question_id: str, held: frozenset[str]) -> frozenset[str]:
        return frozenset({"o0"}) - held


class _Asking(_Telling):
    """Three actions. Each pays by itself where it is passive; else all depends on the first, and is paid at the end."""

    def __init__(self, passive: bool) -> None:
        self.passive = passive  # pyright: ignore[reportIncompatibleVariableOverride]

    def make(self, task: Task) -> Env:
        return _Line(DOORS, self._pay, "" if self.passive else "path ")

    def _pay(self, t: int, action: Action | None, done: Sequence[Action | None]) -> float:
        if self.passive:
            return float(action == Say("r"))
        return float(t == len(DOORS) - 1 and done[0] == Say("r"))

    def read(self, task: Task, question_id: str, seen: frozenset[str]) -> str:
        return "r"


class _Line:
    """Shows texts in turn. With a ``path``, what was done first stands in the later ids and texts."""

    def __init__(self, texts: Sequence[str], pay: Any, path: str = "") -> None:
        self._texts, self._pay, self._path, self._done = texts, pay, path, []

    def start(self) -> Observation:
        t, trace = len(self._done), ""
        if self._path and self._done:
            trace = self._path + "".join(action.text for action in self._done)
        text = f"{trace} {self._texts[t]}".strip()
        asks = text.endswith("?")
        return Observation(id=f"o{t}{trace}", step=t, content=text, wants_action=asks, writable=not asks)

    def step(self, action: Action | None) -> Outcome:
        t = len(self._done)
        self._done.append(action)
        reward = self._pay(t, action, self._done)
        asks = self._texts[t].endswith("?")
        verdict = Verdict(score=min(reward, 1.0), expected="yes", category="promises") if asks else None
        return Outcome(reward, self.start() if t + 1 < len(self._texts) else None, verdict)


class _First(Chooser):
    """Writes whatever fits, or nothing."""

    def __init__(self, keeps: bool) -> None:
        self._keeps = keeps

    def choose(self, requests: Sequence[ControllerRequest]) -> list[OpChoice]:
        return [OpChoice(0 if self._keeps else self._write(request), -0.5) for request in requests]

    def _write(self, request: ControllerRequest) -> int:
        return next((i for i, op in enumerate(request.offers.ops) if isinstance(op, Write)), 0)


class _Says:
    """Says one letter a step."""

    version = 0

    def __init__(self, letters: str) -> None:
        self._letters = letters

    def sample(self, requests: Sequence[SampleRequest]) -> list[TokenDecision]:
        letters = [self._letters[request.observation.step] for request in requests]
        return [
            TokenDecision(
                actor=request.actor,
                action=Say(letter),
                memory_hash=request.memory_hash,
                prompt_ids=(request.observation.step,),
                action_ids=(ord(letter),),
                logprobs=(-0.5,),
            )
            for request, letter in zip(requests, letters, strict=True)
        ]

    def answer_logprobs(self, requests: Sequence[SampleRequest], answers: Sequence[str]) -> list[float]:
        return [-1.0] * len(requests)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Any) -> None:
        """Nothing to load."""


def _told(keeps: bool) -> Agent:
    source: Any = _Telling()
    return _agent(source, _First(keeps), OracleReader({source.name: source}))


def _reacting(letters: str, passive: bool) -> Agent:
    return _agent(_Asking(passive), _First(True), _Says(letters))


def _agent(source: Any, controller: Any, policy: Any) -> Agent:
    embedder = HashEmbedder(8)
    table = TextTable(embedder)
    return Agent(
        policy=policy,
        controller=controller,
        offers=OpOffers(table, _words),
        task_source=source,
        table=table,
        embedder=embedder,
        new_memory=lambda: AgentMemory(token=TokenStore(32, _words)),
        read_budget=32,
        count_tokens=_words,
        max_ops=1,
    )


def _words(text: str) -> int:
    return len(text.split())


def _played(agent: Agent) -> Episode:
    context = EpisodeContext(agent=agent, task=TASK, memory=agent.new_memory(), rng=np.random.default_rng(0))
    return play_all([play_episode(context)], agent, 1)[0]
