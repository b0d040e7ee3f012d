"""Keys of server files that are read and checked, and do nothing yet."""

from collections.abc import Iterator

from bridge.documents import Document
from bridge.servers import Server

UNHEEDED = {
    "approve": "does nothing yet: the workflow runs without being approved by anybody",
    "by": "does nothing yet: nobody is asked",
    "per": "does nothing yet: only `concurrency` and `rate` of the whole workflow count",
    "kind": "is not run yet: the tool is left out",
}


def unheeded_keys(document: Document, server: Server) -> Iterator[str]:
    """Name the keys of a server that do nothing yet, as `file:line: sentence`."""
    for name, workflow in server.workflows.items():
        for key in (key for key in UNHEEDED if key in workflow.model_fields_set):
            yield document.fault(("workflows", name, key), UNHEEDED[key])


def without_unheeded(server: Server) -> Server:
    """Return a server without the tools that could not be run."""
    kept = {name: each for name, each in server.workflows.items() if each.kind is None}
    return server.model_copy(update={"workflows": kept})
