"""What n8n's answers mean, as the verbs decide on them."""

from dataclasses import dataclass

from bridge.models import Json


@dataclass(frozen=True)
class Answered:
    """The workflow ran and answered with a value; `empty` says that the body was."""

    value: Json
    empty: bool = False


@dataclass(frozen=True)
class NotRun:
    """Surely not run: sending again is safe and counts as no attempt."""

    reason: str


@dataclass(frozen=True)
class NotRegistered:
    """n8n knows no such webhook now: an activation may take a moment, no more."""

    reason: str


@dataclass(frozen=True)
class MaybeRun:
    """Perhaps run: sending again is safe only for an idempotent workflow."""

    reason: str


@dataclass(frozen=True)
class Refused:
    """n8n said no, and would again."""

    reason: str


WebhookOutcome = Answered | NotRun | NotRegistered | MaybeRun | Refused


@dataclass(frozen=True)
class Delivered:
    """The waiting execution went on."""

    note: str | None = None


@dataclass(frozen=True)
class AgainSoon:
    """The execution has not parked at its Wait node yet."""

    reason: str


@dataclass(frozen=True)
class AgainOnce:
    """Two resumes met; one more try tells which of them won."""

    reason: str


@dataclass(frozen=True)
class Finished:
    """The execution is over: delivered by an attempt whose outcome is unknown, or else too late."""

    reason: str


@dataclass(frozen=True)
class Dead:
    """This address will never take the reply."""

    reason: str


@dataclass(frozen=True)
class Again:
    """Not delivered, or not known to be; `unknown` says that it may have arrived.

    `is_down` says that the trouble is n8n's own, so that other replies would fare no better.
    """

    reason: str
    unknown: bool = False
    is_down: bool = False


ResumeOutcome = Delivered | AgainSoon | AgainOnce | Finished | Dead | Again


@dataclass(frozen=True)
class UnderWay:
    """The execution has not ended; `is_parked` says that it waits, at a Wait node say."""

    is_parked: bool = False


@dataclass(frozen=True)
class Succeeded:
    """The execution ended well, with this value; `empty` says that n8n keeps none of it."""

    value: Json
    empty: bool = False


@dataclass(frozen=True)
class Failed:
    """The execution ended badly."""

    reason: str


@dataclass(frozen=True)
class Dropped:
    """n8n itself stopped while the execution ran, and will not go on with it."""

    reason: str


@dataclass(frozen=True)
class Unknown:
    """n8n cannot or will not tell how the execution went, and asking again will not help."""

    reason: str


@dataclass(frozen=True)
class AskAgain:
    """n8n could not tell now: ask again later."""

    reason: str


ExecutionOutcome = UnderWay | Succeeded | Failed | Dropped | Unknown | AskAgain
