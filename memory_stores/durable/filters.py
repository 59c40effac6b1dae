"""What a filter of ``DurableMemory.search`` may ask of every entry (``memory_stores.filters`` says how).

``step``, ``trust``, ``writer``, ``observation_id``, ``id``, ``name``, ``store``, ``written_at``, ``event_time`` and
``time`` (of the event, or else of writing) are those of the entry; everything else is of the metadata.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from memory_stores import filters
from memory_stores.durable.errors import StoreError
from memory_stores.durable.rows import Held
from memory_stores.filters import FilterError, Test
from memory_stores.filters import Where as Where
from memory_stores.types import Entry

Stored = tuple[Entry, Held]
_STORES = {"t": "token", "g": "graph", "a": "archive"}
_FIELDS: dict[str, Callable[[Stored], Any]] = {
    "id": lambda one: one[0].id,
    "store": lambda one: _STORES[one[0].id[0]],
    "step": lambda one: one[0].stamp.step,
    "trust": lambda one: one[0].stamp.trust,
    "writer": lambda one: one[0].stamp.writer,
    "observation_id": lambda one: one[0].stamp.observation_id,
    "name": lambda one: one[1].details.name,
    "time": lambda one: one[1].written_at if one[1].details.event_time is None else one[1].details.event_time,
    "written_at": lambda one: one[1].written_at,
    "event_time": lambda one: one[1].details.event_time,
}
_NUMBERS = ("step", "trust", "time", "written_at", "event_time")


def compiled(where: Where | None) -> Test[Stored] | None:
    """The filter as a function of an entry; None where everything passes. Raises StoreError."""
    try:
        return filters.compiled(where, _FIELDS, lambda one: one[1].details.metadata, _NUMBERS)
    except FilterError as error:
        raise StoreError(str(error)) from None
