"""What goes wrong with a request, as OpenAI's clients read it: ``{"error": {message, type, param, code}}``."""

from __future__ import annotations

from typing import Any

from memrl.contracts.errors import EndpointError, InputError, MissingExtra, StorageError


class RequestError(Exception):
    """A request that is answered with an error, in one line.

    Args:
        status: of HTTP.
        message: what is wrong, and the way out.
        code: names the kind.
        param: the field that is meant.
        kind: OpenAI's type of error.
    """

    def __init__(
        self, status: int, message: str, code: str, param: str | None = None, kind: str = "invalid_request_error"
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param, self.kind = status, message, code, param, kind

    @property
    def body(self) -> dict[str, Any]:
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}


def refused(param: str, message: str) -> RequestError:
    """A field with a value that cannot be used."""
    return RequestError(400, f"{param}: {message}", "invalid_value", param)


def told(error: Exception) -> RequestError:
    """Any error as one to answer with; of our own faults nothing is told but that there was one."""
    if isinstance(error, RequestError):
        return error
    message = " ".join(str(error).split())
    if isinstance(error, EndpointError):
        return RequestError(502, message, "model_unreachable", kind="server_error")
    if isinstance(error, StorageError):
        return RequestError(503, message, "storage_unavailable", kind="server_error")
    if isinstance(error, InputError):
        return RequestError(400, message, "invalid_value")
    if isinstance(error, MissingExtra):
        return RequestError(501, message, "not_installed", kind="server_error")
    return RequestError(500, "an error inside the server; its log tells more", "internal_error", kind="server_error")
