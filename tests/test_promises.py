"""Each promise is proved by tests, and each test that is named for one is there."""

import ast
import functools
from pathlib import Path

import pytest

from tests.promised.promise import Promise
from tests.promises import PROMISES

ROOT = Path(__file__).parent
EACH = [promise for section in PROMISES.values() for promise in section]


@functools.cache
def names_of_tests(file: str) -> frozenset[str]:
    """Return the names of the tests that a file holds."""
    tree = ast.parse((ROOT / file).read_text())
    names = (it.name for it in tree.body if isinstance(it, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(name for name in names if name.startswith("test_"))


@pytest.mark.parametrize("promise", EACH, ids=lambda promise: promise.sentence)
def test_a_promise_is_proved_by_tests_that_there_are(promise: Promise) -> None:
    named = list(promise.named())
    assert named
    assert [(file, name) for file, name in named if name not in names_of_tests(file)] == []


def test_no_promise_is_made_twice_and_each_is_one_sentence() -> None:
    sentences = [promise.sentence for promise in EACH]
    assert len(set(sentences)) == len(sentences)
    assert [each for each in sentences if not each.endswith(".") or ". " in each] == []
