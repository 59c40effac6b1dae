"""Gymnasium environments in text: kit, seeds, choices, endings; what cannot be said is refused by name."""

from __future__ import annotations

import sys
from typing import Any

import pytest

gym = pytest.importorskip("gymnasium")

from toy import Taker, toy_agent  # noqa: E402

from memrl.contracts.errors import ConfigError, MissingExtra  # noqa: E402
from memrl.contracts.registry import find, make  # noqa: E402
from memrl.contracts.types import Choose, End, Say, Unreadable  # noqa: E402
from memrl.envs.gymnasium import GymnasiumOptions, GymnasiumTasks  # noqa: E402
from memrl.policies.scripted import ScriptedPolicy  # noqa: E402
from memrl.rollouts.scheduler import play  # noqa: E402
from memrl.testing import check_env  # noqa: E402

WORDS = ("north", "south", "east")


class Secret(gym.Env):
    """Shows a word, then three empty rooms, then asks for it. Cut off after ``most`` steps."""

    def __init__(self, free: bool = False, shape: str = "text", most: int = 99) -> None:
        self._shape, self._most = shape, most
        self.action_space = gym.spaces.Text(64) if free else gym.spaces.Discrete(3, start=5)
        self.observation_space = gym.spaces.Text(64)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self._word, self._at = int(self.np_random.integers(3)), 0
        return self._seen(f"The word is {WORDS[self._word]}."), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self._at += 1
        done, right = self._at == 4, action in (5 + self._word, WORDS[self._word])
        told = self._seen("Say the word." if self._at == 3 else "An empty room.")
        return told, float(done and right), done, self._at >= self._most, {}

    def _seen(self, text: str) -> Any:
        return {"text": text, "map": 3} if self._shape == "dict" else text if self._shape == "text" else 3


gym.register(id="memrl/Secret-v0", entry_point=Secret, disable_env_checker=True)


def tasks(**options: Any) -> GymnasiumTasks:
    kwargs = {name: options.pop(name) for name in ("free", "shape", "most") if name in options}
    return GymnasiumTasks(GymnasiumOptions(id="memrl/Secret-v0", kwargs=kwargs, **options))


def played(source: GymnasiumTasks, *actions: Any) -> list[Any]:
    env = source.make(source.train("memrl/Secret-v0", 0))
    env.start()
    return [env.step(action) for action in actions]


def word_of(source: GymnasiumTasks, seed: int = 0) -> str:
    text = source.make(source.train("memrl/Secret-v0", seed)).start().text
    return text.removeprefix("The word is ").removesuffix(".")


@pytest.mark.parametrize("options", [{}, {"free": True}, {"shape": "dict"}, {"actions": WORDS}, {"most": 2}])
def test_the_kit_passes(options: dict[str, Any]) -> None:
    check_env(tasks(**options))


def test_discrete_actions_are_choices_by_name_and_count_from_the_spaces_start() -> None:
    source = tasks(actions=WORDS)
    first = source.make(source.train("memrl/Secret-v0", 0)).start()
    assert first.choices == WORDS and first.wants_action and first.writable
    at = WORDS.index(word_of(source))
    assert played(source, *[Choose(at, WORDS[at])] * 4)[-1].success == 1.0
    assert played(source, *[Say(WORDS[at])] * 4)[-1].success == 1.0
    assert played(source, *[Choose((at + 1) % 3, "")] * 4)[-1].success == 0.0
    assert tasks().make(tasks().train("x", 0)).start().choices == ("5", "6", "7")


def test_what_cannot_be_read_moves_nothing_and_ends_after_so_many_misses() -> None:
    source = tasks(actions=WORDS, misses=2)
    miss, room, again, end = played(source, Unreadable("?!"), Say("north"), Say("up"), Say("down"))
    assert "'?!' is no action here. The word is" in miss.next.text and room.next.text == "An empty room."
    assert again.next is not None and end.next is None and end.success == 0.0


def test_who_only_says_nonsense_ends_as_low_as_can_be() -> None:
    source = tasks(actions=WORDS, misses=2, lowest=-1.5, highest=0.0)
    *_, end = played(source, Say("north"), Say("up"), Say("down"))
    assert end.next is None and (end.reward, end.success) == (-1.5, 0.0)


def test_two_actions_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="two actions have the same name"):
        tasks(actions=("north", "North", "east"))


def test_free_text_reaches_the_environment() -> None:
    source = tasks(free=True)
    assert played(source, *[Say(word_of(source))] * 4)[-1].success == 1.0


def test_splits_have_seeds_of_their_own() -> None:
    source = tasks()
    trained = [source.make(source.train("x", seed))._seed for seed in range(50)]
    examined = [source.make(source.held_out(seed))._seed for seed in range(50)]
    assert not set(trained) & set(examined)
    assert len({word_of(source, seed) for seed in range(20)}) == 3


def test_termination_is_done_and_truncation_is_a_limit() -> None:
    done = play(toy_agent(tasks(free=True), Taker(), ScriptedPolicy(["north"])), [tasks().held_out(0)], [0], tries=1)
    cut = play(toy_agent(tasks(most=2, free=True), Taker(), ScriptedPolicy(["x"])), [tasks().held_out(0)], [0], tries=1)
    assert done[0].episodes[0].end is End.DONE and len(done[0].episodes[0].steps) == 4
    assert cut[0].episodes[0].end is End.STEP_LIMIT and len(cut[0].episodes[0].steps) == 2


def test_the_return_becomes_success_between_lowest_and_highest() -> None:
    source = tasks(free=True, lowest=-1.0, highest=3.0)
    assert played(source, *[Say(word_of(source))] * 4)[-1].success == 0.5


@pytest.mark.parametrize(("options", "named"), [
    ({"id": ""}, "name an environment"),
    ({"id": "memrl/Nothing-v0"}, "gymnasium cannot make it"),
    ({"id": "memrl/Secret-v0", "actions": ("a", "b")}, "has 3 actions"),
    ({"id": "memrl/Secret-v0", "kwargs": {"doors": 1}}, "gymnasium cannot make it"),
    ({"id": "CartPole-v1"}, ""),
])  # fmt: skip
def test_bad_input_names_the_option(options: dict[str, Any], named: str) -> None:
    if options["id"] == "CartPole-v1":  # numbers, not text: found out where it shows them
        source = GymnasiumTasks(GymnasiumOptions(**options))
        with pytest.raises(ConfigError, match="it shows no text"):
            source.make(source.held_out(0)).start()
        return
    with pytest.raises(ConfigError, match=named):
        GymnasiumTasks(GymnasiumOptions(**options))


def test_a_missing_extra_names_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    from memrl.contracts import registry

    monkeypatch.delitem(registry._PARTS, ("env", "gymnasium"))
    monkeypatch.delitem(sys.modules, "memrl.envs.gymnasium")
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(MissingExtra, match=r"pip install 'memrl\[gymnasium\]'"):
        find("env", "gymnasium", "env.name")


def test_it_is_a_part_like_any_other() -> None:
    source = make("env", "gymnasium", {"id": "memrl/Secret-v0", "actions": list(WORDS)}, "env.name")
    assert source.cells() == ("memrl/Secret-v0",)
