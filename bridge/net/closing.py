"""A listener that closes without a reset: nobody whose connection was made is turned away.

The system makes connections for a listener before it accepts them, and resets those that wait when
it closes. Who has sent a request by then cannot know whether it was run.
"""

import asyncio
import contextlib
import ctypes
import socket
import struct
import sys

SETTLE_S = 0.05
"""How long a handshake that has begun may take to end, and to be accepted."""

_SO_ATTACH_FILTER = 26
_FLAGS_OFFSET, _SYN = 13, 0x02  # RFC 9293, 3.1
_NO_SYN = (
    (0x30, 0, 0, _FLAGS_OFFSET),  # load the byte of the flags
    (0x45, 0, 1, _SYN),  # unless SYN is among them, jump over one
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFF),  # keep
)
"""A packet filter of Linux (filter.txt, "classic BPF"): each its code, two jumps and a number."""


async def take_the_last(listener: socket.socket) -> None:
    """Have new connections wait for an answer, and those that are made be accepted meanwhile.

    Who waits asks again a second later, and is refused if the listener is closed by then: a proxy
    goes on to its next server. A listener that is open in another process too would hear nobody
    any more there. Elsewhere than on Linux nothing is done.
    """
    if sys.platform != "linux":
        return
    steps = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in _NO_SYN))
    program = struct.pack("HL", len(_NO_SYN), ctypes.addressof(steps))
    with contextlib.suppress(OSError):  # a sandbox may have no filters
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
        await asyncio.sleep(SETTLE_S)
