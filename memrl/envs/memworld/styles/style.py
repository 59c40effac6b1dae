"""What a style of MemWorld is: how it says every kind of event, and frames around what it says.

Slots of a phrasing: {s} subject and {v} value with their article, {i} {j} the same without; {a} who acts, {p} a person
in no fact, {t} another thing, {w} another place, {b} the subject's byname, {n} second name, {r} role noun, {c} claim,
{d} day, {k} creature, {g} gathering, {o} colour, {y} signal. A frame has {x}, the phrasing. A capital, as in {S} or
{X}, is for the start of a sentence.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from memrl.envs.memworld.events import Relation

BARE: tuple[str, ...] = ("{X}",)
"""The frame that adds nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """Phrasings of one style, by kind of event."""

    assert_thing: tuple[str, ...]
    update_thing: tuple[str, ...]
    assert_person: tuple[str, ...]
    update_person: tuple[str, ...]
    retract_thing: tuple[str, ...]
    retract_person: tuple[str, ...]
    carrier: tuple[str, ...]
    owner: tuple[str, ...]
    boss: tuple[str, ...]
    teacher: tuple[str, ...]
    unlink: tuple[str, ...]
    alias: tuple[str, ...]
    contradict: tuple[str, ...]
    """A report that says itself that it is not to be believed."""
    chatter: tuple[str, ...]
    mention: tuple[str, ...]
    foreign: tuple[str, ...]
    wait: tuple[str, ...]
    plan: tuple[str, ...]
    cancel: tuple[str, ...]
    cue: tuple[str, ...]
    """A signal sounds: told as an event is, though something is to be done."""
    ask_where: tuple[str, ...]
    ask_day: tuple[str, ...]
    ask_who: tuple[str, ...]
    ask_count: tuple[str, ...]
    frames: tuple[str, ...] = BARE
    """Around everything that is told."""
    ask_frames: tuple[str, ...] = BARE
    """Around every question."""

    def link(self, relation: Relation) -> tuple[str, ...]:
        """The phrasings of a link of that relation."""
        tables = {"carrier": self.carrier, "owner": self.owner, "boss": self.boss, "teacher": self.teacher}
        return tables[relation]

    def tables(self) -> dict[str, tuple[str, ...]]:
        """Every table by its name, frames too."""
        return {table.name: getattr(self, table.name) for table in fields(self)}
