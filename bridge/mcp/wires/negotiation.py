"""Which protocol a client of a pipe speaks: what its first requests say decides for all others."""

from collections.abc import Mapping

from mcp.server.connection import Connection
from mcp.shared.inbound import InboundLadderRejection, classify_inbound_request
from mcp_types.jsonrpc import INVALID_REQUEST, METHOD_NOT_FOUND, UNSUPPORTED_PROTOCOL_VERSION
from mcp_types.version import LATEST_HANDSHAKE_VERSION, MODERN_PROTOCOL_VERSIONS

from bridge.mcp.exchange import BATCHES_UNTIL, Channel, SessionOutbound, error_message, has_envelope
from bridge.mcp.wires.client_info import kept_capabilities, kept_info
from bridge.models import Message

DISCOVER = "server/discover"


class Negotiation:
    """Admits each request to the era that the client began, and settles the handshake's terms."""

    def __init__(self, *, handshake_only: bool = False) -> None:
        self._handshake_only = handshake_only
        self._is_modern = False
        self._version = ""
        self._info: object = None
        self._capabilities: object = None

    @property
    def is_handshake(self) -> bool:
        """Report whether a handshake was made."""
        return bool(self._version)

    @property
    def has_batches(self) -> bool:
        """Report whether a line may hold several messages."""
        return self._version == BATCHES_UNTIL

    def admit(self, message: Message, line: Channel) -> Connection | Message:
        """Return the SDK's view of a request's connection, or the error that answers it."""
        method, is_enveloped = message["method"], has_envelope(message)
        if method == "initialize" and self._is_modern:
            return _too_late(message)
        needs_none = not is_enveloped and (self.is_handshake or method == "ping")
        if method == "initialize" or needs_none:
            return self._handshake(line)
        is_judged = is_enveloped or method == DISCOVER
        if self.is_handshake or self._handshake_only or not is_judged:
            return self._refuse(message)
        return self._modern(message)

    def settle(self, message: Message, connection: Connection) -> None:
        """Keep what an `initialize` has settled."""
        params = message.get("params") or {}
        self._version = connection.protocol_version
        self._info = kept_info(params.get("clientInfo"))
        self._capabilities = kept_capabilities(params.get("capabilities"))

    def _handshake(self, line: Channel) -> Connection:
        return Connection.from_envelope(
            self._version or LATEST_HANDSHAKE_VERSION,
            self._info,
            self._capabilities,
            outbound=SessionOutbound(line),
        )

    def _refuse(self, message: Message) -> Message:
        """Report what the client should have sent; a `server/discover` is of the 2026 wire alone.

        Source: MCP 2026-07-28, "stdio": any error that only the new era has keeps a client in it.
        """
        request_id = message["id"]
        if message["method"] == DISCOVER and self._handshake_only:
            return error_message(request_id, METHOD_NOT_FOUND, "Method not found")
        if self.is_handshake:
            sentence = "this connection began with a handshake: send no 2026-07-28 envelope"
        elif self._handshake_only:
            sentence = "send initialize first"
        else:
            sentence = "send initialize first, or the 2026-07-28 envelope in params._meta"
        return error_message(request_id, INVALID_REQUEST, sentence)

    def _modern(self, message: Message) -> Connection | Message:
        route = classify_inbound_request(message)
        if isinstance(route, InboundLadderRejection):
            return error_message(message["id"], route.code, route.message, route.data)
        self._is_modern |= message["method"] != DISCOVER
        return Connection.from_envelope(
            route.protocol_version, route.client_info, route.client_capabilities
        )


def _too_late(message: Message) -> Message:
    params = message.get("params")
    asked = params.get("protocolVersion") if isinstance(params, Mapping) else ""
    known = {"supported": list(MODERN_PROTOCOL_VERSIONS), "requested": str(asked or "")}
    sentence = "this connection began without a handshake; initialize is not taken any more"
    return error_message(message["id"], UNSUPPORTED_PROTOCOL_VERSION, sentence, known)
