"""Every style but ``plain``, by name."""

from __future__ import annotations

from collections.abc import Mapping

from memrl.envs.memworld.styles import (
    alias,
    chat,
    first_person,
    note,
    passive,
    pronoun,
    question_tag,
    quoted,
    two_facts,
)
from memrl.envs.memworld.styles.style import Style

BOOK: Mapping[str, Style] = {
    "chat": chat.STYLE,
    "first_person": first_person.STYLE,
    "passive": passive.STYLE,
    "alias": alias.STYLE,
    "note": note.STYLE,
    "quoted": quoted.STYLE,
    "pronoun": pronoun.STYLE,
    "two_facts": two_facts.STYLE,
    "question_tag": question_tag.STYLE,
}
