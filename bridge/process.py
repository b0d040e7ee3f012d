"""What a web or worker process starts on."""

import logging
from collections.abc import Mapping

from bridge.configuration import Configuration, read_configuration
from bridge.errors import ConfigurationError

NO_REDIS = (
    "BRIDGE_REDIS_URL is not set: name the Redis or Valkey that web and workers share, "
    "or run `n8n-bridge up`, which brings its own"
)

logger = logging.getLogger(__name__)


def process_configuration(environ: Mapping[str, str]) -> Configuration:
    """Read the configuration of a process that shares its Redis with others; log its warnings.

    Raises:
        ConfigurationError: there are faults, or no Redis is named.
    """
    faults = () if environ.get("BRIDGE_REDIS_URL", "").strip() else (NO_REDIS,)
    try:
        configuration = read_configuration(environ)
    except ConfigurationError as error:
        raise ConfigurationError((*faults, *error.faults)) from None
    if faults:
        raise ConfigurationError(faults)
    for warning in configuration.warnings + configuration.unheeded:
        logger.warning("server_file.warning", extra={"warning": warning})
    for secret in configuration.short_secrets:
        logger.warning("secret.short", extra={"warning": secret})
    return configuration
