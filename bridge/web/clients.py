"""Who a request counts as coming from."""

import logging

from starlette.requests import Request

from bridge.brake import Brake
from bridge.client_address import TrustedProxies

logger = logging.getLogger(__name__)


def clients_of(request: Request) -> tuple[str, ...]:
    """Return the addresses that count as the sender's."""
    proxies: TrustedProxies = request.app.state.proxies
    return proxies.clients(request.client.host if request.client else None, request.headers)


def has_a_line_left(request: Request) -> bool:
    """Count a line of the log for a sender who has proved nothing; False for one too many.

    What leaves nothing but a line could fill the disk with lines. That there were too many is one.
    """
    clients, lines = clients_of(request), request.app.state.lines
    assert isinstance(lines, Brake)
    braking = lines.count(clients)
    if braking is not None and braking.is_first:
        logger.warning("strangers.not_logged", extra={"clients": clients})
    return braking is None
