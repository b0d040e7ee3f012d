"""All examples, served by one bridge: each does what its README says."""

import json
import re
from collections.abc import AsyncIterator

import pytest

from bridge.authoring.checking.check import check
from bridge.configuration.server_files import read_server_files
from tests.gallery.examples import FOLDER, ROOT, Example, examples
from tests.gallery.stage import VARIABLES, Stage, on_standin

ENVIRON = {**VARIABLES, "BRIDGE_N8N_URL": "http://n8n:5678", "BRIDGE_N8N_API_KEY": "key"}
GALLERY = (ROOT / "docs" / "gallery.md").read_text()
EACH = pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with on_standin(tmp_path_factory.mktemp("gallery")) as opened:
        yield opened


@EACH
async def test_an_example_does_its_job(stage: Stage, example: Example) -> None:
    await stage.play(example)


def test_nothing_is_found_in_their_server_files() -> None:
    assert check(FOLDER, ENVIRON) == ()


@EACH
def test_n8n_has_a_workflow_for_all_that_an_example_serves(example: Example) -> None:
    server = read_server_files(FOLDER, ENVIRON).servers[example.name]
    texts = "".join(file.read_text() for file in example.workflows)
    for hook in server.hooks:
        assert f'/hooks/{example.name}/{hook}"' in texts
    for workflow in server.workflows.values():
        assert not workflow.url or f'"path": "{workflow.url.partition("/webhook/")[2]}"' in texts


@EACH
def test_what_workflows_put_into_an_address_cannot_lead_to_another(example: Example) -> None:
    for file in example.workflows:
        for node in json.loads(file.read_text())["nodes"]:
            for put_in in re.findall(r"\{\{(.*?)\}\}", str(node["parameters"].get("url", ""))):
                assert put_in.strip().startswith("encodeURIComponent("), (file.name, node["name"])


@EACH
def test_a_readme_has_ten_lines_at_most_and_leads_to_every_workflow(example: Example) -> None:
    assert len(example.readme) <= 10
    assert example.readme[0].startswith(f"# {example.name}: ")
    links = set(re.findall(r"\(workflows/([^)]+)\)", "".join(example.readme)))
    assert links == {file.name for file in example.workflows}


@EACH
def test_the_page_of_the_gallery_names_an_example_and_what_it_does(example: Example) -> None:
    link = f"[{example.name}](../config/examples/{example.name}/README.md)"
    assert f"| {link} | {example.does} |" in GALLERY
