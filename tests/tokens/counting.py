"""Tokens, counted with a real tokenizer whose vocabulary is at hand without a network.

Claude's own tokenizer is not public. These two are byte-pair vocabularies of its kind and size; a
share that holds for both hangs on neither.
"""

import json
from collections.abc import Mapping
from typing import Any

import bpe_openai

ENCODINGS: Mapping[str, Any] = {
    name: bpe_openai.get_encoding(name) for name in ("o200k_base", "cl100k_base")
}


def count(text: str, encoding: str = "o200k_base") -> int:
    """Report how many tokens a text is."""
    return len(ENCODINGS[encoding].encode_ordinary(text))


def compact(value: object) -> str:
    """Format a value as JSON with nothing to spare."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
