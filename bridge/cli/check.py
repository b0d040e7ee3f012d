"""`check`: server files, and the tools that they make, against the rules of MCP and of Claude."""

from collections.abc import Mapping
from pathlib import Path

from bridge.configuration.demo import MADE_UP_BY_UP
from bridge.configuration.load import faults_of_oauth, is_reachable_by, short_in_settings
from bridge.configuration.server_files import ServerFiles, read_server_files
from bridge.configuration.settings import Settings, servers_dir_of
from bridge.errors import ConfigurationError


def check(path: Path, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Name all that is wrong with a server file, or a folder of them, as `file:line: sentence`.

    What is wrong with the settings comes first, for it stops every start as well.
    """
    files = read_server_files(path, {**MADE_UP_BY_UP, **environ})
    guessed = short_secrets(files, environ) if is_reachable_by(environ) else ()
    return (*faults_of_settings(environ, files), *files.faults, *files.warnings, *guessed)


def faults_of_settings(environ: Mapping[str, str], files: ServerFiles) -> tuple[str, ...]:
    """Name what is wrong with the settings beside these files, at which every start would stop.

    Variables that only other files of the folder use are known too.
    """
    beside = read_server_files(servers_dir_of(environ), environ).variables
    try:
        settings = Settings.from_environ(environ, files.variables | beside)
    except ConfigurationError as error:
        return error.faults
    return tuple(faults_of_oauth(settings))


def doubts(path: Path, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Name what is no fault and may be regretted all the same, as `file:line: sentence`."""
    files = read_server_files(path, {**MADE_UP_BY_UP, **environ})
    doubted = files.cautions + files.unheeded
    return doubted + (() if is_reachable_by(environ) else short_secrets(files, environ))


def short_secrets(files: ServerFiles, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Name the secrets that can be guessed: faults where more than this machine can reach them."""
    return (*short_in_settings(environ), *files.short_secrets)
