"""Write a controller of your own and play it beside the built-in rules on MemWorld, read without error.

python examples/own_controller.py [EPISODES]

No model is loaded: an exact reader answers whatever the view supports, so the score is the memory's alone.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

from memory_stores.types import Overwrite, Write
from memrl.contracts.protocols import Chooser, ControllerRequest, OpChoice
from memrl.evaluate import held_out_tasks, play_row
from memrl.policies.oracle_reader import OracleReader
from memrl.recipes import recipe
from memrl.rollouts.rows.one_try import OneTry
from memrl.training.build import build_agent, build_controller


class FirstCome(Chooser):
    """Writes while there is room and never lets go: what a memory without overwriting is worth."""

    def choose(self, requests: Sequence[ControllerRequest]) -> list[OpChoice]:
        return [OpChoice(self._first(request, Write), 0.0) for request in requests]

    def _first(self, request: ControllerRequest, kind: type) -> int:
        return next((i for i, op in enumerate(request.offers.ops) if isinstance(op, kind)), 0)


class NewestOnTop(FirstCome):
    """Writes while there is room, then overwrites whatever comes first in the menu: the oldest item."""

    def choose(self, requests: Sequence[ControllerRequest]) -> list[OpChoice]:
        return [OpChoice(self._first(r, Write) or self._first(r, Overwrite), 0.0) for r in requests]


def main(episodes: int = 32) -> None:
    # The tiny model is there for its tokenizer alone, and a token of it is a byte: 240 of them hold about four facts.
    memory = {"embedder": "hash", "token_budget": 240, "read_budget": 240}
    config = recipe("quickstart", policy={"model": "tiny"}, memory=memory)
    agent = build_agent(config)
    agent = dataclasses.replace(agent, policy=OracleReader({agent.task_source.name: agent.task_source}))
    tasks = held_out_tasks(agent, config, seed=0, episodes=episodes)
    rows: dict[str, Any] = {"first_come": FirstCome(), "newest_on_top": NewestOnTop()}
    for name in ("fifo", "similarity", "oracle"):
        rows[name] = build_controller(name, config, agent.table, agent.task_source, agent.count_tokens)
    for name, controller in rows.items():
        player = OneTry(dataclasses.replace(agent, controller=controller, max_ops=8))
        row = play_row(name, player, tasks, 0, None)
        print(f"{name:14s} {row.success:.3f}  [{row.ci95[0]:.3f}, {row.ci95[1]:.3f}]")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
