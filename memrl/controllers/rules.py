"""What the unlearned controllers share: the offers sorted by kind, and one way to take in what is told.

A rule only names victims, in order. Each store in turn (token memory, graph, archive) is then used as far as its
own budget goes, so that a rule never scores low because it left a store empty.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from memory_stores.graph_store import GraphStore
from memory_stores.types import Edge, Entry, Forget, Link, MemoryOp, Overwrite, Relink, Retrieve, Unlink, Write
from memrl.contracts.protocols import Chooser, ControllerRequest, OpChoice

KEEP = 0
"""Index of ``Keep``, which is always offered first."""

Victims = Callable[[ControllerRequest, Sequence[Entry]], Sequence[Entry]]
"""Entries of one store, oldest first -> the same in the order in which they may go."""


@dataclass(slots=True)
class Menu:
    """Where in ``offers.ops`` each op stands; by the id of what it touches, where it touches something."""

    write: int | None = None
    """Into token memory."""
    archive: int | None = None
    overwrite: dict[str, int] = field(default_factory=dict)
    forget: dict[str, int] = field(default_factory=dict)
    links: list[int] = field(default_factory=list)
    """``Link`` and ``Relink``."""
    unlink: dict[str, int] = field(default_factory=dict)
    read: int | None = None
    """The ``Retrieve`` of the largest k, the first of several."""


def menu_of(ops: Sequence[MemoryOp]) -> Menu:
    """Sort the offers of one moment."""
    menu, most = Menu(), 0
    for i, op in enumerate(ops):
        match op:
            case Write(store="archive"):
                menu.archive = i
            case Write():
                menu.write = i
            case Overwrite(id=id):
                menu.overwrite[id] = i
            case Forget(id=id):
                menu.forget[id] = i
            case Link() | Relink():
                menu.links.append(i)
            case Unlink(id=id):
                menu.unlink[id] = i
            case Retrieve(k=k) if k > most:
                menu.read, most = i, k
            case _:
                pass
    return menu


class Rule(Chooser, ABC):
    """A deterministic controller without weights."""

    def choose(self, requests: Sequence[ControllerRequest]) -> list[OpChoice]:
        """One choice a request; its log-probability is 0."""
        return [OpChoice(self._choose(request), 0.0) for request in requests]

    def _choose(self, request: ControllerRequest) -> int:
        menu = menu_of(request.offers.ops)
        if menu.read is not None:
            return menu.read
        return KEEP if request.observation.is_question else self.take_in(request, menu)

    @abstractmethod
    def take_in(self, request: ControllerRequest, menu: Menu) -> int:
        """The index of the op to carry out on what was told."""


def oldest_first(request: ControllerRequest, entries: Sequence[Entry]) -> Sequence[Entry]:
    """The order of the stores themselves."""
    return entries


def remember(request: ControllerRequest, menu: Menu, victims: Victims, forgets: int = 1) -> int:
    """Put the observation into every store that takes it; the first of ``victims`` goes where there is no room.

    Args:
        forgets: items of token memory that may be forgotten before the observation is written in the place of one
            more; one that still does not fit is skipped.
    """
    choice = _into_token(request, menu, victims, forgets)
    if choice == KEEP:
        choice = into_graph(request, menu, victims)
    return choice if choice != KEEP else into_archive(request, menu)


def held(request: ControllerRequest, entries: Sequence[Entry]) -> bool:
    """Whether one of the entries came from the current observation."""
    return any(entry.stamp.observation_id == request.observation.id for entry in entries)


def into_archive(request: ControllerRequest, menu: Menu) -> int:
    """Write to the archive once, while it has room."""
    archive = request.memory.archive
    # The newest entry stands last, and an archive may be too long to be searched at every choice.
    if archive is None or menu.archive is None or held(request, archive.entries()[-1:]):
        return KEEP
    return menu.archive


def _into_token(request: ControllerRequest, menu: Menu, victims: Victims, forgets: int) -> int:
    store = request.memory.token
    if store is None or held(request, store.entries()):
        return KEEP
    if menu.write is not None:
        return menu.write
    if not len(store) or store.cost(request.observation.text) > store.budget:
        return KEEP
    victim = victims(request, store.entries())[0].id
    if victim in menu.overwrite:
        return menu.overwrite[victim]
    return menu.forget.get(victim, KEEP) if request.count < forgets else KEEP


def into_graph(request: ControllerRequest, menu: Menu, victims: Victims) -> int:
    """The next link that has room, or the first of ``victims`` that may go to make some."""
    graph = request.memory.graph
    if graph is None:
        return KEEP
    if not menu.links:
        return _take_back(request, menu)
    for i in sorted(menu.links, key=lambda i: _age(request.offers.ops[i])):
        if link_fits(graph, request.offers.ops[i]):
            return i
    going = (edge for edge in victims(request, graph.entries()) if not held(request, [edge]))
    return next((menu.unlink[edge.id] for edge in going if edge.id in menu.unlink), KEEP)


def _age(op: MemoryOp) -> int:
    """New links first, then the oldest edge to point elsewhere: ids count up."""
    return int(op.id[1:]) if isinstance(op, Relink) else -1


def _take_back(request: ControllerRequest, menu: Menu) -> int:
    """Unlink what the text says holds no longer, once: offers that follow touch edges it does not speak of."""
    token = request.memory.token
    earlier = int(token is not None and held(request, token.entries()))
    return next(iter(menu.unlink.values()), KEEP) if request.count <= earlier else KEEP


def link_fits(graph: GraphStore, op: MemoryOp) -> bool:
    """Whether the graph has room for a ``Link`` or ``Relink``; history gives way and does not count."""
    live = sum(edge.tokens for edge in graph.entries())
    if isinstance(op, Relink):
        old = graph.get(op.id)
        return isinstance(old, Edge) and live - old.tokens + graph.cost(_text(old, op.object)) <= graph.budget
    if isinstance(op, Link):
        return live + graph.cost(f"{op.subject} {op.relation} {op.object}") <= graph.budget
    return False


def _text(edge: Edge, target: str) -> str:
    return f"{edge.subject} {edge.relation} {target}"
