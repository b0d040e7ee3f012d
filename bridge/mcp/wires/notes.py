"""What a client says without wanting an answer: its own answers, and what it wants no more.

It is put on record, so that the process that waits for it sees it whichever process it reached.
"""

import contextlib
import hashlib
import re

from bridge.errors import TransientError
from bridge.mcp.exchange import encode
from bridge.models import Message
from bridge.runtime import Runtime
from bridge.store.sessions import Session
from bridge.store.wake import LOOK_AGAIN_S
from bridge.verbs.receipts import Fate

TRY_AGAIN_S = 5.0
NOTED = re.compile(r"(bridge|cancel)-[\w-]+", re.ASCII)


def cancel_note(request_id: object) -> str:
    """Name the record of the client's wish to have a request cancelled.

    A digest, for the id is the client's own and may be of any length and spelling.
    """
    return "cancel-" + hashlib.sha256(str(request_id).encode()).hexdigest()[:32]


async def prove(runtime: Runtime, session: Session) -> None:
    """Take a request of the session as proof that the answers written before it have arrived."""
    for receipt in await runtime.streams.proven(session.session_id):
        await runtime.receipts.settle(receipt, Fate.RECEIVED)


async def take_note(runtime: Runtime, session: Session, message: Message) -> None:
    """Act on a message that wants no answer: a client's own answer, or a cancellation."""
    if "method" not in message:
        request_id = str(message.get("id"))
    elif message["method"] == "notifications/cancelled":
        request_id = cancel_note((message.get("params") or {}).get("requestId"))
    else:
        return
    if NOTED.fullmatch(request_id):
        await runtime.outbox.put_answer(session.session_id, request_id, encode(message))


async def answer_to(runtime: Runtime, session_id: str, request_id: str) -> bytes:
    """Wait until an answer of the client is on record, whichever process put it there."""
    with runtime.wakes.listening(f"answer:{session_id}:{request_id}") as bell:
        while True:
            look_again_s = TRY_AGAIN_S
            with contextlib.suppress(TransientError):
                kept = await runtime.outbox.read_answer(session_id, request_id)
                if kept is not None:
                    return kept
                look_again_s = LOOK_AGAIN_S
            await bell.wait(look_again_s)
