"""Handlers as the bridge learns of them: by their signature, and by what is wrong with them."""

from pathlib import Path

import pytest

from bridge.authoring.checking.check import check
from bridge.configuration.findings import Finding
from bridge.configuration.server_files import read_server_files
from tests.handlers.desks import ENVIRON, desk
from tests.handlers.wrong_handlers import WRONG
from tests.processes import is_gone, running
from tests.waiting import wait_until

SERVER = "name: s\nworkflows:\n  w: {kind: python, handler: 'mod:f', description: It works.}\n"


def findings(folder: Path, code: str, server: str = SERVER) -> tuple[Finding, ...]:
    """Read a server whose handlers are these."""
    (folder / "mod.py").write_text(code)
    (folder / "s.yaml").write_text(server)
    return read_server_files(folder, ENVIRON).findings


def test_a_handler_is_described_by_its_signature_and_its_docstring() -> None:
    greet = desk().workflows["greet"]

    assert greet.description == "Greet a guest.\n\nAs often as asked."
    assert greet.input == {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "guest": {
                "type": "object",
                "description": "Who comes.",
                "properties": {
                    "name": {"type": "string"},
                    "age": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
                },
                "required": ["name"],
            },
            "tone": {
                "type": "string",
                "description": "How to speak.",
                "enum": ["warm", "cold"],
                "default": "warm",
            },
            "times": {"type": "integer", "minimum": 1, "maximum": 9, "default": 1},
        },
        "required": ["guest"],
    }
    assert greet.output == {
        "type": "object",
        "title": "Greeting",
        "description": "What is said.",
        "properties": {"text": {"type": "string"}, "attempt": {"type": "integer"}},
        "required": ["text", "attempt"],
    }


def test_what_the_file_says_of_a_handler_counts_before_what_its_signature_does(
    tmp_path: Path,
) -> None:
    given = "input: {type: object, required: [n]}, output: {type: string}"
    (tmp_path / "mod.py").write_text(
        'async def f(n: int) -> int:\n    """Count."""\n    return n\n'
    )
    (tmp_path / "s.yaml").write_text(SERVER.replace("description", f"{given}, description"))

    (server,) = read_server_files(tmp_path, ENVIRON).servers.values()

    assert server.workflows["w"].description == "It works."
    assert server.workflows["w"].input == {"type": "object", "required": ["n"]}
    assert server.workflows["w"].output == {"type": "string"}


def test_a_context_that_a_handler_may_do_without_is_no_argument(tmp_path: Path) -> None:
    (tmp_path / "mod.py").write_text(
        "from bridge.handlers import Context\n"
        "async def f(n: int, ctx: Context | None = None) -> int:\n    return n\n"
    )
    (tmp_path / "s.yaml").write_text(SERVER)

    (server,) = read_server_files(tmp_path, ENVIRON).servers.values()

    assert server.workflows["w"].input["properties"] == {"n": {"type": "integer"}}


def test_nothing_in_a_schema_refers_to_what_is_inlined(tmp_path: Path) -> None:
    (tmp_path / "mod.py").write_text(
        "from typing import Annotated, Literal\nfrom pydantic import BaseModel, Field\n"
        "class Cat(BaseModel):\n    kind: Literal['cat']\n"
        "class Dog(BaseModel):\n    kind: Literal['dog']\n"
        "async def f(a: Annotated[Cat | Dog, Field(discriminator='kind')]) -> int: ...\n"
    )
    (tmp_path / "s.yaml").write_text(SERVER)

    (server,) = read_server_files(tmp_path, ENVIRON).servers.values()

    assert len(server.workflows["w"].input["properties"]["a"]["oneOf"]) == 2
    assert "$defs" not in str(server.workflows["w"].input)


def test_a_module_that_leaves_a_process_behind_is_described_without_it(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    code = (
        "import os, pathlib, time\nif not os.fork():\n    os.setsid()\n"
        f"    pathlib.Path({str(told)!r}).write_text(str(os.getpid()))\n    time.sleep(600)\n"
        f"while not pathlib.Path({str(told)!r}).exists(): time.sleep(0.01)\n"
        "async def f() -> int: ...\n"
    )

    assert findings(tmp_path, code) == ()
    assert is_gone(int(told.read_text()))


async def test_a_process_that_imports_handlers_ends_with_who_started_it(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    code = f"import os, pathlib, time\npathlib.Path({str(told)!r}).write_text(str(os.getpid()))\n"
    (tmp_path / "mod.py").write_text(f"{code}time.sleep(50)\n")
    (tmp_path / "s.yaml").write_text(SERVER)
    async with running("check", str(tmp_path), environ=ENVIRON) as checking:
        await wait_until(lambda: told.exists() and told.read_text(), "the module is imported")
        checking.process.kill()

    await wait_until(lambda: is_gone(int(told.read_text())), "the import ends too")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os\nos.kill(os.getpid(), 40)\n", "was ended by signal 40"),
        ("import os\nos.closerange(0, 100)\n", "ended with status 1"),
    ],
)
def test_how_a_process_ended_that_imported_handlers_is_said(
    tmp_path: Path, code: str, said: str
) -> None:
    (finding,) = findings(tmp_path, code)

    assert finding.sentence.endswith(f"could not be imported: the process that imported it {said}")


def test_check_names_the_argument_of_a_handler_that_it_warns_of(tmp_path: Path) -> None:
    (tmp_path / "mod.py").write_text("async def f(n: int) -> dict[str, int]: ...\n")
    (tmp_path / "s.yaml").write_text(SERVER)

    sentences = [each.sentence for each in check(tmp_path, ENVIRON)]

    argument = "workflows.w.input.properties.n"
    assert any(each.startswith(f"{argument} is required, and has no") for each in sentences)


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("queue", "names a module of Python itself: give yours another name than queue"),
        ("bridge.mod", "/__init__.py: give a module of your own another name"),
    ],
)
def test_a_module_that_another_of_its_name_hides_is_said_to_be_hidden(
    tmp_path: Path, module: str, said: str
) -> None:
    (tmp_path / "queue.py").write_text("async def f() -> int: ...\n")

    (finding,) = findings(tmp_path, "", SERVER.replace("mod:f", f"{module}:f"))

    assert finding.sentence.endswith(said)


def test_a_server_whose_code_changes_is_another(tmp_path: Path) -> None:
    def read(code: str) -> object:
        (tmp_path / "mod.py").write_text(code)
        (tmp_path / "s.yaml").write_text(SERVER)
        return read_server_files(tmp_path, ENVIRON).servers["s"]

    first = read("async def f() -> int:\n    return 1\n")

    assert read("async def f() -> int:\n    return 1\n") == first
    assert read("async def f() -> int:\n    return 2\n") != first


NAMED = {f"mod{number}": wrong for number, wrong in enumerate(WRONG)}


@pytest.fixture(scope="module")
def folder_of_wrong_handlers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wrong")
    workflows = [
        f"  {name}: {{kind: python, handler: '{name}:f', description: It works.}}\n"
        for name in NAMED
    ]
    (folder / "s.yaml").write_text("name: s\nworkflows:\n" + "".join(workflows))
    for name, (code, *_) in NAMED.items():
        (folder / f"{name}.py").write_text(code)
    return folder


def test_what_is_wrong_with_handlers_is_named_where_it_stands(
    folder_of_wrong_handlers: Path,
) -> None:
    found = read_server_files(folder_of_wrong_handlers, ENVIRON).findings

    for each, (name, (_, rule, place, said)) in zip(found, NAMED.items(), strict=True):
        assert each.path is not None
        where = f"{each.path.name}:{each.line}:{each.column}"
        line = list(NAMED).index(name) + 3
        assert (each.rule.id, where) == (rule, place.format(name=name, line=line))
        assert said.format(name=name) in each.sentence


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os\nos._exit(4)", "ended with status 4"),
        ("import os\nos.abort()", "was ended by SIGABRT"),
    ],
)
def test_handlers_whose_import_ends_the_process_are_named(
    tmp_path: Path, code: str, said: str
) -> None:
    (found,) = findings(tmp_path, code)

    assert f"{found.line}:{found.column}" == "3:21"
    assert found.sentence.endswith(f"could not be imported: the process that imported it {said}")


def test_a_module_that_is_not_there_is_named_with_the_folder_it_was_looked_for_in(
    tmp_path: Path,
) -> None:
    (found,) = findings(tmp_path, "", SERVER.replace("mod:f", "some.where:f"))

    assert str(found).endswith(
        f"s.yaml:3: workflows.w.handler names no module: some is neither in {tmp_path} nor "
        "installed where the bridge runs"
    )


def test_a_module_that_takes_too_long_to_import_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.configuration.handler_descriptions.DESCRIBE_S", 0.5)

    (found,) = findings(tmp_path, "while True: pass")

    assert "could not be imported: that took more than 0.5 s" in str(found)


def test_a_handler_without_description_is_named(tmp_path: Path) -> None:
    code = "async def f() -> int:\n    return 1\n"

    (found,) = findings(tmp_path, code, SERVER.replace(", description: It works.", ""))

    assert found.rule.id == "tool-undescribed"


def test_what_is_wrong_with_a_handler_repeats_no_secret(tmp_path: Path) -> None:
    code = "import os\nraise ValueError('no ' + os.environ['KEY'])\n"

    (found,) = findings(tmp_path, code, f"{SERVER}python: {{environment: {{KEY: env:DESK_KEY}}}}\n")

    assert found.sentence == "the module cannot be imported: ValueError: no [secret]: mend that"


def test_a_handler_is_described_without_the_secrets_of_the_bridge(tmp_path: Path) -> None:
    code = "import os\nassert 'BRIDGE_OPERATOR_TOKEN' not in os.environ\nasync def f(): ...\n"

    assert findings(tmp_path, code) == ()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("{memory: 1}", "python.memory must be at least 64MiB"),
        ("{memory: lots}", "python.memory must be a size such as 512MiB or 2GiB"),
        ("{startup: it}", "python.startup"),
        ("{startup: 'mod:nothing'}", "python.startup names nothing: there is no nothing in mod"),
        ("{environment: {A: 1}}", "python.environment.A must be text, as all of an environment is"),
        ("{environment: {A-B: x}}", "python.environment.A-B"),
        ("{sleep: 1s}", "python.sleep is an unknown key"),
    ],
)
def test_wrong_options_of_the_process_are_named(tmp_path: Path, options: str, said: str) -> None:
    found = findings(tmp_path, "async def f(): ...\n", f"{SERVER}python: {options}\n")

    assert said in str(found[0])


@pytest.mark.parametrize("key", ["method: GET", "result: callback", "progress: true"])
def test_what_is_for_webhooks_alone_is_refused(tmp_path: Path, key: str) -> None:
    server = SERVER.replace("description", f"{key}, description")

    (found,) = findings(tmp_path, "async def f(): ...\n", server)

    assert "is for webhooks, and `kind: python` has none: drop it" in found.sentence
