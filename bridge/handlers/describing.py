"""Handlers described: what the bridge must know of them, and never imports itself."""

import hashlib
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from bridge.handlers.faults import HandlerError, Source, demand_plain_async
from bridge.handlers.inlining import inlined
from bridge.handlers.loading import find_from, load, modules_in
from bridge.handlers.signature import NOT_ASYNC, Handler


def describe(asked: dict[str, Any]) -> dict[str, Any]:
    """Return the `handlers` by name, the `faults` found, and the digest of each file of `code`."""
    sys.dont_write_bytecode = True  # whoever looks changes nothing
    folder = Path(asked["folder"])
    find_from(folder)
    described: dict[str, Any] = {}
    faults = []
    for named in asked["handlers"]:
        try:
            described[named] = _described(Handler.of(load(named, folder), named))
        except HandlerError as error:
            faults.append({"of": named, **asdict(error)})
    for key in ("startup", "shutdown"):
        try:
            if named := asked[key]:
                demand_plain_async(load(named, folder), named, NOT_ASYNC)
        except HandlerError as error:
            faults.append({"of": key, **asdict(error)})
    code = {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in modules_in(folder)}
    return {"handlers": described, "faults": faults, "code": code}


def _described(handler: Handler) -> dict[str, Any]:
    output = handler.output_schema()
    asked = Source.of(handler.function).asked_hooks(handler.context_name)
    return {
        "description": handler.description,
        "input": inlined(handler.input_schema()),
        "output": None if output is None else inlined(output),
        "asks": [{"hook": hook, "spot": asdict(spot)} for hook, spot in asked],
    }


def report(asked: dict[str, Any], sink: int) -> NoReturn:
    """Write the description to a descriptor, as JSON, and end this process."""
    with open(sink, "w", encoding="utf-8") as writer:
        json.dump(describe(asked), writer)
    os._exit(0)  # threads of handlers that still run are not waited for
