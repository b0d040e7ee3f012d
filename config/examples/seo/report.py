"""The report of an audit; nothing but what is written here is in one."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Check = Literal[
    "address",
    "canonical",
    "description",
    "duplicates",
    "headings",
    "hreflang",
    "images",
    "indexing",
    "language",
    "links",
    "structured_data",
    "text",
    "title",
]
Severity = Literal["error", "warning", "notice"]
COST: dict[Severity, int] = {"error": 15, "warning": 5, "notice": 1}

Score = Annotated[
    int,
    Field(ge=0, le=100, description="100, less 15 for an error, 5 for a warning, 1 for a notice."),
]


class Finding(BaseModel):
    """One thing that is wrong, and how to mend it."""

    model_config = ConfigDict(extra="forbid")

    check: Check
    severity: Severity
    detail: str


class PageAudit(BaseModel):
    """One page: its score, and the findings that are the reasons for it."""

    model_config = ConfigDict(extra="forbid")

    url: str
    score: Score
    title: str
    description: str
    words: Annotated[int, Field(ge=0)]
    findings: list[Finding]


class SkippedAddress(BaseModel):
    """An address of the site that could not be audited, and why."""

    model_config = ConfigDict(extra="forbid")

    url: str
    reason: str


class SiteAudit(BaseModel):
    """A site: the mean score of its pages, the worst page first."""

    model_config = ConfigDict(extra="forbid")

    url: str
    score: Score
    pages: list[PageAudit]
    skipped: list[SkippedAddress]
    is_complete: bool = Field(description="Whether none was left out for pages_max, or for time.")


def score(findings: list[Finding]) -> int:
    """Return the score of a page with these findings."""
    return max(0, 100 - sum(COST[finding.severity] for finding in findings))
