"""``Said``: one observation as it came from outside, checked before anything is changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, NamedTuple

from memrl.agent.results import Details
from memrl.agent.texts import checked_metadata, checked_text, checked_time, checked_trust
from memrl.contracts.errors import InputError

ARGUMENTS = ("text", "trust", "time", "source", "metadata")
"""What ``observe`` takes, and what a mapping that is observed may have."""


class Now(NamedTuple):
    """The clock as a call began, and whose days its dates are."""

    time: float
    """Seconds since 1970."""
    zone: tzinfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One observation, checked."""

    text: str
    trust: float
    details: Details
    now: float
    """Clock time at which it is taken in."""


def checked(
    call: str,
    now: Now,
    text: Any,
    trust: Any = None,
    time: Any = None,
    source: Any = None,
    metadata: Any = None,
) -> Said:
    """What a call observes; None stands for what is not said. Raises InputError naming the call and the argument."""
    said_at = checked_time(f"{call}(time=)", time, now.zone)
    details = Details(
        time=now.time if said_at is None else said_at,
        source=checked_text(f"{call}(source=)", source) if source is not None else "",
        metadata=checked_metadata(f"{call}(metadata=)", metadata),
    )
    trust = 1.0 if trust is None else checked_trust(f"{call}(trust=)", trust)
    return Said(text=checked_text(f"{call}(text)", text), trust=trust, details=details, now=now.time)


def all_checked(call: str, now: Now, texts: Iterable[Any]) -> list[Said]:
    """``checked`` of each: strings, or mappings with ``ARGUMENTS``. Raises InputError."""
    if isinstance(texts, str | bytes | Mapping) or not isinstance(texts, Iterable):
        raise InputError(f"{call}(texts) = {texts!r:.60}: pass a list of texts, or of mappings with a text")
    given = [dict(one) if isinstance(one, Mapping) else {"text": one} for one in texts]
    if wrong := [key for one in given for key in one if key not in ARGUMENTS]:
        raise InputError(f"{call}: {wrong[0]!r} is none of {', '.join(ARGUMENTS)}")
    return [checked(call, now, *(one.get(name) for name in ARGUMENTS)) for one in given]
