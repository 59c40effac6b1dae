"""``KnowledgeGraph``: entities with observations, and relations between them, in one space of a memory file.

    entity        an item "Ana is a person" that bears the entity's key as its name
    observation   an item "Ana: likes tea", found by every search
    relation      an edge of the graph

Names are one entity where ``memory_stores.entity_names`` says so ("Ana", "ana"), spelled as the entity was created.
Each call is one commit: it happens whole or, with InputError, not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from memory_stores.durable import Conflict, Details, DurableMemory
from memory_stores.entity_names import entity_key, tidy
from memory_stores.types import Edge, Forget, Link, MemoryOp, Stamp, Unlink, Write
from memrl.contracts.errors import InputError

KIND, ENTITY, TYPE, CONTENT = "memrl_kind", "entity", "entityType", "content"
TRIES = 20
"""How often a change is thought over because somebody else wrote in between."""

Graph = dict[str, list[dict[str, Any]]]
Planned = tuple[list[tuple[MemoryOp, Details | None]], Any]
"""Ops with their details, and what the call answers."""


class _Entity(NamedTuple):
    id: str
    name: str
    type: str
    observations: dict[str, str]
    """Content -> id of its item."""

    def shown(self) -> dict[str, Any]:
        return {"name": self.name, "entityType": self.type, "observations": list(self.observations)}


class _State(NamedTuple):
    entities: dict[str, _Entity]
    """By key, in the order they were created."""
    relations: dict[tuple[str, str, str], Edge]
    """By keys of the ends and relation."""

    def entity(self, name: str) -> _Entity:
        found = self.entities.get(entity_key(name))
        if found is None:
            raise InputError(f"Entity with name {name} not found")
        return found


class KnowledgeGraph:
    """The reference memory server's nine operations, with its arguments and answers."""

    def __init__(self, memory: DurableMemory) -> None:
        if memory.graph is None or memory.archive is None:
            raise InputError(f"space {memory.name}: a knowledge graph needs a graph and an archive; open it with both")
        self._memory = memory

    def create_entities(self, entities: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Entities that are new, with their observations; those that are known are left as they are."""
        return self._change(lambda state: _creating(state, entities))

    def create_relations(self, relations: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
        """Relations that are new. Raises InputError where an end is no entity."""
        return self._change(lambda state: _relating(state, relations))

    def add_observations(self, observations: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """What was new of them, entity by entity. Raises InputError where one is no entity."""

        def plan(state: _State) -> Planned:
            ops: list[tuple[MemoryOp, Details | None]] = []
            told: list[dict[str, Any]] = []
            known = {key: set(one.observations) for key, one in state.entities.items()}
            for given in observations:
                entity = state.entity(given["entityName"])
                held = known[entity_key(entity.name)]
                new = [one for one in dict.fromkeys(given["contents"]) if one not in held]
                held.update(new)
                ops += [_observing(entity.name, one) for one in new]
                told.append({"entityName": entity.name, "addedObservations": new})
            return ops, told

        return self._change(plan)

    def delete_entities(self, names: Sequence[str]) -> tuple[list[str], list[str]]:
        """Entities with their observations and relations; returns the names that went and those not found."""

        def plan(state: _State) -> Planned:
            there = [name for name in names if entity_key(name) in state.entities]
            keys = {entity_key(name) for name in there}
            ids = [id for key in keys for id in (state.entities[key].id, *state.entities[key].observations.values())]
            edges = [edge.id for ends, edge in state.relations.items() if keys & {ends[0], ends[2]}]
            ops: list[tuple[MemoryOp, Details | None]] = [(Forget(id), None) for id in sorted(ids)]
            ops += [(Unlink(id), None) for id in edges]
            return ops, (there, [name for name in names if name not in there])

        return self._change(plan)

    def delete_observations(self, deletions: Sequence[Mapping[str, Any]]) -> tuple[int, list[str]]:
        """Returns how many went, and the entities that there are none of."""

        def plan(state: _State) -> Planned:
            ids: dict[str, None] = {}
            missing: list[str] = []
            for given in deletions:
                entity = state.entities.get(entity_key(given["entityName"]))
                if entity is None:
                    missing.append(given["entityName"])
                    continue
                held = entity.observations
                ids.update((held[one], None) for one in given["observations"] if one in held)
            return [(Forget(id), None) for id in ids], (len(ids), missing)

        return self._change(plan)

    def delete_relations(self, relations: Sequence[Mapping[str, str]]) -> int:
        """Returns how many went."""

        def plan(state: _State) -> Planned:
            keys = dict.fromkeys(_key(one) for one in relations)
            ids = [state.relations[key].id for key in keys if key in state.relations]
            return [(Unlink(id), None) for id in ids], len(ids)

        return self._change(plan)

    def read_graph(self) -> Graph:
        """All entities, all relations."""
        state = self._state()
        return _graph(state, state.entities.values())

    def search_nodes(self, query: str) -> Graph:
        """Entities whose name, type or an observation has the query in it, case aside, with their relations."""
        state, part = self._state(), query.casefold()
        found = [
            one
            for one in state.entities.values()
            if any(part in text.casefold() for text in (one.name, one.type, *one.observations))
        ]
        return _graph(state, found)

    def open_nodes(self, names: Sequence[str]) -> Graph:
        """Entities of those names, and relations that touch them."""
        state, keys = self._state(), set(map(entity_key, names))
        return _graph(state, [one for key, one in state.entities.items() if key in keys])

    def _change(self, plan: Callable[[_State], Planned]) -> Any:
        """Carry out what is planned on what is there; thought over where somebody else wrote in between."""
        for _ in range(TRIES):
            self._memory.refresh()
            seq = self._memory.seq
            ops, told = plan(self._state())
            if not ops:
                return told
            self._check_room(ops)
            stamp = Stamp(step=seq, writer="user")
            try:
                receipt = self._memory.apply_all([op for op, _ in ops], stamp, expect=seq, details=[d for _, d in ops])
            except Conflict:
                continue
            if not receipt.done:
                refused = next(one.refused for one in receipt.results if one.refused)
                raise InputError(f"part of it was refused ({refused.value}); read the graph to see what is there")
            return told
        raise InputError("others write to this graph without a pause; try again")

    def _check_room(self, ops: Sequence[tuple[MemoryOp, Details | None]]) -> None:
        """Raises InputError before anything changes where not all of it fits."""
        archive, graph = self._memory.archive, self._memory.graph
        assert archive is not None and graph is not None
        texts = [archive.cost(op.text) for op, _ in ops if isinstance(op, Write)]
        edges = [graph.cost(f"{op.subject} {op.relation} {op.object}") for op, _ in ops if isinstance(op, Link)]
        for part, needed in ((archive, sum(texts)), (graph, sum(edges))):
            if needed and part.tokens_used + needed > part.budget:
                raise InputError(f"no room: {part.tokens_used} of {part.budget} tokens are taken; delete some first")

    def _state(self) -> _State:
        self._memory.refresh()
        archive, graph = self._memory.archive, self._memory.graph
        assert archive is not None and graph is not None
        entities: dict[str, _Entity] = {}
        said: list[tuple[str, str, str]] = []
        for item in archive.entries():
            details = self._memory.details(item.id)  # None where somebody has just removed it
            told = (details and details.metadata) or {}
            if told.get(KIND) == ENTITY:
                entities[entity_key(told[ENTITY])] = _Entity(item.id, told[ENTITY], told[TYPE], {})
            elif told.get(KIND) == CONTENT:
                said.append((entity_key(told[ENTITY]), told[CONTENT], item.id))
        for key, content, id in said:
            if key in entities:
                entities[key].observations[content] = id
        keyed = ((entity_key(e.subject), e.relation, entity_key(e.object)) for e in graph.entries())
        return _State(entities, dict(zip(keyed, graph.entries(), strict=True)))


def _creating(state: _State, entities: Sequence[Mapping[str, Any]]) -> Planned:
    ops: list[tuple[MemoryOp, Details | None]] = []
    made: dict[str, dict[str, Any]] = {}
    for given in entities:
        name, kind = given["name"], given["entityType"]
        key = entity_key(name)
        if not key:
            raise InputError("name: it is blank; name the entity")
        if key in state.entities or key in made:
            continue
        observations = list(dict.fromkeys(given["observations"]))
        made[key] = {"name": name, "entityType": kind, "observations": observations}
        metadata = {KIND: ENTITY, ENTITY: name, TYPE: kind}
        ops.append((Write(f"{name} is a {kind}", "archive"), Details(name=f"entity:{key}", metadata=metadata)))
        ops += [_observing(name, one) for one in observations]
    return ops, list(made.values())


def _observing(name: str, content: str) -> tuple[MemoryOp, Details]:
    metadata = {KIND: CONTENT, ENTITY: name, CONTENT: content}
    return Write(f"{name}: {content}", "archive"), Details(metadata=metadata)


def _relating(state: _State, relations: Sequence[Mapping[str, str]]) -> Planned:
    ops: list[tuple[MemoryOp, Details | None]] = []
    made: dict[tuple[str, str, str], dict[str, str]] = {}
    for given in relations:
        start, end, relation = state.entity(given["from"]), state.entity(given["to"]), tidy(given["relationType"])
        if not relation:
            raise InputError("relationType: it is blank; name the relation")
        key = _key(given)
        if key not in state.relations and key not in made:
            made[key] = {"from": start.name, "to": end.name, "relationType": relation}
            ops.append((Link(start.name, relation, end.name), None))
    return ops, list(made.values())


def _key(relation: Mapping[str, str]) -> tuple[str, str, str]:
    return entity_key(relation["from"]), tidy(relation["relationType"]), entity_key(relation["to"])


def _graph(state: _State, entities: Iterable[_Entity]) -> Graph:
    shown = list(entities)
    keys = {entity_key(one.name) for one in shown}
    relations = [
        {"from": state.entities[start].name, "to": state.entities[end].name, "relationType": relation}
        for start, relation, end in state.relations
        if (start in keys or end in keys) and start in state.entities and end in state.entities
    ]
    return {"entities": [one.shown() for one in shown], "relations": relations}
