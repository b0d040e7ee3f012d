"""n8n's executions: named where n8n names them, linked where n8n has a page for them."""

import pytest

from bridge.n8n.reply_address import execution_of, link_to

ADDRESS = "http://n8n:5678/webhook-waiting/41/reply?signature=secret"


@pytest.mark.parametrize(
    ("key", "address", "execution"),
    [
        ("n8n_aBc9_41_0", ADDRESS, "aBc9/41"),
        ("n8n_aBc9_41_0", "", "aBc9/41"),
        ("my-own", ADDRESS, "41"),
        ("", "http://n8n/webhook-waiting/41?signature=s", "41"),
        ("", "http://n8n/n8n/webhook-waiting/41", "41"),
        ("n8n_aBc9_x_0", "", ""),
        ("n8n_../x_41_0", "", ""),
        ("", "http://n8n/webhook-waiting/x41", ""),
        ("", "", ""),
    ],
)
def test_an_execution_is_named_by_key_or_address_and_never_with_the_signature(
    key: str, address: str, execution: str
) -> None:
    assert execution_of(key, address) == execution


@pytest.mark.parametrize(
    ("execution", "n8n_url", "link"),
    [
        ("aBc9/41", "http://n8n:5678", "http://n8n:5678/workflow/aBc9/executions/41"),
        ("41", "http://n8n:5678", None),
        ("aBc9/41", None, None),
        ("", "http://n8n:5678", None),
    ],
)
def test_only_an_execution_whose_workflow_is_known_has_a_page(
    execution: str, n8n_url: str | None, link: str | None
) -> None:
    assert link_to(execution, n8n_url) == link
