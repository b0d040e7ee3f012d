"""Servers that anybody may use."""

from bridge.diagnosis.observations import Observation, passed_over, right, wrong


def of_tokens(server: str, *, is_guarded: bool | None) -> Observation:
    """Judge a server whose file has no tokens, by whether it has some on record, if that is known.

    More than this machine can reach it.
    """
    subject = f"server {server}"
    if is_guarded is None:
        return passed_over(
            "tokens.unknown",
            subject,
            "its file has no tokens, and whether there are any on record is unknown",
            "let `doctor` reach Redis",
        )
    if is_guarded:
        return right("tokens", subject, "its tokens are on record")
    return wrong(
        "tokens.none",
        subject,
        "it has no tokens, but more than this machine can reach it",
        f"add `tokens` to its file, or make one with `n8n-bridge tokens add {server} NAME`",
    )
