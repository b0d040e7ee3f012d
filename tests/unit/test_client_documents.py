"""Client id metadata documents: whose address is taken, and which network is never asked."""

import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.responses import Response

from bridge.net.public_http import PublicHttp, is_public
from bridge.web.oauth.documents import ClientDocuments, UnusableDocumentError, is_address
from tests.client_documents import BAD, NAME, document, telling
from tests.tls import HERE


@pytest.mark.parametrize(
    ("client_id", "is_one"),
    [
        ("https://claude.ai/oauth/client.json", True),
        ("https://claude.ai:8443/c", True),
        ("http://claude.ai/c", False),
        ("https://claude.ai", False),
        ("https://claude.ai/", False),
        ("https://claude.ai/a/../b", False),
        ("https://claude.ai/c#x", False),
        ("https://user@claude.ai/c", False),
        ("https://[::1]/c", False),
        ("https://claude.ai/" + "c" * 1000, False),
        ("file:///etc/passwd", False),
        ("6c8a3c5e", False),
    ],
)
def test_an_address_of_a_document_is_told_from_other_ids(client_id: str, is_one: bool) -> None:
    assert is_address(client_id) is is_one


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1",
        "fc00::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:160.79.104.10",
        "::ffff:0:127.0.0.1",
        "::7f00:1",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "64:ff9b:1::a00:1",
        "2001:0:7f00:1::",
        "2002:7f00:1::",
        "2002:a04f:680a::",
        "fec0::1",
        "ff0e::1",
        "::",
    ],
)
def test_addresses_of_this_network_are_not_public(host: str) -> None:
    assert not is_public(host)


@pytest.mark.parametrize(
    "host", ["160.79.104.10", "1.1.1.1", "2606:4700::1111", "64:ff9b::a04f:680a"]
)
def test_addresses_of_the_internet_are_public(host: str) -> None:
    assert is_public(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001"])
async def test_nobody_makes_the_bridge_ask_its_own_machine(host: str) -> None:
    with pytest.raises(UnusableDocumentError, match="cannot be read"):
        await ClientDocuments(PublicHttp()).fetch(f"https://{host}:9/c.json")


async def test_a_client_is_what_its_document_says(tmp_path: Path) -> None:
    async with telling(tmp_path) as teller:
        client = await teller.here.fetch(teller.url)
    assert (client.client_id, client.client_name) == (teller.url, "It")
    assert client.token_endpoint_auth_method == "none"


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/x+json"])
async def test_a_document_may_be_of_any_kind_of_json(tmp_path: Path, kind: str) -> None:
    async with telling(tmp_path) as teller:
        teller.tell = lambda url: Response(document(url).body, media_type=kind)
        assert (await teller.here.fetch(teller.url)).client_name == "It"


@pytest.mark.parametrize("fault", BAD)
async def test_a_document_with_a_fault_lets_nobody_in(tmp_path: Path, fault: str) -> None:
    async with telling(tmp_path) as teller:
        teller.tell = BAD[fault]
        with pytest.raises(UnusableDocumentError):
            await teller.here.fetch(teller.url)
        assert teller.asked == ["/c.json"]


async def test_a_certificate_of_nobody_known_is_not_believed(tmp_path: Path) -> None:
    async with telling(tmp_path) as teller:
        unknown = replace(teller.here.http, trust=ssl.create_default_context())
        with pytest.raises(UnusableDocumentError, match="cannot be read"):
            await ClientDocuments(unknown).fetch(teller.url)


async def test_a_certificate_is_believed_for_its_own_name_only(tmp_path: Path) -> None:
    async with telling(tmp_path) as teller:
        with pytest.raises(UnusableDocumentError, match="cannot be read"):
            await teller.here.fetch(teller.url.replace(NAME, "evil.example"))
        assert not teller.asked


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["169.254.169.254"],
        ["10.0.0.1"],
        ["::1"],
        ["fe80::1%lo"],
        ["160.79.104.10", "127.0.0.1"],
        ["127.0.0.1", "160.79.104.10"],
        [],
    ],
)
async def test_a_name_that_leads_to_this_network_is_not_followed(
    tmp_path: Path, addresses: list[str]
) -> None:
    async with telling(tmp_path) as teller:
        with pytest.raises(UnusableDocumentError, match="cannot be read"):
            await teller.documents(*addresses).fetch(teller.url)
        assert teller.resolved == [NAME]
        assert not teller.asked


async def test_a_name_that_is_turned_after_the_check_leads_nowhere_else(tmp_path: Path) -> None:
    """The name means `HERE` once and then another place; only the first is ever asked."""
    async with telling(tmp_path) as teller:
        answers = [["127.0.0.2"], [HERE]]

        async def rebind(_host: str, _port: int) -> list[str]:
            return answers.pop()

        documents = ClientDocuments(replace(teller.here.http, resolve=rebind))
        client = await documents.fetch(teller.url)
        assert client.client_id == teller.url
        assert answers == [["127.0.0.2"]]
        with pytest.raises(UnusableDocumentError, match="cannot be read"):
            await documents.fetch(teller.url)
        assert teller.asked == ["/c.json"]
