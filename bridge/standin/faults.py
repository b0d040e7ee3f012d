"""Faults that tests order from the stand-in, one kind of trouble n8n was seen in each."""

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from bridge.standin import answers

Kind = Literal[
    "starting_up",
    "html_404",
    "not_registered",
    "db_not_ready",
    "reset_before_answer",
    "reset_after_run",
    "status",
]


class InjectedFault(BaseModel):
    """What goes wrong at a path, how many times; a path that ends with `*` means all that begin so.

    `reset_before_answer` breaks the connection and runs nothing, `reset_after_run` runs the
    workflow and then breaks it; `status` answers with `status` and `body`.
    """

    model_config = ConfigDict(extra="forbid")

    path: str
    kind: Kind
    times: int = Field(1, ge=1)
    status: int = 500
    body: str = ""
    content_type: str = answers.HTML_TYPE

    def meets(self, path: str) -> bool:
        """Report whether a request's path is meant."""
        if self.path.endswith("*"):
            return path.startswith(self.path[:-1])
        return path == self.path


class Faults:
    """The faults still to come, first ordered first met."""

    def __init__(self) -> None:
        self._queue: list[InjectedFault] = []

    def add(self, fault: InjectedFault) -> None:
        """Order a fault."""
        self._queue.append(fault)

    def next(self, path: str) -> InjectedFault | None:
        """Take the fault that this request meets, if any."""
        fault = next((queued for queued in self._queue if queued.meets(path)), None)
        if fault is not None:
            fault.times -= 1
            if fault.times == 0:
                self._queue.remove(fault)
        return fault

    def clear(self) -> None:
        """Let everything go well again."""
        self._queue.clear()


ANSWERS: dict[Kind, Callable[[InjectedFault, str, str], Response]] = {
    "starting_up": lambda _fault, _method, _path: answers.starting_up(),
    "html_404": lambda _fault, method, path: answers.cannot(method, path),
    "not_registered": lambda _fault, method, path: answers.not_registered(
        method, path.removeprefix("/webhook/")
    ),
    "db_not_ready": lambda _fault, _method, _path: answers.database_not_ready(),
    "status": lambda fault, _method, _path: Response(
        fault.body, fault.status, {"content-type": fault.content_type}
    ),
}
