"""Handlers as their own process describes them: the bridge reads its answer, never their code."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.configuration.documents import Document
from bridge.configuration.findings import Finding, at
from bridge.configuration.python_processes import PythonProcess
from bridge.configuration.rules import HANDLER_ASKS_NOWHERE, HANDLER_UNIMPORTABLE, OF_HANDLERS
from bridge.configuration.servers import Server
from bridge.handlers.launching import command, environment_of
from bridge.handlers.statuses import signal_name

DESCRIBE_S = 60.0
"""How long the modules of a server may take to be imported."""

SWEEP_S = 5.0
"""How long it may take to end all that they have started."""

REPORT_BYTES_MAX = 4 * 1024 * 1024

_RULES = {rule.id: rule for rule in OF_HANDLERS}


class _NotDescribedError(Exception):
    """The process has not said what the handlers are."""


@dataclass(frozen=True)
class HandlerDescriptions:
    """A server's raw value with what its handlers say of themselves, or what is wrong with them.

    `code` is a digest of their source.
    """

    filled: Any
    folder: Path
    code: str = ""
    findings: tuple[Finding, ...] = ()

    def of_process(self, server: Server) -> Server:
        """Return a server that knows where its handlers are."""
        known = {"folder": self.folder, "code": self.code}
        process = (server.python or PythonProcess()).model_copy(update=known)
        return server.model_copy(update={"python": process})


def describe_handlers(
    document: Document, server: Server, filled: Any, environ: Mapping[str, str]
) -> HandlerDescriptions:
    """Have the handlers of a server described by a process of their own."""
    folder = document.path.parent.absolute()
    process = server.python or PythonProcess()
    asked = {
        "folder": str(folder),
        "handlers": server.handlers,
        "startup": process.startup,
        "shutdown": process.shutdown,
    }
    environment = environment_of(environ, process.variables)
    try:
        report = _kept_report(asked, process.memory_bytes, environment)
    except _NotDescribedError as error:
        said = f"could not be imported: {error}"
        finding = document.finding(HANDLER_UNIMPORTABLE, _place(server, server.handlers[0]), said)
        return HandlerDescriptions(filled, folder, findings=(finding,))
    faults = [*report["faults"], *_asked_nowhere(server, report["handlers"])]
    if faults:
        told = [_without_secrets(fault, process.secrets) for fault in faults]
        findings = tuple(dict.fromkeys(_findings(document, server, told)))
        return HandlerDescriptions(filled, folder, findings=findings)
    code = hashlib.sha256(json.dumps(report["code"], sort_keys=True).encode()).hexdigest()
    return HandlerDescriptions(_with(filled, report["handlers"]), folder, code)


def _with(filled: Any, handlers: Mapping[str, Any]) -> Any:
    """Return a server's raw value with what its workflows leave to their handlers."""

    def whole(workflow: Any) -> Any:
        if workflow.get("kind") != "python":
            return workflow
        described = handlers[workflow["handler"]]
        known = {key: described[key] for key in ("description", "input", "output")}
        known = {key: each for key, each in known.items() if each is not None}
        return known | workflow

    workflows = {name: whole(workflow) for name, workflow in filled["workflows"].items()}
    return {**filled, "workflows": workflows}


def _findings(
    document: Document, server: Server, faults: Iterable[Mapping[str, Any]]
) -> Iterator[Finding]:
    for fault in faults:
        rule, spot, of = _RULES[fault["rule"]], fault["spot"], fault["of"]
        if spot:
            path = _as_named(Path(spot["path"]), document.path.parent)
            yield at(rule, fault["sentence"], path, spot["line"], spot["column"])
        else:
            yield document.finding(rule, _place(server, of), fault["sentence"])


def _without_secrets(fault: Mapping[str, Any], secrets: Iterable[str]) -> Mapping[str, Any]:
    """Return a fault that repeats none of what an exception may have said."""
    sentence = fault["sentence"]
    for secret in secrets:
        sentence = sentence.replace(secret, "[secret]")
    return {**fault, "sentence": sentence}


def _asked_nowhere(server: Server, handlers: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Name the hooks that handlers ask on and that there are not."""
    known = ", ".join(server.hooks) or "none"
    for of, described in handlers.items():
        for asked in described["asks"]:
            if asked["hook"] not in server.hooks:
                said = f"{asked['hook']} is no hook of this server, which has: {known}"
                rule = HANDLER_ASKS_NOWHERE.id
                yield {"rule": rule, "sentence": said, "spot": asked["spot"], "of": of}


def _as_named(path: Path, folder: Path) -> Path:
    """Return a file beside a server file as that one was named, from where the bridge runs."""
    whole = folder.absolute()
    return folder / path.relative_to(whole) if path.is_relative_to(whole) else path


def _place(server: Server, of: str) -> tuple[str, ...]:
    """Return the key that names a handler, or a function beside them."""
    for name, workflow in server.workflows.items():
        if workflow.handler == of:
            return "workflows", name, "handler"
    return "python", of


_kept: dict[str, Any] = {}
"""The last sound report on each handlers that were asked for."""


def _kept_report(
    asked: Mapping[str, Any], memory_bytes: int, environment: Mapping[str, str]
) -> Any:
    """Return the report of handlers, the one of before where nothing can be new in it."""
    key = json.dumps([asked, memory_bytes, *environment.items()])
    if key not in _kept or _kept[key]["code"] != _digests(_kept[key]["code"]):
        _kept.pop(key, None)
        report = _report(asked, memory_bytes, environment)
        if report["faults"]:
            return report
        _kept[key] = report
    return _kept[key]


def _digests(files: Iterable[str]) -> dict[str, str]:
    """Return the digest of each of these files, as far as they are there."""
    found = (Path(file) for file in files)
    return {
        str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in found if file.exists()
    }


def _report(asked: Mapping[str, Any], memory_bytes: int, environment: Mapping[str, str]) -> Any:
    """Return what a process that imports the handlers says of them."""
    try:
        process = _started(asked, memory_bytes, environment)
    except OSError as error:
        raise _NotDescribedError(f"no process for it could be started: {error.strerror}") from error
    with process:
        try:
            text, _ = process.communicate(json.dumps(asked).encode(), timeout=DESCRIBE_S)
        except subprocess.TimeoutExpired:
            raise _NotDescribedError(f"that took more than {DESCRIBE_S:g} s") from None
        finally:
            _end_group(process)
    if len(text) > REPORT_BYTES_MAX:
        said = f"their schemas are longer than {REPORT_BYTES_MAX} bytes: simplify them"
        raise _NotDescribedError(said)
    try:
        return json.loads(text)
    except ValueError:
        raise _NotDescribedError(_why(process.returncode)) from None


def _started(
    asked: Mapping[str, Any], memory_bytes: int, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own program
        command("describe", str(memory_bytes)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=asked["folder"],
        env=environment,
        start_new_session=True,
    )


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process, and all that it has started: what it writes has no reader any more."""
    assert process.stdout is not None, "it is piped"
    process.stdout.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(SWEEP_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _why(status: int) -> str:
    if status < 0:
        return f"the process that imported it was ended by {signal_name(status)}"
    return f"the process that imported it ended with status {status}"
