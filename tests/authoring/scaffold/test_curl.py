"""A line of curl becomes a tool: its method, address, proof and arguments, and never a secret."""

from pathlib import Path
from typing import Any

import pytest

from bridge.authoring.checking.check import check
from bridge.authoring.scaffold.curl import read_curl
from bridge.authoring.scaffold.project import Project
from bridge.authoring.scaffold.rendering import files_of
from bridge.authoring.scaffold.writing import write_folder
from bridge.configuration.server_files import read_server_files
from bridge.configuration.servers import Workflow
from bridge.configuration.settings import read_dotenv
from bridge.errors import ConfigurationError
from tests.commands import run

N8N = "https://n8n.example.com"
SECRET = "s3cret-of-n8n"


def workflow(line: str, folder: Path) -> Workflow:
    """Return the workflow that the server file of a line holds; no file holds its secret."""
    place = folder / "crm"
    write_folder(place, files_of(Project("crm", "tool", read_curl(line, "CRM")), place, Path("/b")))
    environ = read_dotenv(place / ".env")
    assert check(place / "config" / "servers", environ) == ()
    texts = [path.read_text() for path in place.rglob("*") if path.is_file()]
    assert not any(SECRET in text for text in texts)
    found = read_server_files(place / "config" / "servers", environ).servers["crm"]
    return found.workflows["crm"]


def entry(line: str) -> dict[str, Any]:
    """Return what a line makes of a workflow's entry."""
    request = read_curl(line, "CRM")
    return {"auth": request.auth, "headers": request.headers, "secrets": [*request.secrets]}


@pytest.mark.parametrize(
    ("line", "method"),
    [
        (f"curl {N8N}/webhook/a", "GET"),
        (f"curl {N8N}/webhook/a -d '{{\"a\": 1}}'", "POST"),
        (f"curl -X PUT {N8N}/webhook/a -d a=1", "PUT"),
        (f"curl -XDELETE {N8N}/webhook/a?a=1", "DELETE"),
        (f"curl --request patch {N8N}/webhook/a --json '{{\"a\": 1}}'", "PATCH"),
        (f"curl -I {N8N}/webhook/a", "HEAD"),
        (f"curl -G {N8N}/webhook/a -d a=1", "GET"),
        (f"curl {N8N}/webhook/a -d ''", "POST"),
        (f"$ curl -sSLk --compressed -m 10 -o /dev/null {N8N}/webhook/a", "GET"),
        (f"/usr/bin/curl \\\n  --url {N8N}/webhook/a \\\n  --data-raw a=1", "POST"),
    ],
)
def test_the_method_is_the_one_that_curl_would_use(line: str, method: str, tmp_path: Path) -> None:
    made = workflow(line, tmp_path)
    assert (made.method, made.url) == (method, f"{N8N}/webhook/a")


@pytest.mark.parametrize(
    ("proof", "auth", "variables"),
    [
        (f"-H 'Authorization: Bearer {SECRET}'", {"bearer": "env:CRM_N8N_TOKEN"}, ["TOKEN"]),
        (f"--oauth2-bearer {SECRET}", {"bearer": "env:CRM_N8N_TOKEN"}, ["TOKEN"]),
        (
            f"-u ann:{SECRET}",
            {"basic": {"user": "env:CRM_N8N_USER", "password": "env:CRM_N8N_PASSWORD"}},
            ["USER", "PASSWORD"],
        ),
        (
            "-H 'authorization: basic YW5uOnMzY3JldC1vZi1uOG4='",
            {"basic": {"user": "env:CRM_N8N_USER", "password": "env:CRM_N8N_PASSWORD"}},
            ["USER", "PASSWORD"],
        ),
        (
            f"-H 'X-Key: {SECRET}'",
            {"header": {"name": "X-Key", "value": "env:CRM_N8N_X_KEY"}},
            ["X_KEY"],
        ),
        (
            f"-H 'Authorization: ApiKey {SECRET}'",
            {"header": {"name": "Authorization", "value": "env:CRM_N8N_AUTHORIZATION"}},
            ["AUTHORIZATION"],
        ),
        ("-H 'Accept: */*' -A Mozilla -H 'Origin: https://x.y'", None, []),
    ],
)
def test_what_proves_the_sender_becomes_a_variable_of_its_kind(
    proof: str, auth: dict[str, Any] | None, variables: list[str], tmp_path: Path
) -> None:
    line = f"curl {N8N}/webhook/a {proof}"
    assert entry(line) == {
        "auth": auth,
        "headers": {},
        "secrets": [f"CRM_N8N_{name}" for name in variables],
    }
    assert (workflow(line, tmp_path).auth is None) == (auth is None)


def test_a_password_in_the_address_proves_the_sender_and_leaves_it(tmp_path: Path) -> None:
    made = workflow(f"curl https://ann:{SECRET}@n8n.example.com/webhook/a", tmp_path)
    assert made.url == f"{N8N}/webhook/a"
    assert made.auth is not None
    assert made.auth.kind == "basic"


def test_a_header_beside_the_proof_is_a_variable_too_for_who_knows_what_it_holds(
    tmp_path: Path,
) -> None:
    line = f"curl {N8N}/webhook/a -H 'X-Tenant: {SECRET}' -H 'X-Api-Key: {SECRET}' -b id={SECRET}"
    made = entry(line)
    assert made["auth"] == {"header": {"name": "X-Api-Key", "value": "env:CRM_N8N_X_API_KEY"}}
    assert made["headers"] == {"X-Tenant": "env:CRM_N8N_X_TENANT", "Cookie": "env:CRM_N8N_COOKIE"}
    assert len(workflow(line, tmp_path).headers) == 2


def test_a_secret_of_the_address_becomes_a_variable_in_it(tmp_path: Path) -> None:
    line = f"curl '{N8N}/webhook/a?mode=fast&api_key={SECRET}' -d a=1"
    made = workflow(line, tmp_path)
    assert made.url == f"{N8N}/webhook/a?mode=fast&api_key=put-it-here"


def test_the_query_of_a_get_holds_the_arguments_but_for_its_secrets(tmp_path: Path) -> None:
    made = workflow(f"curl '{N8N}/webhook/a?customer=7&token={SECRET}'", tmp_path)
    assert made.url == f"{N8N}/webhook/a?token=put-it-here"
    assert made.input["required"] == ["customer"]


def test_the_arguments_are_guessed_from_the_body_and_none_of_it_is_repeated(tmp_path: Path) -> None:
    body = (
        '{"customerId": 12, "is_new": true, "rate": 0.5, "tags": ["a"], "mixed": [1, "a"], '
        f'"at": {{"zip": "{SECRET}"}}, "none": null, "empty": {{}}}}'
    )
    made = workflow(f"curl {N8N}/webhook/a -d '{body}'", tmp_path)
    assert made.input == {
        "type": "object",
        "properties": {
            "customerId": {"type": "integer", "description": "The customer id."},
            "is_new": {"type": "boolean", "description": "The is new."},
            "rate": {"type": "number", "description": "The rate."},
            "tags": {
                "type": "array",
                "items": {"type": "string"},
                "description": "The tags.",
            },
            "mixed": {"type": "array", "description": "The mixed."},
            "at": {
                "type": "object",
                "properties": {"zip": {"type": "string", "description": "The zip."}},
                "required": ["zip"],
                "description": "The at.",
            },
            "none": {"description": "The none."},
            "empty": {"type": "object", "description": "The empty."},
        },
        "required": ["customerId", "is_new", "rate", "tags", "mixed", "at", "empty"],
    }


def test_what_a_browser_copies_is_read(tmp_path: Path) -> None:
    line = (
        f"curl '{N8N}/webhook/a' \\\n  -H 'accept: application/json' \\\n"
        '  -H \'sec-ch-ua: "x"\' \\\n  --data-raw $\'{"it\\\'s": "\\u00e9"}\' --insecure'
    )
    with pytest.raises(ConfigurationError):
        workflow(line, tmp_path)  # `it's` is no name of an argument
    made = workflow(line.replace("it\\'s", "its"), tmp_path)
    assert [*made.input["properties"]] == ["its"]


def test_what_chrome_copies_for_the_windows_prompt_is_read(tmp_path: Path) -> None:
    line = (
        f'curl ^"{N8N}/webhook/a?mode=1^&b=2^" ^\r\n'
        '  -H ^"sec-ch-ua: ^\\^"Chromium^\\^";v=^\\^"130^\\^"^" ^\r\n'
        '  --data-raw ^"^{^\\^"text^\\^":^\\^"100^% ^& more^\\^",^\r\n\r\n^\\^"n^\\^":2^}^"'
    )
    made = workflow(line, tmp_path)
    assert made.url == f"{N8N}/webhook/a?mode=1&b=2"
    assert [*made.input["properties"]] == ["text", "n"]


@pytest.mark.parametrize(
    ("line", "url", "arguments"),
    [
        (f"curl {N8N}/webhook/a -d '{{}}'", f"{N8N}/webhook/a", []),
        ("curl localhost:5678/webhook/a -d a=1", "http://localhost:5678/webhook/a", ["a"]),
        (f"curl {N8N}/webhook/größe -d a=1", f"{N8N}/webhook/gr%C3%B6%C3%9Fe", ["a"]),
        (f"curl {N8N}/webhook/a --data-urlencode 'a=b&c=d'", f"{N8N}/webhook/a", ["a"]),
        (f"curl {N8N}/webhook/a --json '{{\"a\":' --json '1}}'", f"{N8N}/webhook/a", ["a"]),
        (f"\ufeffcurl\xa0{N8N}/webhook/a -d a=1;", f"{N8N}/webhook/a", ["a"]),
    ],
)
def test_the_request_is_the_one_that_curl_would_send(
    line: str, url: str, arguments: list[str], tmp_path: Path
) -> None:
    made = workflow(line, tmp_path)
    assert (made.url, [*made.input.get("properties", {})]) == (url, arguments)


@pytest.mark.parametrize(
    "end", ["| jq .", "> out.json", "2>/dev/null", "&& echo done", "; echo", "# try it"]
)
def test_what_a_shell_does_with_the_answer_is_passed_over(end: str, tmp_path: Path) -> None:
    made = workflow(f'curl {N8N}/webhook/a -d \'{{"a": "| x"}}\' {end}', tmp_path)
    assert (made.url, [*made.input["properties"]]) == (f"{N8N}/webhook/a", ["a"])


def test_of_two_headers_of_one_name_the_last_counts() -> None:
    line = f"curl {N8N}/webhook/a -H 'X-Key: {SECRET}' -H 'x-key: other' -d a=1"
    assert entry(line) == {
        "auth": {"header": {"name": "x-key", "value": "env:CRM_N8N_X_KEY"}},
        "headers": {},
        "secrets": ["CRM_N8N_X_KEY"],
    }


def test_an_address_for_tests_becomes_the_one_of_the_published_workflow(tmp_path: Path) -> None:
    line = f"curl {N8N}/n8n/webhook-test/a"
    assert workflow(line, tmp_path).url == f"{N8N}/n8n/webhook/a"
    assert "BRIDGE_N8N_URL=https://n8n.example.com/n8n\n" in (tmp_path / "crm/.env").read_text()


def test_what_looks_like_a_variable_in_the_line_is_none(tmp_path: Path) -> None:
    made = workflow(f"curl {N8N}/webhook/'${{HOME}}' -d '{{\"a\": 1}}'", tmp_path)
    assert made.url == f"{N8N}/webhook/${{HOME}}"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "does not begin with curl"),
        (f"wget {N8N}", "does not begin with curl"),
        ("curl", "names no address"),
        (f"curl '{N8N}", "has a quotation mark that is never closed"),
        (f"curl {N8N} -H", "ends after -H"),
        ("curl ftp://n8n.example.com/webhook/a", "must start with http:// or https://"),
        ("curl https://münchen.example/webhook/a", "names a host that is not in ASCII"),
        ("curl https://$HOST/webhook/a", "has a variable of your shell in its address"),
        (f"curl {N8N}/workflow/a -d a=1", "has no /webhook/ in its address"),
        (f"curl “{N8N}/webhook/a”", "has quotation marks that a text processor has made round"),
        (f"curl {N8N}/webhook/a -H @headers.txt", "reads its headers from headers.txt"),
        (f"curl {N8N}/webhook/a --data-urlencode a@body.txt", "reads its body from body.txt"),
        (f"curl {N8N}/webhook/a --data-raw @body.txt", "has a body that is no JSON object"),
        (f"curl {N8N}/webhook/a -d hello", "has a body that is no JSON object"),
        ("curl https://", "has an address that"),
        (f"curl {N8N}/a {N8N}/b", "names two addresses"),
        (f"curl {N8N} --frobnicate", "has the option --frobnicate, which is not known here"),
        (f"curl {N8N} -Z", "has the option -Z"),
        (f"curl {N8N} -F a=@b", "sends a file or a form (--form)"),
        (f"curl {N8N} -d @body.json", "reads its body from body.json"),
        (f"curl {N8N} -d '[1]'", "has a body that is no JSON object"),
        (f"curl {N8N} -d '{{\"a\": '", "has a body that is no JSON"),
        (f"curl {N8N} -d '{'[' * 100_000}'", "has a body that nests too deep"),
        (f"curl {N8N} -X TRACE", "has a method that no tool has"),
        (f"curl {N8N} -H 'Authorization: Basic {SECRET}'", "credentials that are no base64"),
        (f"curl {N8N} -u :{SECRET}", "has a password without a user"),
        (f"curl {N8N}/webhook/a -d '{{\"First Name\": 1}}'", "First Name"),
    ],
)
async def test_a_line_that_will_not_do_is_one_sentence_and_nothing_is_written(
    line: str, said: str, tmp_path: Path
) -> None:
    status, output = await run("new", "crm", "--from-curl", line, environ={}, folder=tmp_path)
    assert (status, output.count("\n")) == (1, 1), output
    assert said in output
    assert SECRET not in output
    assert list(tmp_path.iterdir()) == []
