"""Settings and server files, as `check` sees them, and the secrets that guard the bridge."""

from collections.abc import AsyncIterator

from bridge.authoring.checking.check import errors
from bridge.authoring.diagnosis.records import has_tokens_on_record
from bridge.authoring.diagnosis.setup import Setup
from bridge.configuration.findings import Severity
from bridge.configuration.load import is_reachable, unguarded
from bridge.configuration.rules import SECRET_SHORT
from bridge.configuration.settings import servers_dir_of
from bridge.diagnosis.observations import (
    Observation,
    doubtful,
    right,
    wrong,
)
from bridge.diagnosis.tokens import of_tokens

SETTINGS = "settings"
FILES = "server files"


async def check_settings(setup: Setup) -> AsyncIterator[Observation]:
    """Look at each setting."""
    found = [
        each
        for each in errors(setup.report.findings)
        if each.path is None and each.rule is not SECRET_SHORT
    ]
    for each in found:
        yield wrong("settings.wrong", SETTINGS, each.sentence, each.rule.mend)
    if not found:
        yield right("settings", SETTINGS, "every BRIDGE_* variable is a setting and holds one")


async def check_server_files(setup: Setup) -> AsyncIterator[Observation]:
    """Count what `check` would say of the server files."""
    place = str(servers_dir_of(setup.environ))
    found = [each for each in setup.report.findings if each.path and each.rule is not SECRET_SHORT]
    fatal = [each for each in found if each.severity is Severity.ERROR]
    lesser = sum(each.severity is Severity.WARNING for each in found)
    remedy = f"run `n8n-bridge check {place}`: it names each with its line and how to mend it"
    if fatal:
        many = f"{len(fatal)} error{'s' * (len(fatal) > 1)} of `n8n-bridge check`"
        yield wrong("files.errors", place, many, remedy)
        return
    many = f"{len(setup.servers)} sound server file{'s' * (len(setup.servers) != 1)}"
    if lesser:
        many += f", with {lesser} warning{'s' * (lesser > 1)} of `n8n-bridge check`"
    yield right("files", place, many, remedy if lesser else "")


async def check_tokens(setup: Setup) -> AsyncIterator[Observation]:
    """Look for servers that anybody may use, and for secrets that can be guessed."""
    open_to_all = dict(unguarded(setup.settings, setup.servers.values()))
    for name in open_to_all:
        yield of_tokens(name, is_guarded=await has_tokens_on_record(setup, name))
    short = [each for each in setup.report.findings if each.rule is SECRET_SHORT]
    for each in short:
        say = wrong if each.severity is Severity.ERROR else doubtful
        place = f"{each.path}:{each.line}" if each.path else SETTINGS
        sentence = each.sentence.partition(": make one")[0]
        yield say("tokens.short", place, sentence, each.rule.mend)
    if not open_to_all and not short:
        reach = "more than this machine" if is_reachable(setup.settings) else "only this machine"
        yield right("tokens", "tokens", f"{reach} can reach the bridge, and no secret is short")
