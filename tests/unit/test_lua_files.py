"""The .lua files: what a step declares is what is written, and each line knows where it stands."""

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

import bridge.store
from bridge.store.assembly import Scripts, scripts
from bridge.store.lua_files import LuaFileError, read_modules
from bridge.store.rows import SeamError, decoder_of
from bridge.store.steps import Step, Steps, step

EVENTS = """\
-- Events.
local keys = require 'keys'
local shared = require 'shared'
local events = {}

-- A row.
-- row events.row(event_id) -> {events.FIELDS, reply?}
function events.row(event_id)
  return redis.call('HMGET', keys.event(event_id), 'id', 'hook', 'reply')
end

-- Fields.
events.FIELDS = {
  'id', 'hook',
}

-- Reads one.
-- step events.read(event_id, wish: {hook, most: number}, is_late: bool)
--   -> {outcome, event?: events.row}?
function events.read(event_id, wish, is_late)
  if is_late or shared.is_wanted(wish) then return nil end
  -- why
  return {outcome = 'events.row is no call here', event = events.row(event_id)}
end

return events
"""
SHARED = """\
-- What all share.
local shared = {}

-- Is it wanted?
function shared.is_wanted(wish) return wish.hook ~= '' and wish.most > 0 end

return shared
"""


def modules(**texts: str) -> Scripts:
    """Read modules that stand nowhere."""
    return Scripts(read_modules({f"lua/{name}.lua": text for name, text in texts.items()}))


def changed(old: str, new: str) -> Mapping[str, str]:
    """Change the two modules in one place."""
    texts = {"events": EVENTS, "shared": SHARED}
    assert sum(old in text for text in texts.values()) == 1
    return {name: text.replace(old, new) for name, text in texts.items()}


class Row(NamedTuple):
    id: str | None
    hook: str | None
    reply: str | None


class Found(NamedTuple):
    outcome: str
    event: Row | None


class Dated(NamedTuple):
    outcome: str
    event: Row | None
    at: int


@dataclass(frozen=True)
class Wish:
    hook: str
    count: int

    @property
    def most(self) -> int:
        """The most."""
        return self.count


def test_every_step_of_the_bridge_holds_what_it_declares() -> None:
    assert [scripts().find(name).name for name in scripts().names()] == scripts().names()


def test_every_step_of_the_bridge_is_a_function_of_one_store() -> None:
    stores = [
        importlib.import_module(f"bridge.store.{module.name}")
        for module in pkgutil.iter_modules(bridge.store.__path__)
    ]
    declared = {id(each): each for store in stores for each in vars(store).values()}
    names = [each.script.name for each in declared.values() if isinstance(each, Step)]

    assert sorted(names) == sorted(scripts().names())


def test_a_line_of_a_step_is_found_in_its_file() -> None:
    script = modules(events=EVENTS, shared=SHARED).find("events.read")

    rows = script.text.splitlines()
    number = next(n for n, row in enumerate(rows, 1) if row.startswith("if is_late"))
    assert script.place_of(number) == "lua/events.lua:21"
    assert script.place_of(len(rows) + 1) == "events.read"


def test_a_step_holds_what_it_needs_and_nothing_else() -> None:
    unused = "-- No.\nfunction shared.no() return 'no' end"
    shared = SHARED.replace("return shared", unused)
    text = modules(events=EVENTS, shared=shared).find("events.read").text

    assert "return wish.hook ~= '' and wish.most > 0" in text
    assert "return 'no'" not in text
    assert "'{bridge}:event:' .. event_id" in text
    assert "-- why" not in text
    assert "'events.row is no call here'" in text


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("keys.event(event_id)", "keys.event(event_id, 1)", "events.lua:9: keys.event takes id"),
        (
            "keys.event(event_id)",
            "keys.event(\n    event_id)",
            "events.lua:9: a key is spelled on one line",
        ),
        ("keys.event(", "keys.evnt(", "events.lua:9: there is no family of keys evnt"),
        ("shared.is_wanted(wish) then", "shared.wants(wish) then", "21: there is no shared.wants"),
        ("local shared = require 'shared'\n", "", "events.lua:20: shared is used and not required"),
        ("or shared.is_wanted(wish)", "", "events.lua:3: shared is required and not used"),
        ("require 'shared'", "require 'share'", "events.lua:3: call it by its own name, share"),
        ("-- Reads one.\n", "x = 1\n", "a module holds functions and constants of its own"),
        ("-- Is it wanted?\n", "", "shared.is_wanted has no comment that says what it is for"),
        ("-- What all share.\n", "", "a module begins with a comment"),
        ("(event_id, wish, is_late)\n", "(event_id, wish)\n", "declares other arguments"),
        ("step events.read(", "step events.take(", "the comment declares events.take"),
        ("is_late: bool", "is_late: truth", "truth is no kind of argument"),
        ("event?: events.row", "event?: events.rows", "there is no events.rows"),
        ("event?: events.row", "event?: shared.is_wanted", "its comment declares none"),
        ("{hook, most: number}", "{hook}", "shared.lua:5: events.read gets no wish.most"),
        ("{hook, most: number}", "{hook, most: number, all}", "nothing reads wish.all"),
        ("local shared = {}", "local events = require 'events'\nlocal shared = {}", "not used"),
        ("event?: events.row}?", "event?: events.row}? text", "an answer ends before 'text'"),
        ("event?: events.row}?", "event?: events.row", "what the comment declares breaks off"),
        ("{outcome, event?: events.row}?", "[text", "what the comment declares wants a ']'"),
        ("{outcome, event?: events.row}?", "number", "number is no shape of an answer"),
        ("-> {events.FIELDS, reply?}", "-> text", "events.row has no columns"),
        ("function shared.is_wanted", "function other.is_wanted", "other is not this module"),
        ("local shared = require 'shared'\n", "local lost = require 'lost'\n", "no module lost"),
        (
            "return shared\n",
            "-- Again.\nfunction shared.is_wanted(wish) return wish end\n\nreturn shared\n",
            "shared.is_wanted is there already",
        ),
        ("  'id', 'hook',\n}\n", "  'id', 'hook',\n", "nothing closes this: a line `}`"),
    ],
)
def test_what_does_not_hold_is_named_with_file_and_line(old: str, new: str, fault: str) -> None:
    with pytest.raises(LuaFileError, match=r"^lua/\w+\.lua:\d+: ") as refused:
        modules(**changed(old, new)).find("events.read")

    assert fault in str(refused.value)


def test_modules_that_require_each_other_are_refused() -> None:
    texts = changed("local shared = {}", "local events = require 'events'\nlocal shared = {}")
    circle = {**texts, "shared": texts["shared"].replace("wish.most > 0", "events.FIELDS")}

    with pytest.raises(LuaFileError, match="require each other"):
        modules(**circle)


def test_a_column_that_is_not_of_its_type_is_named() -> None:
    text = EVENTS.replace("event?: events.row}?", "event?: events.row, at: int}?")
    script = modules(events=text, shared=SHARED).find("events.read")
    read = decoder_of(script.declared.answer, Dated | None)

    assert read([b"found", None, 7]) == Dated("found", None, 7)
    assert read(None) is None
    with pytest.raises(SeamError, match=r"Dated\.at cannot be read from an answer"):
        read([b"found", None, b"soon"])


def declared(answer: Any, **arguments: Any) -> Any:
    """Make the function of a step, of these types."""

    async def function(_steps: Steps, **_values: object) -> None: ...

    function.__annotations__ = {"steps": Steps, **arguments, "return": answer}
    return function


ARGUMENTS = {"event_id": str, "wish": Wish, "is_late": bool}
IN_ONE = {"event_id": str, "hook": str, "most": int, "is_late": bool}


@pytest.mark.parametrize("arguments", [ARGUMENTS, IN_ONE], ids=["an object", "one by one"])
def test_a_step_is_a_function_of_the_same_arguments(arguments: dict[str, Any]) -> None:
    taken = step("events.read", modules(events=EVENTS, shared=SHARED))(
        declared(Found | None, **arguments)
    )

    values = {"event_id": "1", "wish": Wish("ä", 3), "hook": "ä", "most": 3, "is_late": True}
    assert taken.arguments(values) == [b"1", "ä".encode(), b"3", b"1"]


@pytest.mark.parametrize(
    ("answer", "arguments", "fault"),
    [
        (Found | None, {"event_id": str, "is_late": bool}, "the Lua takes event_id, hook, is_late"),
        (Found | None, ARGUMENTS | {"is_late": str}, "is_late is declared as bool in Lua"),
        (Found | None, ARGUMENTS | {"event_id": bool}, "event_id is declared as text in Lua"),
        (Found | None, ARGUMENTS | {"wish": Row}, "Row has no most, which the Lua takes"),
        (Found, ARGUMENTS, "the Lua may answer nothing; the Python always"),
        (Row | None, ARGUMENTS, "the Lua answers outcome, event;"),
        (str | None, ARGUMENTS, "has no fields"),
        (list[str] | None, ARGUMENTS, "has no fields"),
        (None, ARGUMENTS, "the Lua may answer nothing"),
    ],
)
def test_a_function_of_other_types_than_its_step_is_refused(
    answer: Any, arguments: dict[str, Any], fault: str
) -> None:
    with pytest.raises(SeamError, match=r"is not the step events\.read") as refused:
        step("events.read", modules(events=EVENTS, shared=SHARED))(declared(answer, **arguments))

    assert fault in str(refused.value)
