"""The suite's fixtures that only give something: contents of every kind, resources, prompts."""

import base64
import json
import re
from collections.abc import Callable, Mapping

import mcp_types as types
from mcp.shared.exceptions import MCPError

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
WAV = base64.b64encode(
    b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\0\0\0\0"
).decode()


def text(said: str) -> types.TextContent:
    """Return a text."""
    return types.TextContent(type="text", text=said)


IMAGE = types.ImageContent(type="image", data=PNG, mime_type="image/png")
AUDIO = types.AudioContent(type="audio", data=WAV, mime_type="audio/wav")


def embedded(uri: str, said: str, mime_type: str = "text/plain") -> types.EmbeddedResource:
    """Return a text that stands in the answer as a resource."""
    return types.EmbeddedResource(
        type="resource",
        resource=types.TextResourceContents(uri=uri, mime_type=mime_type, text=said),
    )


TOOL_CONTENTS: Mapping[str, list[types.ContentBlock]] = {
    "test_simple_text": [text("This is a simple text response for testing.")],
    "test_image_content": [IMAGE],
    "test_audio_content": [AUDIO],
    "test_embedded_resource": [
        embedded("test://embedded-resource", "This is an embedded resource content.")
    ],
    "test_multiple_content_types": [
        text("Multiple content types test:"),
        IMAGE,
        embedded(
            "test://mixed-content-resource", '{"test":"data","value":123}', "application/json"
        ),
    ],
}
"""What the tools without arguments answer."""

RESOURCES = (
    types.Resource(
        uri="test://static-text",
        name="static-text",
        description="A text that never changes.",
        mime_type="text/plain",
    ),
    types.Resource(
        uri="test://static-binary",
        name="static-binary",
        description="An image that never changes.",
        mime_type="image/png",
    ),
    types.Resource(
        uri="test://watched-resource",
        name="watched-resource",
        description="A text to subscribe to.",
        mime_type="text/plain",
    ),
)

TEMPLATE = types.ResourceTemplate(
    uri_template="test://template/{id}/data",
    name="template",
    description="Data by id.",
    mime_type="application/json",
)


def read_resource(uri: str) -> types.TextResourceContents | types.BlobResourceContents:
    """Read a resource.

    Raises:
        MCPError: there is none at `uri` (SEP-2164).
    """
    if uri == "test://static-binary":
        return types.BlobResourceContents(uri=uri, mime_type="image/png", blob=PNG)
    if found := re.fullmatch(r"test://template/([^/]+)/data", uri):
        filled = {"id": found[1], "templateTest": True, "data": f"Data for ID: {found[1]}"}
        return types.TextResourceContents(
            uri=uri, mime_type="application/json", text=json.dumps(filled)
        )
    texts = {
        "test://static-text": "This is the content of the static text resource.",
        "test://watched-resource": "Nothing has changed yet.",
    }
    if uri not in texts:
        raise MCPError(types.INVALID_PARAMS, "Resource not found", {"uri": uri})
    return types.TextResourceContents(uri=uri, mime_type="text/plain", text=texts[uri])


def _prompt(name: str, description: str, *arguments: str) -> types.Prompt:
    return types.Prompt(
        name=name,
        description=description,
        arguments=[types.PromptArgument(name=argument, required=True) for argument in arguments],
    )


PROMPTS = (
    _prompt("test_simple_prompt", "One text."),
    _prompt("test_prompt_with_arguments", "A text with its arguments.", "arg1", "arg2"),
    _prompt("test_prompt_with_embedded_resource", "A resource and a text.", "resourceUri"),
    _prompt("test_prompt_with_image", "An image and a text."),
    _prompt("test_input_required_result_prompt", "A text that needs the user's answer first."),
)

PROMPT_CONTENTS: Mapping[str, Callable[[Mapping[str, str]], list[types.ContentBlock]]] = {
    "test_simple_prompt": lambda _: [text("This is a simple prompt for testing.")],
    "test_prompt_with_arguments": lambda given: [
        text(f"Prompt with arguments: arg1='{given['arg1']}', arg2='{given['arg2']}'")
    ],
    "test_prompt_with_embedded_resource": lambda given: [
        embedded(given["resourceUri"], "Embedded resource content for testing."),
        text("Please process the embedded resource above."),
    ],
    "test_prompt_with_image": lambda _: [IMAGE, text("Please analyze the image above.")],
}
"""What the prompts say that need no answer of the user."""


def messages(contents: list[types.ContentBlock]) -> types.GetPromptResult:
    """Put contents into the user's mouth, a message each."""
    return types.GetPromptResult(
        messages=[types.PromptMessage(role="user", content=content) for content in contents]
    )
