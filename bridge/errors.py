"""What can go wrong, named by the answer it demands."""

import math
from dataclasses import dataclass, field

from typing_extensions import override

CHARS_SHOWN = 300


def shorten(pointer: str) -> str:
    """Return a JSON Pointer as far as it is shown; names in it may be as long as a body."""
    return pointer if len(pointer) <= CHARS_SHOWN else f"{pointer[:CHARS_SHOWN]}…"


class BridgeError(Exception):
    """Anything the bridge says no to; its text is for the person who must mend it."""


class RejectedError(BridgeError):
    """The caller's fault: nothing was stored, and the same request will fail again."""


class UnauthorizedError(RejectedError):
    """No credential, or a wrong one; `challenge` names the schemes that would do.

    `is_guess` says that there was one, so that wrong ones can be counted.

    Source: RFC 9110, 11.6.1.
    """

    def __init__(self, message: str, challenge: str = "Bearer", *, is_guess: bool = True) -> None:
        super().__init__(message)
        self.challenge = challenge
        self.is_guess = is_guess


class ForbiddenError(RejectedError):
    """Proved, but without the rights that this takes; `challenge` names them."""

    def __init__(self, message: str, challenge: str) -> None:
        super().__init__(message)
        self.challenge = challenge


class NotFoundError(RejectedError):
    """Unknown here, or not the caller's: the two are never told apart."""


class UnprovenError(NotFoundError):
    """Unknown here, or asked for with a wrong secret, which counts as a guess."""


class MalformedError(RejectedError):
    """The body or an argument cannot be read at all."""


class NotJsonError(MalformedError):
    """The text is no JSON at all: it may have been cut off."""


class NumberError(MalformedError):
    """JSON holds a number that no double can, and that most programs would read as none."""


class TooLargeError(RejectedError):
    """The body is longer than the bridge accepts."""


class UnsupportedMediaError(RejectedError):
    """The body is of a kind the bridge does not read."""


class ConflictError(RejectedError):
    """The request contradicts what is already on record."""


class LeaseLostError(RejectedError):
    """The lease is no longer the newest one, or its event is settled."""


@dataclass(frozen=True)
class Fault:
    """One thing wrong in a document: a JSON Pointer (RFC 6901) and a sentence."""

    pointer: str
    detail: str

    @property
    def shown_pointer(self) -> str:
        """Return the pointer as far as it is shown; names in it may be as long as a body."""
        return shorten(self.pointer)

    @override
    def __str__(self) -> str:
        """Return the pointer, if it is not the whole, and what is wrong there."""
        return f"{self.shown_pointer} {self.detail}".lstrip()


@dataclass
class InvalidError(RejectedError):
    """The document can be read but breaks its rules; the first faults are named at once.

    `has_more` says that there are more than these.
    """

    summary: str
    faults: tuple[Fault, ...] = field(default=())
    has_more: bool = False

    def __post_init__(self) -> None:
        super().__init__(self.summary)

    @override
    def __str__(self) -> str:
        """Return the summary and each fault behind it."""
        named = [f"{fault.shown_pointer or '(whole)'}: {fault.detail}" for fault in self.faults]
        if self.has_more:
            named.append("and more")
        return f"{self.summary}: {'; '.join(named)}" if named else self.summary


class TransientError(BridgeError):
    """The world's fault for now: the same request may succeed later."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class StoreUnavailableError(TransientError):
    """Redis did not answer in time; whether the last step was taken is unknown."""


class OutdatedError(StoreUnavailableError):
    """The store is in a later layout than this version reads: nothing was taken or changed."""


class TooManyError(TransientError):
    """The hook has taken in as many events as its rate allows; nothing was stored."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(
            "this hook takes in no more for now: limits.rate is reached", retry_after_s
        )


class TooManySessionsError(TransientError):
    """The principal has as many sessions as it may, and all of them are in use."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(
            "this token has as many sessions as it may, all of them in use: end some, "
            "or raise BRIDGE_PRINCIPAL_SESSIONS_MAX",
            retry_after_s,
        )


class TooManyTakersError(TransientError):
    """As many takers of the principal wait for an event as may."""

    def __init__(self, most: int, retry_after_s: float) -> None:
        super().__init__(
            f"{most} take_event of this token wait already, as many as may: ask again in "
            f"{math.ceil(retry_after_s)} s, when one of them has ended, or without wait_seconds",
            retry_after_s,
        )


class PausedError(TransientError):
    """Operators have paused the hook, or all of its server: it hands out no event."""

    def __init__(self, place: str, since: str) -> None:
        super().__init__(
            f"{place} is paused by an operator since {since}: its events stay queued, and nobody "
            "is handed one until an operator resumes it"
        )


class FullError(TransientError):
    """As many events wait on the hook as may; nothing was stored."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(
            "too many events wait on this hook: limits.queued is reached", retry_after_s
        )


class PermanentError(BridgeError):
    """Trying again cannot help."""


class ConfigurationError(PermanentError):
    """Settings or server files are wrong; every fault is named at once, a line each."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults
