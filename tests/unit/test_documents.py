"""YAML and JSON with the position of every place."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.configuration.documents import Document, read_document
from bridge.configuration.rules import VALUE_WRONG
from bridge.errors import ConfigurationError

KEYS = st.text(st.characters(exclude_categories=("Cc", "Cs")))
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
)


def document(folder: Path, text: str, name: str = "a.yaml") -> Document:
    file = folder / name
    file.write_text(text, "utf-8")
    return read_document(file)


def faults_of(folder: Path, text: str, name: str = "a.yaml") -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        document(folder, text, name)
    return [fault.removeprefix(f"{folder}/") for fault in caught.value.faults]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("documents")


@pytest.mark.parametrize("indent", [None, 1, "\t"])
@given(value=JSON_VALUES)
def test_json_is_read_as_any_parser_reads_it(
    folder: Path, indent: int | str | None, value: object
) -> None:
    text = json.dumps(value, indent=indent)
    assert document(folder, text, "a.json").value == json.loads(text)


def test_json_knows_the_place_of_every_member_and_item(tmp_path: Path) -> None:
    text = '{\n\t"a": {"b": [1,\n\t\t{"c": 2}]},\n\n\t"d"\n: null}\n'
    assert document(tmp_path, text, "a.json").positions == {
        (): (1, 1),
        ("a",): (2, 2),
        ("a", "b"): (2, 8),
        ("a", "b", "0"): (2, 14),
        ("a", "b", "1"): (3, 3),
        ("a", "b", "1", "c"): (3, 4),
        ("d",): (5, 2),
    }


def test_yaml_knows_the_place_of_every_member_and_item(tmp_path: Path) -> None:
    text = "# first\na:\n  b:\n    - 1\n    - c: 2\nd: {e: x,\n  f: y}\n"
    found = document(tmp_path, text)
    assert found.value == {"a": {"b": [1, {"c": 2}]}, "d": {"e": "x", "f": "y"}}
    assert found.positions == {
        (): (1, 1),
        ("a",): (2, 1),
        ("a", "b"): (3, 3),
        ("a", "b", "0"): (4, 7),
        ("a", "b", "1"): (5, 7),
        ("a", "b", "1", "c"): (5, 7),
        ("d",): (6, 1),
        ("d", "e"): (6, 5),
        ("d", "f"): (7, 3),
    }


def test_yaml_values_are_what_json_could_hold_and_else_text(tmp_path: Path) -> None:
    text = (
        "on: yes\na: 12:30\nb: 2026-01-01\nc: 007\nd: ~\ne:\nf: -1.5e3\ng: True\n200: x\nh: '1'\n"
    )
    assert document(tmp_path, text).value == {
        "on": "yes",
        "a": "12:30",
        "b": "2026-01-01",
        "c": "007",
        "d": None,
        "e": None,
        "f": -1500.0,
        "g": True,
        "200": "x",
        "h": "1",
    }


def test_yaml_merges_mappings_and_lets_their_own_keys_win(tmp_path: Path) -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc:\n  x: 3\n  <<: [*a, *b]\n"
    assert document(tmp_path, text).value["c"] == {"x": 3, "y": 1, "z": 2}


def test_aliases_of_aliases_are_refused_before_they_have_made_millions(tmp_path: Path) -> None:
    lines = ["a0: &a0 [1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    (fault,) = faults_of(tmp_path, "\n".join(lines))
    assert "repeats more than 50,000 values by aliases (*)" in fault
    lines = [f"b{n}: &b{n} {{<<: [{', '.join([f'*b{n - 1}'] * 10)}]}}" for n in range(1, 10)]
    (fault,) = faults_of(tmp_path, "\n".join(["b0: &b0 {x: 1}", *lines]))
    assert "repeats more than 50,000 values by aliases (*)" in fault


def test_a_value_is_repeated_by_as_many_aliases_as_a_folder_of_workflows_needs(
    tmp_path: Path,
) -> None:
    schema = ", ".join(f"k{n}: {{type: string}}" for n in range(50))
    text = f"input: &input {{{schema}}}\n" + "\n".join(f"w{n}: *input" for n in range(200))
    assert len(document(tmp_path, text).value) == 201


def test_a_place_that_the_file_lacks_is_told_at_the_nearest_one_that_it_has(tmp_path: Path) -> None:
    found = document(tmp_path, "a:\n  b: 1\n")
    for place, expected in (
        (("a", "b", "c"), "2: a.b is odd"),
        (("a", 0, "b"), "2: a.b is odd"),
        (("z",), "1: the file is odd"),
    ):
        finding = found.finding(VALUE_WRONG, place, "is odd")
        assert str(finding) == f"{found.path}:{expected}"


def test_every_key_that_is_given_twice_is_a_fault(tmp_path: Path) -> None:
    twice = ["a.b was given in line 1 too", "c was given in line 3 too"]
    yaml = "a: {b: 1,\n  b: 2}\nc: 1\nc: 2\n"
    assert faults_of(tmp_path, yaml) == [f"a.yaml:2: {twice[0]}", f"a.yaml:4: {twice[1]}"]
    json_text = '{"a": {"b": 1,\n "b": 2},\n"c": 1,\n"c": 2}'
    assert faults_of(tmp_path, json_text, "a.json") == [
        f"a.json:2: {twice[0]}",
        f"a.json:4: {twice[1]}",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:\n  - [\n", "a.yaml:3: the file is not valid YAML: a value is expected here"),
        ("a:\n\tb: 1\n", "a.yaml:2: the file is not valid YAML: a tab stands here"),
        ("a: 1\n---\nb: 2\n", "a.yaml:2: the file is not valid YAML: a second document begins"),
        ("a: {b: 1,\nc: [\n}", "a.yaml:3: the file is not valid YAML: a value is expected here"),
        ("a: [b c: d\n, e f]g", "a.yaml:2: the file is not valid YAML: this fits nothing before"),
        ("a: {b: 'c' d}\n", "a.yaml:1: the file is not valid YAML: a comma or the closing }"),
        ("a: {b: ${C}}\n", "a.yaml:1: the file is not valid YAML: within { } and [ ] a text with"),
        ("\na: {b: 1\n\n", "a.yaml:2: the file is not valid YAML: the bracket that opens here"),
        ("\na: 'b\n\n", "a.yaml:2: the file is not valid YAML: the quote that opens here"),
        ("a: 0\nb:1\nc: 2\n", "a.yaml:2: the file is not valid YAML: this is no `key: value`"),
        ("a: *b*\n", "a.yaml:1: the file is not valid YAML: a text may not begin with *"),
        ("a: `b`\n", "a.yaml:1: the file is not valid YAML: a text may not begin with `"),
        ("a: b: c\n", "a.yaml:1: the file is not valid YAML: a colon with a blank behind it"),
        ("a: - b\n", "a.yaml:1: the file is not valid YAML: a list begins in a line of its own"),
        ("a:\n  b: 1\n c: 2\n", "a.yaml:3: the file is not valid YAML: this fits nothing before"),
        ('a: "\\q"\n', "a.yaml:1: the file is not valid YAML: \\q means nothing in double quotes"),
        ("a: *b\n", "a.yaml:1: the file is not valid YAML: *b repeats what no &b before it names"),
        ("a: &a 1\nb: &a 2\n", "a.yaml:2: the file is not valid YAML: the name behind & was"),
        ("a: |x\n", "a.yaml:1: the file is not valid YAML: while scanning a block scalar"),
        ("a: {{ $json.x }}\n", "a.yaml:1: a key must be text: quote what has braces"),
        ("\na: !!python/name:os.system x\n", "a.yaml:2: the tag"),
        ("\na: 1e999\n", "a.yaml:2: a number must be one that JSON can hold"),
        (f"\na: {'9' * 5000}\n", "a.yaml:2: a number must be one that JSON can hold"),
        ("\na: !!int x\n", "a.yaml:2: the tag !!int must stand before what JSON takes for one"),
        ("\na: &a\n  b: *a\n", "a.yaml:3: the file repeats, by an alias (*), what it stands in"),
        ("\na: &a {<<: *a}\n", "a.yaml:2: the file repeats, by an alias (*), what it stands in"),
        ("\na:\n  <<: 5\n", "a.yaml:3: << takes in mappings alone"),
        ("\na:\n  <<: [[b, c]]\n", "a.yaml:3: << takes in mappings alone"),
        ("\na: \x07\n", "a.yaml:2: the file holds U+0007 here, a control character"),
        ('\na: "\\ud83d"\n', "a.yaml:2: a text holds half of a character"),
        ('\n"a\\nb": 1\n', "a.yaml:2: a key must hold no line ends"),
        (f"\na: {'[' * 120}{']' * 120}\n", "a.yaml:2: the file is nested more than 100 levels"),
        (f"\na: {'[' * 5000}\n", "a.yaml:2: the file is nested more than 100 levels"),
    ],
)
def test_what_is_no_yaml_is_told_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    (fault,) = faults_of(tmp_path, text)
    assert fault.startswith(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1,\n}', "a.json:1: the file is not valid JSON: a comma before the closing"),
        ('\n{"a": NaN}', "a.json:2: a number must be one that JSON can hold"),
        (f'\n{{"a": {"9" * 5000}}}', "a.json:2: a number must be one that JSON can hold"),
        ('\n{"a": "\\ud83d"}', "a.json:2: a text holds half of a character"),
        ('\n{"\\u0000": 1}', "a.json:2: a key must hold no line ends or other control characters"),
        ('{"a": 1 // one\n}', "a.json:1: the file is not valid JSON: JSON has no comments"),
        ("\n" + "[" * 100_000, "a.json:2: the file is nested more than 100 levels deep"),
        ("", "a.json:1: the file is not valid JSON"),
    ],
)
def test_what_is_no_json_is_told_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    (fault,) = faults_of(tmp_path, text, "a.json")
    assert fault.startswith(expected)


def test_what_is_no_text_or_no_file_is_a_fault(tmp_path: Path) -> None:
    assert all("\n" not in fault for fault in faults_of(tmp_path, "a: \0"))
    (tmp_path / "link.yaml").symlink_to(tmp_path / "gone.yaml")
    (tmp_path / "folder.yaml").mkdir()
    for name, why in {
        "none.yaml": "it is not there; start in the bridge's folder, or name another file "
        "or folder in BRIDGE_SERVERS",
        "link.yaml": "it is a link to what is not there; mend the link, or remove it",
        "folder.yaml": "Is a directory; let this user read it, or remove it",
    }.items():
        with pytest.raises(ConfigurationError) as caught:
            read_document(tmp_path / name)
        assert str(caught.value) == f"{tmp_path / name}:1: the file cannot be read: {why}", name


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"a: 1\r\nb: \xfc", "2: the file is not in UTF-8 from here on: save it as UTF-8"),
        ("a: 1".encode("utf-16"), "1: the file is in UTF-16: save it as UTF-8"),
    ],
)
def test_what_is_not_in_utf_8_is_told_where_that_begins(
    tmp_path: Path, raw: bytes, expected: str
) -> None:
    (tmp_path / "a.yaml").write_bytes(raw)
    with pytest.raises(ConfigurationError, match=expected):
        read_document(tmp_path / "a.yaml")


def test_a_line_is_what_editors_take_for_one(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes("\ufeffa: 'x\u2028y\x85z'\r\nb: 1\rc: 1\n".encode())
    assert read_document(tmp_path / "a.yaml").positions == {
        (): (1, 1),
        ("a",): (1, 1),
        ("b",): (2, 1),
        ("c",): (3, 1),
    }


def test_characters_that_are_written_as_pairs_are_whole(tmp_path: Path) -> None:
    assert document(tmp_path, 'a: "\\ud83d\\ude00"\n').value == {"a": "\U0001f600"}


def test_what_an_alias_repeats_is_named_once_and_where_it_is_written(tmp_path: Path) -> None:
    found = document(tmp_path, "a: {x: &x {y: 1, z: 2}}\nb: {x: *x}\nc: {x: {<<: *x, z: 3}}\n")
    said = [
        str(found.finding(VALUE_WRONG, place, "is odd")).removeprefix(f"{found.path}:")
        for place in (("a", "x", "y"), ("b", "x", "y"), ("c", "x", "y"), ("c", "x", "z"))
    ]
    assert said == ["1: a.x.y is odd"] * 3 + ["3: c.x.z is odd"]
    assert str(found.finding(VALUE_WRONG, ("b", "x"), "is odd")).endswith("2: b.x is odd")
