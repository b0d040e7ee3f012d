"""What the system refuses in the data folder, as a fault that names the setting."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from bridge.errors import ConfigurationError


@contextlib.contextmanager
def in_data_folder(folder: Path) -> Iterator[None]:
    """Raise what the system refuses in the block as a fault of BRIDGE_DATA_DIR.

    Raises:
        ConfigurationError: naming the file or folder, and why it cannot be used.
    """
    try:
        yield
    except OSError as error:
        is_file = isinstance(error, FileExistsError | NotADirectoryError)
        why = "a file is where a folder must be" if is_file else error.strerror or str(error)
        raise ConfigurationError(
            (
                f"{error.filename or folder} cannot be used: {why}; "
                "let this user write there, or name another folder in BRIDGE_DATA_DIR",
            )
        ) from error
