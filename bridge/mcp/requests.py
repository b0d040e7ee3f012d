"""Requests that were let in: by whom, to which endpoint, of which state of their process."""

import contextlib
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from starlette.requests import Request

from bridge.configuration.servers import Server
from bridge.ending import BackgroundTasks
from bridge.errors import NotFoundError, TransientError
from bridge.mcp.endpoint import McpEndpoint
from bridge.mcp.http_acks import AckConnection, HttpAck, HttpAcks
from bridge.mcp.tools import Caller
from bridge.models import CallId
from bridge.net.draining import OpenStreams, StreamShares, Token
from bridge.runtime import McpRuntime
from bridge.verbs.acks import NOTHING
from bridge.verbs.oauth_grants import WIRES

WATCHERS_MAX = 100
"""How many watchers a principal may have in one process."""


@dataclass
class McpState:
    """What the wires find in their process; `runtime` from the moment on that it is ready."""

    endpoints: dict[str, McpEndpoint]
    streams: OpenStreams
    http_acks: HttpAcks
    watchers: StreamShares = field(default_factory=lambda: StreamShares(WATCHERS_MAX))
    tasks: BackgroundTasks = field(default_factory=BackgroundTasks)
    runtime: McpRuntime = field(init=False)

    def prepare(self, servers: Mapping[str, Server]) -> dict[str, McpEndpoint]:
        """Return the endpoints of these servers: new ones, but of a server that is the same."""
        endpoints = {}
        for name, server in servers.items():
            known = self.endpoints.get(name)
            is_same = known is not None and known.server is server
            made = McpEndpoint(server, known.listening if known else None)
            endpoints[name] = known if known is not None and is_same else made
        return endpoints

    def replace(self, endpoints: dict[str, McpEndpoint]) -> None:
        """Serve these from now on; cut who may not be here now, notify whose lists are others."""
        for name in self.endpoints.keys() - endpoints.keys():
            self.endpoints[name].listening.close()
        self.endpoints = endpoints
        changed = [each for each in endpoints.values() if each.listening.replace(each.lists)]
        self.runtime.authenticator.look_again()
        self.runtime.inboxes.look_again(each.server.name for each in changed)
        self.tasks.start(self._record_lists(changed))

    async def _record_lists(self, changed: list[McpEndpoint]) -> None:
        """Record that lists are others, for clients that listen again soon."""
        for each in changed:
            await self.runtime.inboxes.changed_lists(each.server, each.lists)

    async def end_revoked(self) -> None:
        """Cut the streams whose token is revoked or expired, for as long as the process runs.

        Requests need no such care, for each brings its token along. A lost signal is made up for
        within a keepalive interval.
        """
        authenticator, servers = self.runtime.authenticator, self.runtime.servers
        with authenticator.revocations() as woken:
            while True:
                await woken.wait(self.runtime.settings.keepalive_s)
                for token in self.streams.tokens():
                    with contextlib.suppress(TransientError):
                        digest, server = token
                        if not await authenticator.still_admits(digest, servers.get(server)):
                            self.streams.cut(token)


@dataclass(frozen=True, slots=True)
class McpRequest:
    """An HTTP request that was let in: to which endpoint, by whom, and what its process has."""

    http: Request
    state: McpState
    endpoint: McpEndpoint
    caller: Caller

    def for_call(self, call_id: CallId) -> "McpRequest":
        """Return the same request as one that may start this call."""
        return replace(self, caller=replace(self.caller, call_id=call_id))

    @property
    def token(self) -> Token:
        """What let it in, for the streams that it opens."""
        mark, server = self.caller.token
        if not mark:
            authorization = self.http.headers.get("authorization")
            authenticator = self.caller.runtime.authenticator
            mark = authenticator.mark(self.endpoint.server, self.caller.principal, authorization)
        return mark, server

    def current(self) -> "McpRequest":
        """Return the same request to the endpoint as it is now; it may have been replaced."""
        endpoint = self.state.endpoints.get(self.endpoint.server.name, self.endpoint)
        return replace(self, endpoint=endpoint, caller=self.caller.current())

    @property
    def connection(self) -> AckConnection:
        """The connection that its answer goes out on."""
        return self.state.http_acks.connection(self.http)

    def hand_over(self, ack: str) -> HttpAck | None:
        """Take up what its answer hands over, if anything, before that is written."""
        if ack == NOTHING:
            return None
        settle = functools.partial(self.caller.runtime.acks.settle, ack)
        return self.state.http_acks.begin(self.connection, ack, settle)


async def authenticate(request: Request) -> McpRequest:
    """Find the server that a request is for and prove who asks.

    What the request proves to have been received is on record before it is served, so that the
    same call asked again runs anew.

    Raises:
        NotFoundError: there is no such server.
        UnauthorizedError: the token is missing or wrong.
    """
    state: McpState = request.app.mcp
    server = state.runtime.servers.get(request.path_params["server"])
    if server is None:
        raise NotFoundError("no such server: connect to /mcp/SERVER, as a server file names it")
    wire = request.scope["path"].split("/")[1]
    wire = wire if wire in WIRES else WIRES[0]
    authorization = request.headers.get("authorization")
    access = await state.runtime.authenticator.admit(server, authorization, wire)
    await state.http_acks.prove(request)
    caller = Caller(
        state.runtime,
        access.scope.view(server),
        access.principal,
        access.scope,
        (access.digest, server.name),
        traceparent=request.headers.get("traceparent", ""),
    )
    return McpRequest(request, state, state.endpoints[server.name], caller)
