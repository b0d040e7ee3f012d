"""Each key is decided on: whether a backup copies it, makes it anew, or leaves it."""

from bridge.store.backup_families import BY_THEMSELVES, LEFT, MADE_ANEW, RECORDS, family_of
from bridge.store.keys import KEYS, PREFIX, owner_of


def test_each_key_is_copied_or_made_anew_or_left_and_only_one_of_these() -> None:
    parts = [name for others in RECORDS.values() for name in others]
    decided = [*RECORDS, *parts, *BY_THEMSELVES, *MADE_ANEW, *LEFT]
    assert sorted(decided) == sorted(key.name for key in KEYS)


def test_a_family_is_found_by_the_shape_of_a_key_as_by_its_pattern() -> None:
    for key in KEYS:
        name = key.pattern.replace("{", "<").replace("}", ">")
        assert family_of(name) == owner_of(PREFIX + name) == key


def test_what_no_family_has_is_no_record() -> None:
    assert family_of("restored:event:evt_1") is None
