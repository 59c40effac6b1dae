"""Every error that memrl raises on purpose.

MemrlError
├── InputError          what a user named cannot be used (exit code 2; also a ValueError)
│   ├── ConfigError     a knob has a value that no run can have (PromptTooLong: more than a model reads at once)
│   ├── DataError       a data file is missing, corrupt or of another format
│   ├── ModelError      a model cannot be found or has no weights
│   ├── RunFolderError  a run folder exists already, is missing, or is of another version
│   ├── EndpointError   a model behind a URL does not answer, or not as it should
│   ├── StorageError    a file of a run cannot be written: the disk is full, a quota, no permission
│   └── TrainingError   training cannot go on: gradients that are not finite, one after the other
├── MissingExtra        a package is not installed; the message names the pip command (also an ImportError)
└── LeakError           a question's text reached a write decision in query-free mode (our fault, never the user's)

An agent's mistakes are not here: they are data (``memory_stores.types.Refusal``, ``memrl.contracts.types.Unreadable``).
"""

from __future__ import annotations


class MemrlError(Exception):
    """Root of the tree above."""


class InputError(MemrlError, ValueError):
    """What a user named cannot be used. One line: the setting, the value, the way out."""


class ConfigError(InputError):
    """A knob has a value that no run can have."""

    def __init__(self, knob: str, value: object, way_out: str) -> None:
        super().__init__(f"{knob} = {value!r}: {way_out}")
        self.way_out = way_out


class PromptTooLong(ConfigError):
    """A prompt and the room for an answer exceed what a model reads at once."""

    def __init__(self, model: object, tokens: int, answer: int, context: int) -> None:
        way_out = (
            f"a prompt of {tokens} tokens and policy.max_new_tokens = {answer} exceed its context of {context} tokens; "
            "lower memory.read_budget, or take a model that reads more"
        )
        super().__init__("policy.model", model, way_out)
        self.tokens, self.most = tokens, context - answer


class DataError(InputError):
    """A data file is missing, corrupt or of another format."""


class ModelError(InputError):
    """A model cannot be found or has no weights."""


class RunFolderError(InputError):
    """A run folder exists already, is missing, or is of another version."""


class EndpointError(InputError):
    """A model behind a URL does not answer, or not as it should. Nothing else was changed."""


class StorageError(InputError):
    """A file of a run cannot be written. What was saved before is as it was."""


class TrainingError(InputError):
    """Training cannot go on as it is set. The weights, and what was saved before, are as they were."""


class MissingExtra(MemrlError, ImportError):
    """A package is not installed."""


class LeakError(MemrlError):
    """A question's text reached a write decision in query-free mode."""
