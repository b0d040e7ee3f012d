"""Who a request counts as coming from."""

from starlette.requests import Request

from bridge.client_address import TrustedProxies


def clients_of(request: Request) -> tuple[str, ...]:
    """Return the addresses that count as the sender's."""
    proxies: TrustedProxies = request.app.state.proxies
    return proxies.clients(request.client.host if request.client else None, request.headers)
