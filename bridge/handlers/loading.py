"""Handlers by their names: modules are found from the folder of the server file."""

import importlib
import sys
import traceback
from pathlib import Path
from typing import Any

from bridge.handlers.faults import HandlerError, Spot, words_of

UNIMPORTABLE, MISSING = "handler-unimportable", "handler-missing"


def find_from(folder: Path) -> None:
    """Have modules found from a folder before any other place."""
    sys.path.insert(0, str(folder))


def load(named: str, folder: Path) -> Any:
    """Import what `package.module:function` names.

    Raises:
        HandlerError: it cannot be imported, or is not there.
    """
    module_name, _, name = named.partition(":")
    top = module_name.partition(".")[0]
    if top in sys.stdlib_module_names:  # which of the two is found depends on what is loaded before
        said = f"names a module of Python itself: give yours another name than {top}"
        raise HandlerError(MISSING, said)
    try:
        module = importlib.import_module(module_name)
    except BaseException as error:
        raise _unimportable(error, module_name, folder) from error
    try:
        return getattr(module, name)
    except Exception as error:  # a module's own __getattr__ may raise anything
        said = f"names nothing: there is no {name} in {module_name}"
        said += _elsewhere(module_name, folder)
        raise HandlerError(MISSING, said) from error


def _unimportable(error: BaseException, module_name: str, folder: Path) -> HandlerError:
    if isinstance(error, ModuleNotFoundError) and _is_part_of(module_name, error.name or ""):
        parent, _, part = (error.name or "").rpartition(".")
        elsewhere = _elsewhere(parent, folder)
        said = (
            f"names no module: there is no {part} in {parent}{elsewhere}"
            if elsewhere
            else f"names no module: {error.name} is neither in {folder} nor installed where the "
            "bridge runs"
        )
        return HandlerError(MISSING, said)
    words = words_of(error)
    what = f"{type(error).__name__}: {words}" if words else type(error).__name__
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        spot = Spot(error.filename, error.lineno, error.offset or 1)
        return HandlerError(UNIMPORTABLE, f"this is no Python: {error.msg}", spot)
    said = f"the module cannot be imported: {what}: mend that"
    if isinstance(error, ModuleNotFoundError):
        said = (
            f"the module cannot be imported: there is no {error.name}: install it where the bridge "
            "runs"
        )
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(folder)
    ]
    if not frames:
        return HandlerError(UNIMPORTABLE, f"names what cannot be imported: {what}")
    last = frames[-1]
    spot = Spot(last.filename, last.lineno or 1, (getattr(last, "colno", 0) or 0) + 1)
    return HandlerError(UNIMPORTABLE, said, spot)


def _elsewhere(module_name: str, folder: Path) -> str:
    """Return where a module is that was not found in a folder, as the end of a sentence."""
    module = sys.modules.get(module_name)
    if module is None:
        return ""
    known = vars(module)
    places = known.get("__file__"), *known.get("__path__", ())
    place = next((Path(each) for each in places if each), None)
    if place and place.is_relative_to(folder):
        return ""
    return f", which is {place or 'built in'}: give a module of your own another name"


def _is_part_of(module_name: str, missing: str) -> bool:
    """Report whether what is missing is the handler's own module, or a package it is in."""
    return bool(missing) and f"{module_name}.".startswith(f"{missing}.")


def modules_in(folder: Path) -> list[Path]:
    """Return the files below a folder that were imported."""
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    found = (Path(file) for file in files if isinstance(file, str))
    prefix = Path(sys.prefix)  # which may lie in the folder itself
    mine = (file for file in found if file.is_relative_to(folder))
    return sorted(file for file in mine if not file.is_relative_to(prefix))
