"""The prefix of RQ's keys, which RQ reads from the environment while it is first imported."""

import re
from collections.abc import Mapping, MutableMapping

from bridge.errors import ConfigurationError

VARIABLE = "RQ_KEY_PREFIX"


def settle_prefix(environ: MutableMapping[str, str], dotenv: Mapping[str, str]) -> None:
    """Put the prefix that `.env` sets where RQ looks for it; what the environment says goes first.

    Raises:
        ConfigurationError: RQ takes no such prefix, or would write its colon twice.
    """
    prefix = environ.get(VARIABLE) or dotenv.get(VARIABLE, "")
    if not prefix:
        environ.pop(VARIABLE, None)  # RQ refuses an empty one
        return
    if not re.fullmatch(r"[A-Za-z0-9_.:{}-]*[A-Za-z0-9_.{}-]", prefix):
        raise ConfigurationError(
            (
                f"{VARIABLE} must consist of letters, digits and _ . : - {{ }}, and must not end "
                "with a colon, for RQ adds one; it holds what the names of RQ's keys begin with",
            )
        )
    environ[VARIABLE] = prefix
