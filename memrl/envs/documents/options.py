"""What of which streams is played."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from memrl.contracts.checks import check
from memrl.contracts.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentsOptions:
    data: str | tuple[str, ...] = ""
    """Sets by name ("timeqa"), files or folders of stream records, or "form:path" for an official form
    ("squad:dev-v2.0.json"); several as a list. ``memrl data list`` says which names are known."""
    held_out: tuple[int | str, ...] = ()
    """Streams, by id or place, that evaluation plays and training never sees; "all" for evaluation alone. Empty: a
    set's own train and valid files, and of a single file the last fifth of its streams."""
    horizon: int = 0
    """Units an episode. 0 plays each stream as it is; more joins streams of a set; less cuts a stream, and asks only
    what the cut holds the evidence for."""
    questions: int = 0
    """Most questions an episode, drawn by the task's seed; 0 for all."""
    delay: Literal["end"] | tuple[int, ...] = "end"
    """Units between the moment from which a question may be asked and the question: "end" for the end of the episode,
    or (least, most)."""
    categories: tuple[str, ...] = ()
    """Kinds of question to ask; empty for all."""
    min_agree: int = 2
    """Annotators who must have named the evidence, where a record counts them; others are not asked."""
    chunk_tokens: int = 0
    """Units of more words and marks are cut at sentence ends; 0 leaves all as they are."""

    def __post_init__(self) -> None:
        check(
            self,
            "env.options.",
            horizon="[0, inf)",
            questions="[0, inf)",
            min_agree="[0, inf)",
            chunk_tokens="[0, inf)",
        )
        least_most = self.span
        if least_most is not None and not (len(least_most) == 2 and 0 <= least_most[0] <= least_most[1]):
            raise ConfigError("env.options.delay", self.delay, "it is 'end' or (least, most), in units")

    @property
    def entries(self) -> tuple[str, ...]:
        """``data`` as a list."""
        return (self.data,) if isinstance(self.data, str) else self.data

    @property
    def span(self) -> tuple[int, ...] | None:
        """(least, most) delay; None for the end."""
        return None if self.delay == "end" else self.delay


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentsTheta:
    """What one task plays; the task's seed draws its questions and their delays."""

    set: str
    """Name of the set."""
    streams: tuple[str, ...]
    """Ids of the streams that are joined, in order."""
    start: int = 0
    """Place of the first unit that is shown."""
    horizon: int = 0
    """Units that are shown."""
    questions: int = 0
    """As in the options; so are the rest."""
    delay: tuple[int, ...] = ()
    """(least, most); empty for the end of the episode."""
    categories: tuple[str, ...] = ()
    min_agree: int = 0
    chunk_tokens: int = 0
