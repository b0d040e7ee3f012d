"""Writing a folder whole or not at all."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from bridge.authoring.checking.check import check, errors
from bridge.authoring.drafts import draft_beside
from bridge.authoring.scaffold.project import demand_free
from bridge.configuration.settings import read_dotenv
from bridge.errors import ConfigurationError

PRIVATE = PurePosixPath(".env")
"""What holds secrets, and is for its owner alone."""


def write_folder(folder: Path, files: Mapping[PurePosixPath, str]) -> None:
    """Write files into a folder that is not there yet: it appears with all of them, or never.

    They are written beside it, checked as `check` does, and renamed, on one file system.

    Raises:
        ConfigurationError: something is there, the place cannot be written to, or the server is
            not sound: what it is made of was not.
    """
    demand_free(folder)
    with draft_beside(folder, "choose another place with --into") as made:
        made.mkdir()  # with the rights that the user's mask leaves: the one around it has fewer
        for path, text in files.items():
            file = made / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600 if path == PRIVATE else 0o666)
            file.write_text(text, encoding="utf-8")
        _demand_sound(made)
        demand_free(folder)
        made.rename(folder)


def _demand_sound(made: Path) -> None:
    environ = read_dotenv(made / PRIVATE)
    if faults := errors(check(made / "config" / "servers", environ)):
        raise ConfigurationError(tuple(f"nothing is written: {each.sentence}" for each in faults))
