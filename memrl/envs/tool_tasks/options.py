"""Which tasks, which tools, and what a play pays."""

from __future__ import annotations

from dataclasses import dataclass

from memrl.contracts.checks import check

HEADER = "Call a tool where you need one; else answer in a few words."


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolTasksOptions:
    data: str = ""
    """A file of tasks, one JSON object a line."""
    tools: str | tuple[str, ...] = ()
    """"python", "sql:FILE", "search:FILE", "mcp:COMMAND", and your own: "my_tools:function", "my_tools:Class"; one, or
    a list."""
    held_out: tuple[str, ...] = ()
    """Ids of the tasks that evaluation plays and training never sees; empty for the last fifth of the file."""
    judge: str = "f1"
    """What an answer is worth: "f1", "exact", "contains", or "module:function" of your own."""
    calls: int = 8
    """Calls that a question may take."""
    recent: int = 1
    """Results of a question's own calls, the latest, that stand below it when it is asked again."""
    joined: int = 1
    """Tasks of an episode, their turns in turns: what one tells is needed after others spoke."""
    call_cost: float = 0.0
    """Taken off for every call."""
    invalid_cost: float = 0.0
    """Taken off besides for one that is none: an unknown tool, wrong arguments, an error."""
    seconds: float = 10.0
    """That a call may take."""
    sandboxed: bool = False
    """Whether your functions run in the sandbox, where they reach nothing and can be stopped."""
    header: str = HEADER
    """What the policy is told before anything else."""
    max_new_tokens: int = 64
    """Of a call or an answer."""

    @property
    def entries(self) -> tuple[str, ...]:
        """``tools`` as a list."""
        return (self.tools,) if isinstance(self.tools, str) else self.tools

    def __post_init__(self) -> None:
        check(
            self, "env.options.", calls="[0, 1000]", recent="[0, 1000]", joined="[1, 10000]", call_cost="[0, inf)",
            invalid_cost="[0, inf)", seconds="(0, inf)", max_new_tokens="[1, 100000]",
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolTasksTheta:
    """What one task plays."""

    ids: tuple[str, ...]
    """Of tasks of the file."""
