"""What it means that n8n could not be reached, or was cut off, and how that is said."""

import socket
import ssl
from collections.abc import Iterator

import httpx2

from bridge.n8n.outcomes import (
    Again,
    AskAgain,
    Dead,
    MaybeRun,
    NotRun,
    Refused,
    ResumeOutcome,
    RunOutcome,
)

UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
UNSENDABLE = (httpx2.InvalidURL, httpx2.UnsupportedProtocol, httpx2.LocalProtocolError)

CAUSES: tuple[tuple[type[BaseException], str], ...] = (
    (ssl.SSLCertVerificationError, "n8n's TLS certificate is not trusted here"),
    (ssl.SSLError, "TLS with n8n failed: is its address right to begin with https?"),
    (socket.gaierror, "the name of n8n's host does not resolve"),
    (ConnectionRefusedError, "n8n's host refuses connections at this port: is n8n running?"),
    (httpx2.ConnectTimeout, "n8n's host did not take the connection in time"),
    (httpx2.ConnectError, "n8n's host cannot be reached"),
)


def unreachable(failure: Exception) -> RunOutcome:
    """Return what a failure means: only before the first byte the workflow surely did not run."""
    if isinstance(failure, UNSENDABLE):
        return Refused("`url` or a header of `auth` cannot be sent over HTTP: mend it")
    if isinstance(failure, UNSENT):
        return NotRun(_sentence(failure))
    return MaybeRun(f"{_sentence(failure)}; the workflow may have run")


def undelivered(failure: Exception) -> ResumeOutcome:
    """Report what a failure to deliver a reply means, by the same rule."""
    if isinstance(failure, UNSENDABLE):
        return Dead("the reply address cannot be sent over HTTP")
    if isinstance(failure, UNSENT):
        return Again(_sentence(failure), is_down=True)
    return Again(f"{_sentence(failure)}; the reply may have arrived", unknown=True, is_down=True)


def unasked(failure: Exception) -> AskAgain:
    """Report why n8n's API could not be asked; to ask again is always safe."""
    return AskAgain(_sentence(failure))


def _sentence(failure: Exception) -> str:
    if isinstance(failure, TimeoutError | httpx2.ReadTimeout | httpx2.WriteTimeout):
        return "n8n did not answer in time"
    if not isinstance(failure, UNSENT):
        return "the connection to n8n broke before it had answered"
    causes = tuple(causes_of(failure))
    found = (says for kind, says in CAUSES if any(isinstance(cause, kind) for cause in causes))
    return next(found, "no connection to n8n came free in time")


def causes_of(failure: BaseException | None) -> Iterator[BaseException]:
    """Yield a failure and all that it came from."""
    while failure is not None:
        yield failure
        if isinstance(failure, BaseExceptionGroup):
            yield from failure.exceptions
        failure = failure.__cause__ or failure.__context__
