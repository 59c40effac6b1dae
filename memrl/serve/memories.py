"""``/v1/memories``: a user's memories added, searched, listed, changed and deleted, without a model.

POST   /v1/memories             {"text", "user"?, "metadata"?, "trust"?, "source"?}   what became of it, and its ids
POST   /v1/memories/search      {"query", "user"?, "k"?, "where"?}                    the best first
GET    /v1/memories             ?user= &limit= &offset=                               all, oldest first
GET    /v1/memories/{id}        ?user=
PUT    /v1/memories/{id}        {"text", "user"?, "metadata"?}                   under a new id; the old one finds it
DELETE /v1/memories/{id}        ?user=
DELETE /v1/memories             ?user=                                                all of one user
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from memory_stores.types import Item
from memrl.agent.results import Found, Observed
from memrl.agent.texts import checked_trust
from memrl.contracts.errors import InputError
from memrl.serve.chat import agent_of
from memrl.serve.errors import RequestError, refused
from memrl.serve.needs import ServedAgent

MOST = 1000
"""Entries of one answer."""


class Memories:
    """The endpoints as plain functions of what a request says: each raises RequestError or InputError."""

    def __init__(self, agent: ServedAgent, observed: Any) -> None:
        self._agent, self._observed = agent, observed

    def add(self, body: Mapping[str, Any]) -> dict[str, Any]:
        only(body, "text", "user", "metadata", "trust", "source")
        agent = self._of(body)
        trust = body.get("trust", 1.0)
        try:
            checked_trust("trust", trust)
        except InputError as error:
            raise RequestError(400, str(error), "invalid_value", "trust") from error
        metadata = _metadata(body)
        seen = agent.observe(_text(body, "text"), trust=trust, source=_optional(body, "source"), metadata=metadata)
        return self._told(agent, seen)

    def search(self, body: Mapping[str, Any]) -> dict[str, Any]:
        only(body, "query", "user", "k", "where")
        where = body.get("where")
        if where is not None and not isinstance(where, Mapping):
            raise refused("where", "it must be an object of fields and values")
        k = _count(body.get("k", 5), "k", least=1)
        query, user = _text(body, "query"), _optional(body, "user")
        hits = self._of(body).search(query, k, where=where) if self._is_there(user) else []
        return {"object": "list", "data": [_shown(hit) for hit in hits]}

    def list(self, user: str | None, limit: str | None, offset: str | None) -> dict[str, Any]:
        first = _count(_number(offset, 0, "offset"), "offset", least=0, most=None)
        most = _count(_number(limit, 100, "limit"), "limit", least=1)
        found = agent_of(self._agent, user).all(where=None) if self._is_there(user) else []
        data = [_shown(one) for one in found[first : first + most]]
        return {"object": "list", "data": data, "total": len(found)}

    def get(self, user: str | None, id: str) -> dict[str, Any]:
        if not self._is_there(user):
            raise _unknown(id)
        return _shown(self._known(agent_of(self._agent, user), id))

    def update(self, id: str, body: Mapping[str, Any]) -> dict[str, Any]:
        only(body, "text", "user", "metadata")
        agent = self._of(body)
        self._known(agent, id)
        return self._told(agent, agent.update(id, _text(body, "text"), metadata=_metadata(body)))

    def delete(self, user: str | None, id: str) -> dict[str, Any]:
        agent = agent_of(self._agent, user)
        self._known(agent, id)
        return {"id": agent.delete(id).id, "object": "memory", "deleted": True}

    def delete_all(self, user: str | None) -> dict[str, Any]:
        agent = agent_of(self._agent, user)
        gone = [agent.delete(one.id).id for one in agent.all(where=None) if isinstance(one.entry, Item)]
        return {"object": "list", "deleted": gone}

    def _of(self, body: Mapping[str, Any]) -> ServedAgent:
        return agent_of(self._agent, _optional(body, "user"))

    def _known(self, agent: ServedAgent, id: str) -> Found:
        found = agent.get(id)
        if found is None:
            raise _unknown(id)
        return found

    def _is_there(self, user: str | None) -> bool:
        """Whether a user has a memory: to look at one's who has none must not make it."""
        return user is None or user in self._agent.users()

    def _told(self, agent: ServedAgent, seen: Observed) -> dict[str, Any]:
        self._observed(seen.fate.value)
        held = [found for id in seen.ids if (found := agent.get(id)) is not None]
        return {
            "object": "observation",
            "fate": seen.fate.value,
            "reason": None if seen.reason is None else seen.reason.value,
            "message": str(seen),
            "ids": list(seen.ids),
            "evicted": list(seen.evicted),
            "memories": [_shown(one) for one in held],
        }


def _unknown(id: str) -> RequestError:
    return RequestError(404, f"there is no memory {id!r}; list them with GET /v1/memories", "not_found", "id")


def only(given: Iterable[str], *known: str) -> None:
    """A field that nobody reads may be a user's name misspelt, whose memories would go to everybody."""
    if unknown := [name for name in given if name not in known]:
        raise refused(unknown[0], f"there is no such field; take {', '.join(known)}")


def _shown(found: Found) -> dict[str, Any]:
    details = found.details
    return {
        "id": found.id,
        "object": "memory",
        "text": found.text,
        "score": found.score,
        "store": found.store,
        "trust": found.trust,
        "time": details.time,
        "source": details.source or None,
        "metadata": dict(details.metadata),
    }


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise refused(name, "it must be a text that is not blank")
    return value


def _optional(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise refused(name, f"it is {value!r}; give a text that is not blank, or leave it out")
    return value


def _metadata(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    value = body.get("metadata")
    if value is not None and not isinstance(value, Mapping):
        raise refused("metadata", "it must be an object, or left out")
    return value


def _number(told: str | None, default: int, name: str) -> int:
    if told is None:
        return default
    try:
        return int(told)
    except ValueError:
        raise refused(name, f"it is {told!r}; give a whole number") from None


def _count(value: Any, name: str, *, least: int, most: int | None = MOST) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least or (most is not None and value > most):
        raise refused(name, f"it is {value!r}; give a whole number from {least}" + (f" to {most}" if most else ""))
    return value
