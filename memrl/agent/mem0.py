"""mem0's verbs over a ``MemoryAgent``: what was written for mem0 reads and writes the same here.

Every result is ``{"results": [{"id", "memory", "score", "event", "metadata", "created_at", …}]}``; events are ADD,
UPDATE, DELETE, and NONE for what was known already, refused or not worth keeping. An id that an entry once had still
finds it. What was added under a scope has an id that names it ("a1@ana"), so that ``get``, ``update``, ``delete`` and
``history`` find it with no scope beside, as in mem0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from memory_stores.types import Item
from memrl.agent.conversation import ROLES, read_messages
from memrl.agent.results import Fate, Found, Observed
from memrl.contracts.errors import InputError

if TYPE_CHECKING:
    from memrl.agent.memory_agent import MemoryAgent

Results = dict[str, list[dict[str, Any]]]
SCOPES = ("user_id", "agent_id", "run_id")
"""Whose memory is meant; together they name one namespace."""


class Mem0:
    """``add get get_all update delete delete_all history search``.

    Args:
        agent: whose memory is used where no scope is given.
    """

    def __init__(self, agent: MemoryAgent) -> None:
        self._agent = agent

    def add(
        self,
        messages: str | Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        metadata: Mapping[str, Any] | None = None,
        **scope: str | None,
    ) -> Results:
        """Remember a text, or every message of a user's. Raises InputError."""
        agent = self._scoped(scope)
        texts = [messages] if isinstance(messages, str) else _user_texts(messages)
        results = []
        for text in texts:
            seen = agent.observe(text, metadata=metadata)
            events = [self._found(agent, agent.get(id), "ADD" if seen.kept else "NONE") for id in seen.ids]
            results += events or [{"id": None, "memory": text, "event": "NONE", "reason": str(seen)}]
        return {"results": [one for one in results if one]}

    def search(
        self, query: str, *, limit: int = 5, filters: Mapping[str, Any] | None = None, threshold: float = 0.0,
        **scope: str | None,
    ) -> Results:  # fmt: skip
        """Entries that fit a query, the best first. Raises InputError."""
        if isinstance(threshold, bool) or not isinstance(threshold, int | float):
            raise InputError(f"search(threshold=) = {threshold!r:.60}: it must be a number in [0, 1]")
        filters, scope = _split(filters, scope)
        agent = self._scoped(scope)
        hits = agent.search(query, limit, where=filters)
        return {"results": [self._found(agent, hit) for hit in hits if hit.score >= threshold]}

    def get(self, memory_id: str, **scope: str | None) -> dict[str, Any] | None:
        """One entry; None where there is none."""
        agent, id = self._located("get", memory_id, scope)
        return self._found(agent, agent.get(id)) or None

    def get_all(
        self, *, limit: int | None = None, filters: Mapping[str, Any] | None = None, **scope: str | None
    ) -> Results:
        """All entries, oldest first."""
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
            raise InputError(f"get_all(limit=) = {limit!r:.60}: it must be a whole number of at least 0, or None")
        filters, scope = _split(filters, scope)
        agent = self._scoped(scope)
        return {"results": [self._found(agent, one) for one in agent.all(where=filters)[:limit]]}

    def update(
        self, memory_id: str, data: str, *, metadata: Mapping[str, Any] | None = None, **scope: str | None
    ) -> Results:
        """Put another text in an entry's place; the result's id is the new one. Raises InputError."""
        agent, id = self._located("update", memory_id, scope)
        old = agent.get(id)
        seen: Observed = agent.update(id, data, metadata=metadata)
        if seen.fate is not Fate.KEPT or old is None:
            return {"results": [{"id": memory_id, "memory": data, "event": "NONE", "reason": str(seen)}]}
        return {"results": [self._found(agent, agent.get(seen.ids[0]), "UPDATE") | {"previous_memory": old.text}]}

    def delete(self, memory_id: str, **scope: str | None) -> Results:
        """Remove an entry. Raises InputError where there is none of that id."""
        agent, id = self._located("delete", memory_id, scope)
        return {"results": [self._found(agent, agent.delete(id), "DELETE")]}

    def delete_all(self, **scope: str | None) -> Results:
        """Remove all entries of a scope."""
        agent = self._scoped(scope)
        items = [one for one in agent.all() if isinstance(one.entry, Item)]
        return {"results": [self._found(agent, agent.delete(one.id), "DELETE") for one in items]}

    def history(self, memory_id: str, **scope: str | None) -> list[dict[str, Any]]:
        """All changes of an entry, oldest first."""
        agent, id = self._located("history", memory_id, scope)
        return [
            {
                "memory_id": self._named(agent, event.id), "event": event.event, "old_memory": event.before,
                "new_memory": event.after, "new_id": event.new_id and self._named(agent, event.new_id),
                "created_at": _clock(event.time), "is_deleted": event.event == "DELETE",
            }
            for event in agent.history(id)
        ]  # fmt: skip

    def _located(self, call: str, memory_id: Any, scope: Mapping[str, Any]) -> tuple[MemoryAgent, str]:
        """Whose memory an id leads to, and its id there. Raises InputError where a scope beside it says otherwise."""
        agent = self._scoped(scope)
        id, mark, name = memory_id.partition("@") if isinstance(memory_id, str) else (memory_id, "", "")
        if not mark:
            return agent, id
        if agent is not self._agent and agent.name != name:
            raise InputError(f"{call}(memory_id) = {memory_id!r:.80}: it is not of the scope that is named beside it")
        return self._agent.user(name), id

    def _named(self, agent: MemoryAgent, id: str) -> str:
        """An id that says whose it is, but for those of the memory that no scope names."""
        return id if agent.name == self._agent.name else f"{id}@{agent.name}"

    def _found(self, agent: MemoryAgent, one: Found | None, event: str | None = None) -> dict[str, Any]:
        return {} if one is None else _shown(one, self._named(agent, one.id), event)

    def _scoped(self, scope: Mapping[str, Any]) -> MemoryAgent:
        """The agent whose memory a scope means. Raises InputError for a scope that there is none of, or an empty id."""
        if wrong := [name for name in scope if name not in SCOPES]:
            raise InputError(f"{wrong[0]}: it is no argument here; a scope is one of {', '.join(SCOPES)}")
        given = [(name, scope[name]) for name in SCOPES if scope.get(name) is not None]
        for name, value in given:
            if not isinstance(value, str) or not value.strip():
                raise InputError(f"{name} = {value!r}: it is blank; name whose memory is meant")
        if not given:
            return self._agent
        return self._agent.user(_namespace(given))


def _namespace(given: Sequence[tuple[str, str]]) -> str:
    """One name for each scope: a user alone goes by the own name, unless that reads like a scope of several."""
    [(first, value), *more] = given
    if first == "user_id" and not more and not value.startswith(tuple(f"{name}=" for name in SCOPES)):
        return value
    return "/".join(f"{name}={value.replace('%', '%25').replace('/', '%2F')}" for name, value in given)


def _split(filters: Mapping[str, Any] | None, scope: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """mem0 2.x gives the scope among the filters. Raises InputError."""
    if filters is not None and not isinstance(filters, Mapping):
        raise InputError(f"filters = {filters!r:.60}: it must be a mapping of fields to values")
    filters = dict(filters or {})
    if set(filters) == {"AND"} and isinstance(filters["AND"], list):
        every = filters["AND"]
        if not all(isinstance(one, Mapping) for one in every):
            raise InputError(f"filters['AND'] = {every!r:.60}: it must be a list of mappings")
        filters = {name: value for one in every for name, value in one.items()}
    if odd := [name for name in ("AND", "OR", "NOT") if name in filters]:
        raise InputError(
            f"filters[{odd[0]!r}]: conditions cannot be combined so here; name fields, all of which must hold"
        )
    return filters, {**scope, **{name: filters.pop(name) for name in SCOPES if name in filters}}


def _user_texts(messages: Any) -> list[str]:
    given = [messages] if isinstance(messages, Mapping) else messages
    if (
        not isinstance(given, Sequence)
        or isinstance(given, bytes)
        or not all(isinstance(one, Mapping) for one in given)
    ):
        raise InputError(f"add(messages) = {messages!r:.60}: pass a text, or messages each with a role and content")
    if wrong := [one.get("role") for one in given if one.get("role") not in ROLES]:
        raise InputError(f"add(messages): role = {wrong[0]!r:.60}: take one of {', '.join(ROLES)}")
    return [read_messages([one]).last for one in given if one["role"] == "user"]


def _shown(one: Found, id: str, event: str | None) -> dict[str, Any]:
    metadata = dict(one.details.metadata)
    shown = {"id": id, "memory": one.text, "score": one.score, "metadata": metadata, "trust": one.trust}
    if one.details.time is not None:
        shown["created_at"] = _clock(one.details.time)
    return shown | ({"event": event} if event else {})


def _clock(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat()
