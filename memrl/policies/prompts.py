"""What the policy reads: header, memory in stable order, hits, question. Pure text, stable for prefix caches."""

from __future__ import annotations

from memrl.contracts.protocols import SampleRequest
from memrl.contracts.types import Say, Unreadable

HEADER = "Answer from memory in one word, or say unknown."
ANSWER = "Answer:"


def render(lines: tuple[str, ...] | list[str], question: str) -> str:
    """The plain layout; the answer follows after one blank."""
    memory = "\n".join(f"- {line}" for line in lines) or "(empty)"
    return f"{HEADER}\nMemory:\n{memory}\nQuestion: {question}\n{ANSWER}"


def render_prompt(request: SampleRequest) -> str:
    """Nothing but the header, the view and the observation enters."""
    return render(tuple(line.text for line in request.view), request.observation.text)


def as_user(text: str) -> list[dict[str, str]]:
    """The chat layout: the plain one, said by the user."""
    return [{"role": "user", "content": text}]


def parse_answer(text: str) -> Say | Unreadable:
    """The first line that says something; a blank answer is ``Unreadable``, which training must see."""
    answer = text.strip().partition("\n")[0].strip()
    return Say(answer) if answer else Unreadable(text)
