"""One game in the interpreter: commands in, what is printed, the score and the admissible commands out.

TextWorld's own wrapper works out the admissible commands of every state anew, which is nine tenths of a step's time.
Siblings and later episodes walk through the same states, so here they are worked out once a state and kept
(``tests/memrl/envs/test_textworld.py`` holds both against each other).
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

STATES = 20_000
"""Of one game that are kept."""
GAMES = 512
"""That are kept loaded."""
SLOT = "slot"
"""The type of a place in the hands, where no more can be carried than so many things."""
EVENT = re.compile(r"\[([^]]+)\]\n?")
DONE = " - succeeded"
WON, LOST = "*** The End ***", "*** You lost! ***"


class Shown(NamedTuple):
    """What a game answers to one command."""

    text: str
    """As printed, with what the interpreter draws around it."""
    also: Mapping[str, str]
    """"description" and "inventory", where they were asked for."""
    score: float
    won: bool
    over: bool
    commands: tuple[str, ...]
    """Admissible now, in alphabetical order; none where nobody asked for them."""


class Commands:
    """What may be done in the states of one game.

    Raises:
        OSError, ValueError, KeyError: its ``.json`` cannot be read.
    """

    def __init__(self, path: Path) -> None:
        generator: Any = import_module("textworld.generator.game")
        inform7: Any = import_module("textworld.generator.inform7")
        game = generator.Game.load(str(path.with_suffix(".json")))
        self.first = game.world.state
        self.highest = float(game.max_score or 1)
        self._rules, self._constants = tuple(game.kb.rules.values()), game.kb.types.constants_mapping
        self._inform7 = inform7.Inform7Game(game)
        self._known: OrderedDict[frozenset[Any], Moment] = OrderedDict()

    def moment(self, state: Any) -> Moment:
        """What may be done in a state."""
        key = frozenset(state.facts)
        known = self._known.get(key)
        if known is None:
            actions = list(_one_slot(state).all_applicable_actions(self._rules, self._constants))
            texts = tuple(sorted(set(self._inform7.gen_commands_from_actions(actions))))
            known = self._known[key] = Moment(texts, tuple(actions), {})
            if len(self._known) > STATES:
                self._known.popitem(last=False)
        return known

    def apply(self, state: Any, event: str) -> None:
        """Change the state by an event that the game has told, if it is an action."""
        moment = self.moment(state)
        if event not in moment.found:
            moment.found[event] = self._inform7.detect_action(event, moment.actions)
        if moment.found[event] is not None:
            state.apply(moment.found[event])


def _one_slot(state: Any) -> Any:
    """The state with one free and one used place in the hands. All are alike, and no command takes two, but each would
    give every command once more."""
    spare = [fact for fact in state.facts if fact.arguments and all(one.type == SLOT for one in fact.arguments)]
    seen: set[str] = set()
    extra = [fact for fact in spare if fact.name in seen or seen.add(fact.name)]
    if not extra:
        return state
    state = state.copy()
    for fact in extra:
        state.remove_fact(fact)
    return state


class Moment(NamedTuple):
    commands: tuple[str, ...]
    actions: tuple[Any, ...]
    found: dict[str, Any]
    """An event's text -> the action that it is, or None."""


@lru_cache(maxsize=GAMES)
def commands_of(path: Path) -> Commands:
    """Those of a game file; loaded once a process."""
    return Commands(path)


class Interpreter:
    """Plays one file once.

    Args:
        path: ``.z8``.
        choices: whether admissible commands are asked for; it then needs its ``.json`` beside it.
        also: of "description" and "inventory".
    """

    def __init__(self, path: Path, choices: bool, also: Sequence[str] = ()) -> None:
        textworld: Any = import_module("textworld")
        zmachine: Any = import_module("textworld.envs.zmachine.jericho")
        beside = path.with_suffix(".json").exists()
        self._commands = commands_of(path) if beside else None
        self.highest = self._commands.highest if self._commands else 1.0
        self._choices = choices
        self._tags = ("moves", "score", *also) if beside else ()
        self._told: dict[str, str] = {}
        self._state: Any = None
        self._env: Any = zmachine.JerichoEnv(textworld.EnvInfos())
        self._env.load(str(path))

    def start(self) -> Shown:
        """Begin, and see the first text."""
        text = self._env.reset().feedback
        # Both are switches of the game itself, which it takes as commands; they take no turn.
        for tag in self._tags:
            self._without_tags(self._send(f"tw-extra-infos {tag}"))
        if self._choices and self._commands is not None:
            self._send("tw-trace-actions")
            self._state = self._commands.first.copy()
        return self._shown(text)

    def step(self, command: str) -> Shown:
        """What the game answers."""
        text = self._without_tags(self._send(command))
        if self._state is not None and self._commands is not None:
            for event in EVENT.findall(text):
                name = event.strip().partition(DONE)[0]
                if DONE in event and "(" not in name and ")" not in name:
                    self._commands.apply(self._state, name)
            text = EVENT.sub("", text)
        return self._shown(text)

    def close(self) -> None:
        self._env.close()

    def _send(self, command: str) -> str:
        return self._env.step(command)[0].feedback

    def _without_tags(self, text: str) -> str:
        for tag in self._tags:
            found = re.search(rf"<{tag}>\n(.*)</{tag}>", text, re.DOTALL)
            if found is not None:
                self._told[tag] = EVENT.sub("", found[1]).strip()
                text = text[: found.start()] + text[found.end() :]
        return text

    def _shown(self, text: str) -> Shown:
        number = re.match(r"-?\d+", self._told.get("score", ""))
        won, lost = WON in text, LOST in text
        commands = self._commands.moment(self._state).commands if self._commands and self._state is not None else ()
        return Shown(text, self._told, float(number[0]) if number else float(won), won, won or lost, commands)
