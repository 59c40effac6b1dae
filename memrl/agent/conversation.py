"""OpenAI messages: who said what, what of it is remembered, and what is to be answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from memrl.agent.texts import checked_text, statements
from memrl.contracts.errors import InputError

INSTRUCTS = ("system", "developer")
ROLES = (*INSTRUCTS, "user", "assistant", "tool", "function")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """A conversation, read."""

    instructions: str
    """System messages, one after the other."""
    before: tuple[str, ...]
    """What users stated before the last turn."""
    last: str
    """The turn to answer."""
    stated: str
    """What is stated in it besides its questions; empty for nothing."""


def read_messages(messages: Sequence[Mapping[str, Any]]) -> Turns:
    """Turns of a conversation.

    Args:
        messages: each with "role" and "content": a string, or parts of which those of type "text" are read.

    Raises:
        InputError: no messages, a message without role or text, or the last one is no user's.
    """
    if isinstance(messages, str | Mapping) or not isinstance(messages, Sequence) or not messages:
        raise InputError("chat(messages): pass a list of messages, each with a role and content; the last is a user's")
    read = [_read(place, message) for place, message in enumerate(messages)]
    role, last = read[-1]
    if role != "user" or not last:
        raise InputError(f"chat(messages)[{len(read) - 1}]: the last message must be a user's and say something")
    users = [text for role, text in read[:-1] if role == "user"]
    return Turns(
        instructions="\n".join(text for role, text in read if role in INSTRUCTS and text),
        before=tuple(stated for text in users if (stated := statements(text))),
        last=last,
        stated=statements(last),
    )


def _read(place: int, message: Any) -> tuple[str, str]:
    where = f"chat(messages)[{place}]"
    if not isinstance(message, Mapping) or message.get("role") not in ROLES:
        raise InputError(f"{where}: it must be an object whose role is one of {', '.join(ROLES)}")
    content = message.get("content")
    if isinstance(content, Sequence) and not isinstance(content, str | bytes):
        parts = [part for part in content if isinstance(part, Mapping) and part.get("type") == "text"]
        if len(parts) < len(content) and message["role"] == "user":
            raise InputError(f"{where}: only parts of type text can be read; describe others in words")
        content = "\n".join(checked_text(where, part.get("text")) for part in parts)
    if content is None and message["role"] != "user":
        content = ""  # an assistant's turn that only calls tools
    return message["role"], checked_text(f"{where}.content", content)
