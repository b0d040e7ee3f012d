"""What the bridge proves itself by in a request that it sends."""

import base64
from collections.abc import Mapping

from pydantic import SecretStr

from bridge.configuration.credentials import BasicAuth, BearerAuth, HeaderAuth, WorkflowAuth


def authorization(auth: WorkflowAuth) -> dict[str, str]:
    """Return the header that a credential is sent in."""
    match auth:
        case HeaderAuth(name=name, value=secret):
            return {name: secret.get_secret_value()}
        case BearerAuth(token=secret):
            return {"Authorization": f"Bearer {secret.get_secret_value()}"}
        case BasicAuth(user=user, password=secret):
            pair = f"{user}:{secret.get_secret_value()}".encode()
            return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def fixed_headers(headers: Mapping[str, str | SecretStr]) -> dict[str, str]:
    """Return headers of a server file as they are sent."""
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in headers.items()
    }
