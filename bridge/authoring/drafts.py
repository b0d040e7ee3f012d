"""Files and folders that are there whole or not at all."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bridge.errors import ConfigurationError


@contextlib.contextmanager
def draft_beside(path: Path, elsewhere: str) -> Iterator[Path]:
    """Yield a place beside `path`, on its file system, and take away what is not renamed from it.

    Raises:
        ConfigurationError: nothing can be written there; it ends with how to write `elsewhere`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f".{path.name}-", dir=path.parent, ignore_cleanup_errors=True
        ) as folder:
            yield Path(folder) / path.name
    except OSError as error:
        raise ConfigurationError(
            (f"{path} cannot be written: {error.strerror}; {elsewhere}",)
        ) from error
