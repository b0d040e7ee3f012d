"""The file that a fake Claude answers by: rules for events, and calls that it makes by itself."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from bridge.configuration.documents import Document, read_document
from bridge.configuration.fields import Entry, JsonSchema, Pause, Pointer, Seconds, rule_of, unsound
from bridge.configuration.findings import Finding
from bridge.configuration.rules import VALUE_WRONG
from bridge.configuration.servers import Hook, Server
from bridge.configuration.wording import suggestion
from bridge.errors import ConfigurationError, Fault
from bridge.formats.pointers import parts_of
from bridge.models import PAUSE_S_MAX, REASON_CHARS_MAX, Json
from bridge.schemas.compile import faults_in_value
from bridge.schemas.examples import example_of

NO_SCHEMA: Json = {"answer": "an answer of the fake Claude"}


class GivenBack(Entry):
    """How an event is given back instead of answered."""

    reason: str = Field("given back by the fake Claude", max_length=REASON_CHARS_MAX)
    delay_s: Pause = Field(0, alias="delay", le=PAUSE_S_MAX)
    dead: bool = False


class AnswerRule(Entry):
    """What becomes of the events that it is for; of several rules the first that fits counts."""

    server: str | None = None
    hook: str | None = None
    payload: JsonSchema | None = None
    where: dict[Pointer, Any] = Field(default_factory=dict)
    delay_s: Pause = Field(0, alias="delay")
    reply: Any = None
    release: GivenBack | None = None

    @model_validator(mode="after")
    def _check_that_one_thing_is_done(self) -> "AnswerRule":
        if self.has_reply and self.release:
            raise unsound([Fault("/release", "stands beside `reply`: choose one of the two")])
        return self

    @property
    def has_reply(self) -> bool:
        """Report whether it says a reply, which may well be null."""
        return "reply" in self.model_fields_set

    def covers(self, server: str, hook: str) -> bool:
        """Report whether it is for events of this place."""
        return self.server in (None, server) and self.hook in (None, hook)

    def fits(self, server: str, hook: str, payload: Json) -> bool:
        """Report whether it is for an event."""
        if not self.covers(server, hook):
            return False
        if any(_at(payload, pointer) != value for pointer, value in self.where.items()):
            return False
        return self.payload is None or not faults_in_value(self.payload, payload)


class PlannedCall(Entry):
    """A workflow that is run without being asked for: once, or again and again."""

    server: str
    workflow: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    after_s: Pause = Field(0, alias="after")
    every_s: Seconds | None = Field(None, alias="every")


class Answers(Entry):
    """All that a fake Claude does; hooks that no rule is for are answered by example, or left."""

    answers: tuple[AnswerRule, ...] = ()
    otherwise: Literal["example", "leave"] = "example"
    calls: tuple[PlannedCall, ...] = ()

    def rule_for(self, server: str, hook: str, payload: Json) -> AnswerRule | None:
        """Find the rule for an event; None where it is to be left to others."""
        fitting = (rule for rule in self.answers if rule.fits(server, hook, payload))
        return next(fitting, AnswerRule() if self.otherwise == "example" else None)

    def hooks_of(self, server: Server) -> list[str]:
        """Name the hooks of a server whose events are taken; an empty name stands for all."""
        if self.otherwise == "example":
            return [""] if server.hooks else []
        return [
            hook
            for hook in server.hooks
            if any(rule.covers(server.name, hook) for rule in self.answers)
        ]


def reply_of(rule: AnswerRule, hook: Hook) -> Json:
    """Return what a rule replies: what it says, or an example of what the hook wants."""
    example = NO_SCHEMA if hook.reply is None else example_of(hook.reply)
    reply: Json = rule.reply if rule.has_reply else example
    return reply


def read_answers(path: Path, servers: Mapping[str, Server], *, knows_all: bool) -> Answers:
    """Read a file of answers for these servers; unless they are all, others may be named in it.

    Raises:
        ConfigurationError: naming all that is wrong, with file and line.
    """
    if not path.is_file():
        raise ConfigurationError((f"{path} is no file: name one of answers, or mend its name",))
    document = read_document(path)
    try:
        answers = Answers.model_validate(document.value or {}, by_name=False)
    except ValidationError as error:
        wrong = (
            document.finding(rule_of(details), details["loc"], details["msg"])
            for details in error.errors(include_url=False)
        )
        raise ConfigurationError(tuple(map(str, wrong))) from None
    found = _wrong_with(answers, servers, document, knows_all=knows_all)
    if faults := tuple(map(str, found)):
        raise ConfigurationError(faults)
    return answers


def _wrong_with(
    answers: Answers, servers: Mapping[str, Server], document: Document, *, knows_all: bool
) -> Iterator[Finding]:
    for number, rule in enumerate(answers.answers):
        hooks = {
            f"{server.name}/{hook.name}": hook
            for server in servers.values()
            for hook in server.hooks.values()
            if rule.covers(server.name, hook.name)
        }
        known = (f"{server.name}/{hook}" for server in servers.values() for hook in server.hooks)
        place = ("answers", str(number))
        if not hooks and knows_all:
            meant = f"{rule.server or '*'}/{rule.hook or '*'}"
            yield _unknown(document, place, "hook", meant, known)
        if rule.has_reply:
            wanted = [hook.reply for hook in hooks.values()]
            yield from _breaks(document, (*place, "reply"), wanted, rule.reply)
    tools = {
        f"{s.name}/{name}": each for s in servers.values() for name, each in s.workflows.items()
    }
    for number, call in enumerate(answers.calls):
        place = ("calls", str(number))
        meant = f"{call.server}/{call.workflow}"
        if meant in tools:
            yield from _breaks(
                document, (*place, "arguments"), [tools[meant].input], call.arguments
            )
        elif knows_all:
            yield _unknown(document, place, "workflow", meant, tools)


def _unknown(
    document: Document, place: tuple[str, ...], kind: str, meant: str, known: Iterable[str]
) -> Finding:
    said = f"is for {meant}, and no server has such a {kind}; {suggestion(meant, known)}"
    return document.finding(VALUE_WRONG, (*place, kind), said)


def _breaks(
    document: Document,
    place: tuple[str, ...],
    schemas: Iterable[Mapping[str, Any] | None],
    value: Json,
) -> Iterator[Finding]:
    """Name what is wrong with a value, if none of the schemas allows it."""
    faults = [faults_in_value(schema, value) if schema else () for schema in schemas]
    for fault in faults[0] if faults and all(faults) else ():
        yield document.finding(VALUE_WRONG, (*place, *parts_of(fault.pointer)), fault.detail)


_NOWHERE = object()


def _at(value: Json, pointer: str) -> object:
    """Return what a pointer names in a value; what equals nothing where it names nothing."""
    found: Any = value
    for part in parts_of(pointer):
        try:
            found = found[int(part)] if isinstance(found, list) else found[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return _NOWHERE
    return found
