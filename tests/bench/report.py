"""The rows as a page that people read, written from what was measured."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from statistics import median

from tests.bench.figures import Figure, Row, number, spread
from tests.bench.plots import plot
from tests.bench.program import ROOT
from tests.bench.results import Result, read_results

PAGE = ROOT / "docs" / "performance.md"
PLOTS = ROOT / "docs" / "performance"
README = ROOT / "README.md"
BEGIN, END = "<!-- from docs/performance.json -->\n", "<!-- end -->\n"
QUOTED = (
    ("ingest", "requests/s", "payloads a second on disk, one web process"),
    ("call", "1 at once: calls, p50 ms", "ms for a workflow that does nothing, there and back"),
    ("call", "50 at once: calls/s", "such calls a second, 50 at once"),
    ("lists", "1 at once: calls, p50 ms", "ms for `list_calls`"),
    ("idle", "resident memory a stream, KiB", "KiB of memory an idle stream, of 10,000"),
    ("crowd", "memory of the worker a call, KiB", "KiB of memory a waiting call, of 10,000"),
    ("start", "up until ready, s", "seconds from `up` to ready"),
)
"""What the README says of all this: row, figure, and how it puts it."""
HEAD = (
    "# Performance",
    "Written by `make bench` from [performance.json](performance.json); "
    '`make bench ARGS="ROW --write"` measures one row anew.',
    "Machine: {machine}. A flush of 1 KB to its disk takes {flush_ms:.2f} ms.",
    "Packages: {packages}.",
    "Each row is measured in turns with its limit or peer, in one run: bridge, peer, bridge, peer. "
    "Processes, Valkey and the load itself share the machine's cores, so the ratio tells more than "
    "either number. Cells read least / median / greatest of all rounds; the ratio is the bridge's "
    "median to the other's, and the arrow says whether more (↑) or less (↓) is better. Peers that "
    "are not the project's own packages are installed from the index, in the versions named, in "
    "environments of their own.",
    "What is counted instead of timed, and held by a test: "
    "[tests/bench/limits.toml](../tests/bench/limits.toml). How far one machine goes, and what "
    "comes after: [scale](scale.md).",
)


REASONS: Mapping[tuple[str, str], str] = {
    ("ingest", "requests/s"): (
        "HTTP costs both sides the same; the log line, the JSON, the summary, the credential and "
        "the limits come on top: [where the time goes](where-time-goes.md)"
    ),
    ("call", "1 at once: calls, p50 ms"): (
        "four steps wait for a flush each, and three processes hand the call on, where the peer "
        "has neither"
    ),
    ("n8n", "1 at once: calls/s"): (
        "n8n's part is the same on both sides, and a call's four flushes come on top"
    ),
    ("n8n", "8 at once: calls/s"): (
        "n8n shares two cores with the bridge, its worker, Valkey and the load"
    ),
    ("lists", "1 at once: calls, p50 ms"): "it asks Redis, where the peer's tool does nothing",
    ("start", "up until ready, s"): "most of it is imports, those of mcp before all",
    ("growth", "an event taken and answered, 1,000,000 events, p50 ms"): (
        "Valkey's allocator searches longer in a heap of gigabytes"
    ),
}
"""Why a goal is missed, by row and figure; said as long as it is."""


def write_page(order: Iterable[str]) -> None:
    """Write the page and its plots from all that was measured, in this order."""
    results = read_results()
    rows = {name: results[name] for name in order if name in results}
    PAGE.write_text(page(rows))
    PLOTS.mkdir(exist_ok=True)
    README.write_text(with_numbers(README.read_text(), rows))
    for name, each in rows.items():
        (PLOTS / f"{name}.svg").write_text(plot(each.row))


def with_numbers(text: str, results: Mapping[str, Result]) -> str:
    """Return the README with the numbers that were measured, each beside its limit or peer."""
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    lines = ["| | bridge | beside it |", "|---|---:|---|"]
    for name, figure_name, words in QUOTED:
        if name in results:
            found = (each for each in results[name].row.figures if each.name == figure_name)
            figure = next(found)
            theirs = f"{number(median(figure.theirs))}, {figure.against}" if figure.theirs else ""
            lines.append(f"| {words} | {number(median(figure.ours))} | {theirs} |")
    return "".join([before, BEGIN, *(f"{line}\n" for line in lines), END, after])


def page(results: Mapping[str, Result]) -> str:
    """Write the whole page."""
    machine, packages = (
        Counter(getattr(each, field) for each in results.values()).most_common(1)[0][0]
        for field in ("machine", "packages")
    )
    head = "\n\n".join(HEAD).format(
        machine=machine,
        packages=packages,
        flush_ms=median(each.flush_ms for each in results.values()),
    )
    lines = [head, "", *goals(results)]
    for name, each in results.items():
        lines += section(each.row)
        lines += [f"![{each.row.title}](performance/{name}.svg)", ""]
        rounds = f"{each.rounds} times" if each.rounds > 1 else "once"
        other = "" if each.machine == machine else f" on {each.machine}"
        lines += [f"Measured {rounds} on {each.measured_on} at {each.commit}{other}.", ""]
    return "\n".join(lines).rstrip() + "\n"


def goals(results: Mapping[str, Result]) -> Iterator[str]:
    """Write what was to be reached, and whether it is."""
    yield from ("## Goals", "", "| | goal | now | |", "|---|---:|---:|---|")
    seen: set[tuple[str, str]] = set()
    for name, each in results.items():
        for figure in each.row.figures:
            is_new = (name, figure.name) not in seen
            if figure.goal is not None and (figure.goal.is_ratio or is_new):
                seen.add((name, figure.name))
                beside = f" to {figure.against}" if figure.goal.is_ratio else ""
                now = number(figure.ratio) if figure.goal.is_ratio else spread(figure.ours)
                yield (
                    f"| {each.row.title}: {figure.name}{beside} | {_wanted(figure)} | {now} | "
                    f"{'met' if figure.is_met else _missed(name, figure)} |"
                )
    yield ""


def _missed(name: str, figure: Figure) -> str:
    reason = REASONS.get((name, figure.name))
    return f"**missed**: {reason}" if reason else "**missed**"


def section(row: Row) -> Iterator[str]:
    """Write the lines of one row."""
    yield from (f"## {row.title}", "", row.about, "")
    yield "| | bridge | beside it | | ratio | goal |"
    yield "|---|---:|---|---:|---:|---:|"
    yield from (_line(figure) for figure in row.figures)
    yield ""
    for note in row.notes:
        yield from (note, "")


def _line(figure: Figure) -> str:
    arrow = "↑" if figure.more_is_better else "↓"
    theirs, ratio = (spread(figure.theirs), number(figure.ratio)) if figure.theirs else ("", "")
    goal = f"{_wanted(figure)} {'met' if figure.is_met else 'missed'}" if figure.goal else ""
    cells = (f"{figure.name} {arrow}", spread(figure.ours), figure.against, theirs, ratio, goal)
    return f"| {' | '.join(cells)} |"


def _wanted(figure: Figure) -> str:
    assert figure.goal
    sign = "≥" if figure.more_is_better else "≤"
    return f"{sign} {figure.goal.value:g}{' times' if figure.goal.is_ratio else ''}"
