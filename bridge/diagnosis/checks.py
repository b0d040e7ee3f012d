"""How checks are run: each bounded in time, and none in another's way."""

import asyncio
import socket
import ssl
import traceback
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2

from bridge import __version__
from bridge.diagnosis.observations import Observation, wrong
from bridge.errors import BridgeError
from bridge.n8n.failures import causes_of

ANSWER_S = 5.0
ISSUES = "https://github.com/n8n-claude-bridge/n8n-claude-bridge/issues"


def asking() -> httpx2.AsyncClient:
    """Return a client that asks once, follows nothing, and waits for no answer for long."""
    headers = {"User-Agent": f"n8n-claude-bridge/{__version__}"}
    trust = httpx2.create_ssl_context()  # of SSL_CERT_FILE too; proxies are nobody's wish here
    return httpx2.AsyncClient(timeout=ANSWER_S, trust_env=False, verify=trust, headers=headers)


def why_unreachable(error: BaseException) -> tuple[str, str]:
    """Return why an address could not be asked, and what mends that, if it is known."""
    causes = list(causes_of(error))
    found = (said for kind, *said in _CAUSES if any(isinstance(cause, kind) for cause in causes))
    why, mend = next(found, (type(error).__name__, ""))
    return why, mend


_CAUSES: tuple[tuple[type[BaseException], str, str], ...] = (
    (
        ssl.SSLCertVerificationError,
        "its certificate is not trusted",
        "name the file of the CA that has signed it in SSL_CERT_FILE",
    ),
    (
        ssl.SSLError,
        "no TLS is spoken there",
        "write http:// where it begins with https://, or have TLS spoken there",
    ),
    (socket.gaierror, "its name does not resolve", ""),
    (ConnectionRefusedError, "nothing listens there", ""),
    (httpx2.TimeoutException, "no answer came in time", ""),
)


async def seen_by(
    check: AsyncIterator[Observation], subject: str, ends_after_s: float
) -> list[Observation]:
    """Return what a check sees in so much time; that it fails is an observation too."""
    found: list[Observation] = []
    try:
        async with asyncio.timeout(ends_after_s):
            async for seen in check:
                found.append(seen)  # noqa: PERF401 - what was seen before the end of time counts
    except TimeoutError:
        sentence = f"it did not answer all within {ends_after_s:g} s"
        found.append(wrong("slow", subject, sentence, "see whether it is overloaded"))
    except BridgeError as error:
        found.append(wrong("failed", subject, str(error), "mend that, and run it again"))
    except Exception as error:  # noqa: BLE001  what one check trips over is not in the others' way
        sentence = f"this check failed: {_place_of(error)}"
        found.append(wrong("doctor.failed", subject, sentence, f"report it at {ISSUES}"))
    return found


def _place_of(error: Exception) -> str:
    """Return what an error is and which lines led to it; its text may hold a secret."""
    frames = traceback.extract_tb(error.__traceback__)
    places = (f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)
    return f"{type(error).__name__} ({', '.join(places)})"
