"""What comes of a PDF: its shape is the tools' output schema."""

from typing import Annotated

from pydantic import BaseModel, Field


class Table(BaseModel):
    """A table with ruled lines; a cell that spans others is followed by empty ones."""

    rows: list[list[str]]


class Page(BaseModel):
    """One page; `note` says why its text is missing or cut."""

    number: Annotated[int, Field(ge=1)]
    width_points: float
    height_points: float
    headings: list[str] = Field([], description="Lines in larger type than most of the page.")
    text: str = ""
    tables: list[Table] = []
    note: str = ""


class DocumentInfo(BaseModel):
    """What a PDF says of itself."""

    pages_total: Annotated[int, Field(ge=1)]
    metadata: dict[str, str] = Field(description="Title, Author, CreationDate, … as written in it.")


class ParsedDocument(DocumentInfo):
    """A PDF, or those of its pages that were asked for."""

    pages: list[Page]
    pages_without_text: list[int] = Field(description="Pictures of text need OCR, elsewhere.")
