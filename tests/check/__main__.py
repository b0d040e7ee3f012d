"""Writes what `check` says of each case of the corpus beside it."""

from bridge.authoring.checking.formats import text_line
from tests.check.cases import cases, expected, found_in

for case in cases():
    lines = [f"{text_line(finding)}\n" for finding in found_in(case)]
    expected(case).write_text("".join(lines), "utf-8")
