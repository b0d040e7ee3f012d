"""Keywords that JSON Schema does not know: it passes them over, so that a slip asks for nothing."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from bridge.authoring.checking.rules import KEYWORD_UNKNOWN
from bridge.authoring.checking.schema_parts import parts_of_schema
from bridge.configuration.documents import Place
from bridge.configuration.findings import Finding, at
from bridge.configuration.raw import entries, mapping
from bridge.configuration.server_files import ServerFile
from bridge.schemas.compile import faults_in_schema

_WORDS = """
$anchor $comment $defs $dynamicAnchor $dynamicRef $id $recursiveAnchor $recursiveRef
$ref $schema $vocabulary additionalItems additionalProperties allOf anyOf const
contains contentEncoding contentMediaType contentSchema default definitions
dependencies dependentRequired dependentSchemas deprecated description else enum
examples exclusiveMaximum exclusiveMinimum format if items maxContains maxItems
maxLength maxProperties maximum minContains minItems minLength minProperties minimum
multipleOf not oneOf pattern patternProperties prefixItems properties propertyNames
readOnly required then title type unevaluatedItems unevaluatedProperties uniqueItems
writeOnly
"""
_KNOWN = frozenset(_WORDS.split())
"""The keywords of JSON Schema, drafts 4 to 2020-12, but for `id`, which is the name of fields."""

_OWN = "x-"
"""How keywords begin that programs agree on among themselves."""


def unknown_keywords(file: ServerFile) -> Iterator[Finding]:
    """Find the keywords of a file's schemas that mean nothing."""
    for place, schema in _schemas(file.document.value):
        for where, part in parts_of_schema(schema, ()):
            for keyword in part:
                if keyword not in _KNOWN and not keyword.startswith(_OWN):
                    whole = (*place, *where, keyword)
                    said = f"{'.'.join(map(str, whole))} {_said(keyword)}"
                    yield at(
                        KEYWORD_UNKNOWN,
                        said,
                        file.document.path,
                        *file.document.position(whole),
                    )


def _said(keyword: str) -> str:
    alike = [each for each in _KNOWN if each.startswith("$") == keyword.startswith("$")]
    near = get_close_matches(keyword, alike, n=1, cutoff=0.7)
    mend = (
        f"did you mean `{near[0]}`?"
        if near
        else "if it is a field, put it under `properties`; if not, drop it"
    )
    return f"is no keyword of JSON Schema, so it asks for nothing; {mend}"


def _schemas(server: Any) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    """Return the sound schemas of a file, for those that are not are named as that."""
    found: list[tuple[Place, Any]] = []
    place: Place
    for name, hook in entries(server, "hooks"):
        found += [(("hooks", name, each), hook.get(each)) for each in ("payload", "reply")]
    for name, workflow in entries(server, "workflows"):
        place = ("workflows", name)
        found += [((*place, each), workflow.get(each)) for each in ("input", "output")]
        found.append(((*place, "approve", "when"), mapping(workflow.get("approve")).get("when")))
    for place, schema in found:
        if isinstance(schema, Mapping) and not faults_in_schema(schema):
            yield place, schema
