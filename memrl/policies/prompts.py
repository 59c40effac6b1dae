"""What an actor reads, as text: header, tools, memory in stable order, hits, observation. Stable for prefix caches.

    Answer from memory in one word, or say unknown.       header
    Memory:
    - Ana put the lantern in the attic.                    token memory, then the hits
    Question: Where is the lantern?                        the observation ("Observation" where it can be remembered)
    Answer:                                                what is to follow ("Action" where it acts)

What was seen or remembered is data: a line break in it never begins a line of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from memrl.contracts.protocols import PLAIN, Brief, SampleRequest
from memrl.contracts.types import Tool

HEADER = "Answer from memory in one word, or say unknown."
"""Where an environment that asks questions briefs nobody."""
ACTING = "You act step by step and see only this and your memory. Say what you do."
"""Where an environment that is acted on briefs nobody."""
ANSWER = "Answer:"
AGREED = "I will remember it."


def render(lines: Sequence[str], question: str, brief: Brief = PLAIN) -> str:
    """The layout of a question; the answer follows after one blank."""
    return _layout(brief.header or HEADER, lines, question, brief.sees or "Question", brief.does or "Answer", brief)


def render_prompt(request: SampleRequest, tools: bool = True) -> str:
    """Nothing but the brief, the view, the observation and the actor's own notes enters.

    Args:
        tools: whether tools are listed here; False where a chat template lists them.
    """
    observation, brief = request.observation, request.brief
    asks = observation.is_question
    return _layout(
        brief.header or (HEADER if asks else ACTING),
        [line.text for line in request.view],
        observation.text,
        brief.sees or ("Question" if asks else "Observation"),
        brief.does or ("Answer" if asks else "Action"),
        brief,
        observation.choices,
        request.scratch,
        tools,
    )


def _layout(
    header: str,
    lines: Sequence[str],
    shown: str,
    sees: str,
    does: str,
    brief: Brief,
    choices: Sequence[str] = (),
    scratch: Sequence[str] = (),
    tools: bool = True,
) -> str:
    listed = tool_text(brief.tools) if tools and brief.tools else ""
    memory = listing(lines) or "(empty)"
    admissible = f"You may: {'; '.join(choices)}\n" if choices else ""
    notes = "".join(f"Thought: {_inside(note)}\n" for note in scratch)
    return f"{header}\n{listed}Memory:\n{memory}\n{sees}: {_inside(shown)}\n{admissible}{notes}{does}:"


def listing(lines: Sequence[str]) -> str:
    """A list of lines of memory; empty for none."""
    return "\n".join(f"- {_inside(line)}" for line in lines)


def _inside(data: str) -> str:
    """Data may break lines, but only under its own."""
    return data.replace("\r", "\n").replace("\n", "\n  ") if "\n" in data or "\r" in data else data


def tool_text(tools: Sequence[Tool]) -> str:
    """A line a tool, for models whose template knows nothing of tools."""
    lines = [f"- {tool.name}({', '.join(name for name, _ in tool.parameters)}): {tool.about}" for tool in tools]
    return "Tools, called as name(argument=value):\n" + "\n".join(lines) + "\n"


def tool_schema(tool: Tool) -> dict[str, object]:
    """The tool as chat templates take it."""
    properties = {name: kind if isinstance(kind, dict) else {"type": kind} for name, kind in tool.parameters}
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    function = {"name": tool.name, "description": tool.about, "parameters": parameters}
    return {"type": "function", "function": function}


def as_user(text: str) -> list[dict[str, str]]:
    """The chat layout: the plain one, said by the user."""
    return [{"role": "user", "content": text}]


def as_turns(
    request: SampleRequest, clean: Callable[[str], str], tools: bool = True, system: bool = True
) -> list[dict[str, str]]:
    """The messages of a chat layout: one of the user's, behind one with the background where the brief has any.

    Args:
        clean: takes out of data what would end a turn.
        tools: see ``render_prompt``.
        system: False for templates that know no system message: the user says it, and the assistant agrees.
    """
    before, last = request.view[:-1], request.view[-1:]
    if not request.brief.background or not before:
        return as_user(clean(render_prompt(request, tools)))
    known = clean(f"{request.brief.background}\n{listing([line.text for line in before])}")
    asked = as_user(clean(render_prompt(replace(request, view=last), tools)))
    if system:
        return [{"role": "system", "content": known}, *asked]
    return [*as_user(known), {"role": "assistant", "content": AGREED}, *asked]
