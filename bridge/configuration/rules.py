"""The rules that every start knows: of settings, of server files, and of the tools in them."""

from bridge.configuration.findings import Rule, Severity

FILE_UNREADABLE = Rule(
    "file-unreadable",
    Severity.ERROR,
    "A server file cannot be read.",
    "See that the file is there, that you may read it, and that it is UTF-8.",
)
FOLDER_EMPTY = Rule(
    "folder-empty",
    Severity.ERROR,
    "A folder of server files holds none.",
    "Add a .yaml, .yml or .json file, or name another folder in BRIDGE_SERVERS.",
)
FILE_SYNTAX = Rule(
    "file-syntax",
    Severity.ERROR,
    "A file is no YAML or JSON.",
    "Mend the text where the finding points; quote what has braces or colons.",
)
KEY_TWICE = Rule(
    "key-twice",
    Severity.ERROR,
    "A mapping has a key twice.",
    "Keep one of the two.",
)
KEY_UNKNOWN = Rule(
    "key-unknown",
    Severity.ERROR,
    "A server file has a key that means nothing.",
    "Spell it as docs/server-files.md does, or drop it.",
)
KEY_MISSING = Rule(
    "key-missing",
    Severity.ERROR,
    "A server file lacks a key that it needs.",
    "Add the key.",
)
VALUE_WRONG = Rule(
    "value-wrong",
    Severity.ERROR,
    "A key holds what it may not.",
    "Give it a value as the finding says.",
)
SCHEMA_UNSOUND = Rule(
    "schema-unsound",
    Severity.ERROR,
    "A JSON Schema breaks the rules of its dialect, or needs another file.",
    "Mend it by JSON Schema 2020-12, or by the dialect that its `$schema` names.",
)
VARIABLE_UNSET = Rule(
    "variable-unset",
    Severity.ERROR,
    "A server file needs a variable that is not set.",
    "Set it in the environment or in .env.",
)
NAME_TAKEN = Rule(
    "server-name-taken",
    Severity.ERROR,
    "Two server files have one name, and so the same addresses and hooks.",
    "Give one of them another `name`.",
)
EXECUTION_UNREACHABLE = Rule(
    "execution-unreachable",
    Severity.ERROR,
    "A workflow's executions cannot be followed, for want of a way to n8n's API.",
    "Set BRIDGE_N8N_URL and BRIDGE_N8N_API_KEY, or choose another `result`.",
)
PLACE_UNKNOWN = Rule(
    "place-unknown",
    Severity.ERROR,
    "An alert is about a server, hook or workflow that there is not.",
    "Name one that a server file has.",
)
SETTING_WRONG = Rule(
    "setting-wrong",
    Severity.ERROR,
    "A BRIDGE_* variable is unknown or holds what it may not.",
    "Mend it in the environment or in .env, by the table of settings in docs/operating.md.",
)

HANDLER_MISSING = Rule(
    "handler-missing",
    Severity.ERROR,
    "A handler is not where the file says.",
    "Write it as package.module:function, as found from the server file's folder.",
)
HANDLER_UNIMPORTABLE = Rule(
    "handler-unimportable",
    Severity.ERROR,
    "The module of a handler cannot be imported.",
    "Mend the module, or install what it needs where the bridge runs.",
)
HANDLER_NOT_ASYNC = Rule(
    "handler-not-async",
    Severity.ERROR,
    "A handler is no async function.",
    "Write `async def`, and run what blocks through asyncio.to_thread.",
)
HANDLER_UNTYPED = Rule(
    "handler-untyped",
    Severity.ERROR,
    "A handler takes or returns what has no type, or one that JSON cannot hold.",
    "Annotate it with a type that pydantic can read and write.",
)
HANDLER_ASKS_NOWHERE = Rule(
    "handler-asks-nowhere",
    Severity.ERROR,
    "A handler asks on a hook that its server has not.",
    "Add the hook, or name one that is there.",
)

TOOL_UNDESCRIBED = Rule(
    "tool-undescribed",
    Severity.ERROR,
    "A workflow has no description, by which Claude chooses a tool.",
    "Add a `description` that says what it does, when to use it, and how long it takes.",
)
TEXT_TOO_LONG = Rule(
    "text-too-long",
    Severity.ERROR,
    "A title or description is longer than clients show.",
    "Shorten it.",
)
INPUT_COMBINATOR = Rule(
    "input-combinator",
    Severity.ERROR,
    "An `input` has allOf, anyOf or oneOf at its top, which Claude's API refuses.",
    "Move it into a property.",
)
ARGUMENT_NAME = Rule(
    "argument-name",
    Severity.ERROR,
    "An argument's name is none that Claude's API takes.",
    "Use letters, digits and _.-, at most 64.",
)

PATTERN_SLOW = Rule(
    "pattern-slow",
    Severity.WARNING,
    "A pattern may take for ever to match.",
    "Do without look-around and back-references where you can.",
)
SECRET_SHORT = Rule(
    "secret-short",
    Severity.WARNING,
    "A secret can be guessed; an error where more than this machine can reach the bridge.",
    "Make one with `openssl rand -hex 32`.",
)

OF_TOOLS = (TOOL_UNDESCRIBED, TEXT_TOO_LONG, INPUT_COMBINATOR, ARGUMENT_NAME)
"""What clients would drop or cut, of servers that are sound or not; a start warns of it."""

OF_HANDLERS = (
    HANDLER_MISSING,
    HANDLER_UNIMPORTABLE,
    HANDLER_NOT_ASYNC,
    HANDLER_UNTYPED,
    HANDLER_ASKS_NOWHERE,
)

STOPPING = (
    FILE_UNREADABLE,
    FOLDER_EMPTY,
    FILE_SYNTAX,
    KEY_TWICE,
    KEY_UNKNOWN,
    KEY_MISSING,
    VALUE_WRONG,
    SCHEMA_UNSOUND,
    VARIABLE_UNSET,
    NAME_TAKEN,
    EXECUTION_UNREACHABLE,
    *OF_HANDLERS,
    PLACE_UNKNOWN,
    SETTING_WRONG,
)
"""What no start is made with."""

OF_STARTS = (*STOPPING, *OF_TOOLS, PATTERN_SLOW, SECRET_SHORT)
