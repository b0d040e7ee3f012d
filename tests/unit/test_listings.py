"""What the MCP registry and Claude Desktop read is what their own schemas allow.

Source of the schemas: github.com/modelcontextprotocol/static and /mcpb, with their licences.
"""

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from bridge import __version__
from tests.mcpb.__main__ import pack

ROOT = Path(__file__).parent.parent.parent
SCHEMAS = Path(__file__).parent / "listings"
REGISTRY, EXTENSION = "server.schema.json", "mcpb-manifest-v0.3.schema.json"


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


MANIFEST = read(ROOT / "config" / "desktop-extension" / "manifest.json")


@pytest.mark.parametrize(
    ("listed", "schema"),
    [("server.json", REGISTRY), ("desktop-extension/manifest.json", EXTENSION)],
    ids=["registry", "desktop extension"],
)
def test_a_listing_is_what_its_readers_schema_allows(listed: str, schema: str) -> None:
    validator = jsonschema_rs.Draft7Validator(read(SCHEMAS / schema))
    assert [error.message for error in validator.iter_errors(read(ROOT / "config" / listed))] == []
    assert not validator.is_valid({"name": "n8n"})


def test_the_registry_s_schema_is_the_one_that_our_listing_names() -> None:
    assert read(ROOT / "config" / "server.json")["$schema"] == read(SCHEMAS / REGISTRY)["$id"]


def test_every_field_of_the_extension_s_form_is_used_and_none_is_left_open() -> None:
    started = json.dumps(MANIFEST["server"]["mcp_config"])
    used = set(re.findall(r"\$\{user_config\.(\w+)\}", started))
    assert used == set(MANIFEST["user_config"])
    # A host leaves `${…}` as it stands where nothing was filled in.
    assert all(MANIFEST["user_config"][field]["required"] for field in used)


def test_the_extension_starts_the_version_that_it_is_of() -> None:
    assert MANIFEST["version"] == __version__
    assert f"{MANIFEST['name']}@{__version__}" in MANIFEST["server"]["mcp_config"]["args"]


def test_the_extension_is_packed_to_the_same_bytes_each_time(tmp_path: Path) -> None:
    first, again = pack(tmp_path / "first"), pack(tmp_path / "again")
    assert first.read_bytes() == again.read_bytes()
    with zipfile.ZipFile(first) as archive:
        assert archive.namelist() == ["manifest.json", MANIFEST["server"]["entry_point"]]
        assert json.loads(archive.read("manifest.json")) == MANIFEST
