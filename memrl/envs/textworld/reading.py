"""What a game prints, as a reader needs it: without banner, status line and blank lines; cut into pieces on demand."""

from __future__ import annotations

import re
from functools import lru_cache

STATUS = re.compile(r"\n?>\s*(-=[^\n]*)?\Z")
"""The prompt at the end, with the status line that the interpreter draws behind it."""
AGAIN = re.compile(r"Would you like to RESTART.*", re.DOTALL)
SCORE = re.compile(r"^(Your score has just|You scored \d+ out of).*$", re.MULTILINE)
RULE = re.compile(r"^[-\s|$\\/_]*$")
"""A line of the banner, or one that only underlines."""
SENTENCE = re.compile(r"(?<=[.!?])\s+")


def cleaned(printed: str, objective: str = "", score_lines: bool = False) -> str:
    """Lines of text, nothing else.

    Args:
        objective: where it is found, all that stands before it is banner.
        score_lines: keep what the game says about its score.
    """
    text = AGAIN.sub("", STATUS.sub("", printed.rstrip()))
    start = text.find(objective) if objective else -1
    text = text[max(start, 0) :]
    if not score_lines:
        text = SCORE.sub("", text)
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line and not RULE.match(line))


@lru_cache(maxsize=16_384)
def pieces(text: str, words: int) -> tuple[str, ...]:
    """The text in pieces of at most so many words, cut at line ends and sentence ends; a longer sentence stays whole.

    A line that ends in a colon heads what follows it, so it begins a piece. 0 words leaves the text as it is.
    """
    if not words or len(text.split()) <= words:
        return (text,)
    found: list[list[str]] = [[]]
    held = 0
    for line in text.split("\n"):
        for number, sentence in enumerate(SENTENCE.split(line)):
            size = len(sentence.split())
            if found[-1] and (held + size > words or sentence.endswith(":")):
                found.append([])
                held = 0
            if number and found[-1]:
                found[-1][-1] += f" {sentence}"
            else:
                found[-1].append(sentence)
            held += size
    return tuple("\n".join(lines) for lines in found)
