"""The document at /openapi.json says what is there, all of it, and nothing else."""

import json
from typing import Any

import pytest

from bridge.app import ROUTES
from bridge.schemas.compile import faults_in_schema
from bridge.web.callbacks import SCHEMA
from bridge.web.openapi import DOCUMENT
from bridge.web.problems import STATUS

OPENAPI: dict[str, Any] = json.loads(DOCUMENT)
ROOTS = (
    "/hooks/",
    "/events/",
    "/calls/",
    "/callbacks/",
    "/pauses",
    "/bulk",
    "/approvals",
    "/healthz",
    "/readyz",
    "/openapi.json",
)
METHODS = {"get", "post", "put", "delete", "patch"}


def test_every_route_of_n8n_and_operators_stands_in_the_document_and_no_other() -> None:
    described = {
        (path, method) for path, item in OPENAPI["paths"].items() for method in METHODS & set(item)
    }
    assert described == {
        (route.path, method.lower())
        for route in ROUTES
        if route.path.startswith(ROOTS)
        for method in (route.methods or set()) - {"HEAD"}
    }


def test_every_parameter_of_a_path_is_described() -> None:
    for route in ROUTES:
        if route.path in OPENAPI["paths"]:
            described = OPENAPI["paths"][route.path].get("parameters", [])
            names = {each["name"] for each in described if each["in"] == "path"}
            assert names == set(route.param_convertors)


def test_a_hook_s_refusals_are_described() -> None:
    answers = OPENAPI["paths"]["/hooks/{server}/{hook}"]["post"]["responses"]
    assert {str(int(status)) for status in STATUS.values()} - {"500"} <= set(answers)


@pytest.mark.parametrize("name", OPENAPI["components"]["schemas"])
def test_every_schema_is_sound(name: str) -> None:
    schemas = OPENAPI["components"]["schemas"]
    whole = {"components": {"schemas": schemas}, "$ref": f"#/components/schemas/{name}"}
    assert faults_in_schema(whole) == ()


def test_every_reference_leads_somewhere() -> None:
    def references(part: Any) -> list[str]:
        if isinstance(part, list):
            return [each for item in part for each in references(item)]
        if isinstance(part, dict):
            mine = [part["$ref"]] if "$ref" in part else []
            return mine + [each for item in part.values() for each in references(item)]
        return []

    for reference in references(OPENAPI):
        found: Any = OPENAPI
        for name in reference.removeprefix("#/").split("/"):
            found = found[name]


def test_a_callback_is_described_as_it_is_checked() -> None:
    kinds = OPENAPI["components"]["schemas"]["Callback"]["oneOf"]
    described = {name: schema for kind in kinds for name, schema in kind["properties"].items()}
    assert described == SCHEMA["properties"]
