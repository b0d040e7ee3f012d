"""What methods other than tools answer where the bridge refuses or cannot: protocol errors."""

import contextlib
from collections.abc import Iterator

import mcp_types as types
from mcp.shared.exceptions import MCPError

from bridge.errors import BridgeError, RejectedError


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Tell the bridge's own errors as the protocol's while the block lasts.

    Raises:
        MCPError: INVALID_PARAMS for what the client must mend, INTERNAL_ERROR for what will pass.
    """
    try:
        yield
    except RejectedError as error:
        raise MCPError(types.INVALID_PARAMS, str(error)) from error
    except BridgeError as error:
        sentence = f"{error}; try again in a few seconds"
        raise MCPError(types.INTERNAL_ERROR, sentence) from error
