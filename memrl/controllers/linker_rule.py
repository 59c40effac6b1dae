"""What rules alone give with the inputs that a linker gives a scorer: keep the newest word on everything.

    states nothing            -> Keep
    speaks of what is held    -> Overwrite that
    speaks of something new   -> Write; where there is no room, what is out of date goes, and nothing else

Nothing is learned and no text is looked into: the rule goes by the numbers about statements that stand on every offer
(``states``, ``conflict``, ``superseded``, ``touched_states``), all of which come from the linker.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memrl.contracts.contexts import ControllerContext
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import ControllerRequest
from memrl.contracts.registry import register
from memrl.controllers.rules import KEEP, Menu, Rule, held, into_archive, into_graph, oldest_first

NUMBERS = ("states", "conflict", "superseded", "touched_states")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkerRuleOptions:
    """Of the controller "linker_rule"."""

    live_leave: bool = False
    """Whether the oldest statement leaves where nothing is out of date; else a new one is not taken in."""


class LinkerRule(Rule):
    """Edges first, as they are shorter; then token memory, then the archive.

    Args:
        at: [4] where ``NUMBERS`` stand among the numbers of an offer.
        live_leave: see ``LinkerRuleOptions``.
    """

    def __init__(self, at: tuple[int, ...], live_leave: bool = False) -> None:
        self._at, self._live_leave = list(at), live_leave

    def take_in(self, request: ControllerRequest, menu: Menu) -> int:
        graph = request.memory.graph
        choice = into_graph(request, menu, oldest_first if self._live_leave else _nobody)
        if choice != KEEP:
            return choice
        if graph is None or not held(request, graph.entries()):
            choice = self._into_token(request, menu)
        return choice if choice != KEEP else into_archive(request, menu)

    def _into_token(self, request: ControllerRequest, menu: Menu) -> int:
        store = request.memory.token
        if store is None or held(request, store.entries()):
            return KEEP
        states, conflict, superseded, touched = request.offers.numbers[:, self._at].T
        if not states[KEEP]:
            return KEEP
        rivals = [id for id, i in menu.forget.items() if conflict[i]]
        if menu.write is not None and not rivals:
            return menu.write
        going = list(dict.fromkeys([*rivals, *self._going(menu, superseded, touched)]))
        room = store.budget - store.tokens_used
        room += sum(item.tokens for item in store.entries() if item.id in going)
        if not going or store.cost(request.observation.text) > room:
            return KEEP
        return menu.overwrite.get(going[0], menu.forget[going[0]])

    def _going(self, menu: Menu, superseded: NDArray[np.float32], touched: NDArray[np.float32]) -> list[str]:
        """Ids in the order in which they may go, some twice: out of date, states nothing, then oldest if allowed."""
        first = [id for id, i in menu.forget.items() if superseded[i]]
        idle = [id for id, i in menu.forget.items() if not touched[i]]
        return [*first, *idle, *(menu.forget if self._live_leave else ())]


def _nobody(request: ControllerRequest, entries: object) -> tuple[()]:
    return ()


def _make(context: ControllerContext, options: LinkerRuleOptions) -> LinkerRule:
    if not context.linked:
        raise ConfigError(
            "memory.linker", "none", "linker_rule goes by what a linker finds; take 'pattern', or another"
        )
    if not set(NUMBERS) <= set(context.names):
        way_out = "linker_rule needs the numbers about statements: take offers 'ops' or 'entries'"
        raise ConfigError("controller.offers", "linker_rule", way_out)
    return LinkerRule(tuple(map(context.names.index, NUMBERS)), options.live_leave)


register("controller", "linker_rule", _make, LinkerRuleOptions)
