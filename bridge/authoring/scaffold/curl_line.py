"""The words of a curl command line: which of them are options, and what they say."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import quote


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SHORT = {
    "X": "request",
    "H": "header",
    "d": "data",
    "u": "user",
    "G": "get",
    "I": "head",
    "b": "cookie",
    "F": "form",
    "T": "upload-file",
    "K": "config",
}
_DATA = frozenset({"data", "data-raw", "data-ascii", "data-binary", "data-urlencode", "json"})
_READ = _DATA | {"request", "header", "user", "get", "head", "cookie", "url", "oauth2-bearer"}
_FORMS = frozenset({"form", "form-string", "upload-file", "config"})

_WITH_VALUE = _names("""
cacert capath cert cert-type ciphers connect-timeout connect-to cookie-jar dns-servers interface
key key-type limit-rate max-redirs max-time noproxy output pass proxy proxy-user referer resolve
retry retry-delay retry-max-time tls-max user-agent write-out
""")
_SHORT_WITH_VALUE = frozenset("AceEmoQrwxYyzC")
"""Options about curl itself, which are passed over with their values."""

_WITHOUT_VALUE = _names("""
compressed disable fail fail-with-body globoff http1.0 http1.1 http2 http3 include insecure ipv4
ipv6 location no-buffer no-progress-meter path-as-is progress-bar silent show-error show-headers
ssl-reqd tcp-nodelay tlsv1.2 tlsv1.3 trace-time verbose
""")
_SHORT_WITHOUT_VALUE = frozenset("0123456fgikLNnqsSv#j")

_CONTINUED = re.compile(r"\\\r?\n|\^\r?\n")
_ANSI_C = re.compile(r"(?<=\s)\$'((?:[^'\\]|\\.)*)'")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}

_OF_CMD = re.compile(r"\^(\r?\n\r?\n|\r?\n|.)", re.DOTALL)
"""What a caret stands before where browsers copy for cmd.exe: two ends of line are one that counts,
one continues the line, and all else is itself."""

_MADE_ROUND = "\u201c\u201d\u201e\u2018\u2019"
_END_OF_LINE = re.compile(r"[|&;]+|[0-9&]?>.*|<.*|#.*", re.DOTALL)
"""Where a word that is no option begins something else: a pipe, a redirection, a comment."""


@dataclass
class CurlLine:
    """What a line asks for."""

    url: str = ""
    method: str = ""
    body: str | None = None
    user: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a line as a shell would hand it to curl, browsers' ways to copy one included.

        Raises:
            ValueError: it is none, or does what no tool does.
        """
        line = cls()
        for option, value in _options(_words(text)):
            line._take(option, value)
        if not line.url:
            raise ValueError("names no address: paste all of it, from curl on")
        return line

    def _take(self, option: str, value: str) -> None:
        if option in _FORMS:
            raise ValueError(f"sends a file or a form (--{option}): a tool sends JSON, as -d does")
        if option in _DATA:
            self._add_body(option, value)
            return
        match option:
            case "header":
                self._add_header(value)
            case "oauth2-bearer":
                self._add_header(f"Authorization: Bearer {value}")
            case "cookie":
                self._add_header(f"Cookie: {value}")
            case "url" if self.url:
                raise ValueError("names two addresses: a tool has one, so quote what has blanks")
            case "url" | "user":
                setattr(self, option, value)
            case "request":
                self.method = value
            case "get" | "head":
                self.method = self.method or option.upper()

    def _add_header(self, line: str) -> None:
        """Keep a header, the last of a name; without a value curl is told to leave its own out."""
        if line.startswith("@"):
            raise ValueError(f"reads its headers from {line[1:] or 'a file'}: write them out")
        name, value = (part.strip() for part in line.partition(":")[::2])
        kept = {each: told for each, told in self.headers.items() if each.lower() != name.lower()}
        self.headers = {**kept, name: value} if name and value else kept

    def _add_body(self, option: str, value: str) -> None:
        if option == "data-urlencode":
            value = _encoded(value)
        elif value.startswith("@") and option != "data-raw":
            raise ValueError(f"reads its body from {value[1:] or 'a file'}: write the JSON itself")
        between = "" if option == "json" else "&"
        self.body = f"{self.body}{between}{value}" if self.body else value


def _encoded(value: str) -> str:
    """Return what `--data-urlencode` makes of a text: what stands after the first `=` is encoded.

    Raises:
        ValueError: it is read from a file.
    """
    name, equals, content = value.partition("=")
    if not equals and "@" in value:
        file = value.partition("@")[2]
        raise ValueError(f"reads its body from {file or 'a file'}: write the JSON itself")
    return f"{name}={quote(content)}" if name and equals else quote(content or name)


def _words(text: str) -> list[str]:
    text = text.lstrip("\ufeff").replace("\xa0", " ").strip().rstrip(";")
    if '^"' in text:
        text = _OF_CMD.sub(_without_caret, text)
    plain = _ANSI_C.sub(lambda found: shlex.quote(_unescaped(found[1])), _CONTINUED.sub(" ", text))
    try:
        words = shlex.split(plain)
    except ValueError:
        raise ValueError("has a quotation mark that is never closed: paste all of it") from None
    if any(word[0] in _MADE_ROUND for word in words if word):
        raise ValueError(
            "has quotation marks that a text processor has made round: type plain ones"
        )
    words = words[1:] if words[:1] == ["$"] else words
    if not words or not re.fullmatch(r"(.*/)?curl(\.exe)?", words[0]):
        raise ValueError("does not begin with curl: paste all of it, in quotation marks")
    return words[1:]


def _without_caret(found: re.Match[str]) -> str:
    escaped = found[1].replace("\r", "")
    return {"\n\n": "\n", "\n": " "}.get(escaped, escaped)


def _unescaped(text: str) -> str:
    def plain(found: re.Match[str]) -> str:
        code = found[1] or found[2]
        return chr(int(code, 16)) if code else _ESCAPED.get(found[3], found[3])

    return _ESCAPE.sub(plain, text)


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield each option by its long name, with its value; what is none is the address."""
    rest = iter(words)
    for word in rest:
        if word.startswith("--") and word != "--":
            name, equals, value = word[2:].partition("=")
            if name in _WITHOUT_VALUE or name in ("get", "head"):
                yield name, ""
            elif name in _READ or name in _FORMS or name in _WITH_VALUE:
                yield name, value if equals else _value(rest, word)
            else:
                raise ValueError(f"has the option --{name}, which is not known here: leave it out")
        elif word.startswith("-") and len(word) > 1 and word != "--":
            yield from _short(word, rest)
        elif _END_OF_LINE.fullmatch(word):
            return
        elif word != "--":
            yield "url", word


def _short(word: str, rest: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Yield the options of one word: `-sSL`, `-XPOST`, `-H 'Name: value'`."""
    for place, letter in enumerate(word[1:], start=2):
        name = _SHORT.get(letter, "")
        if letter in _SHORT_WITHOUT_VALUE or name in ("get", "head"):
            yield name, ""
        elif name or letter in _SHORT_WITH_VALUE:
            yield name, word[place:] or _value(rest, f"-{letter}")
            return
        else:
            raise ValueError(f"has the option -{letter}, which is not known here: leave it out")


def _value(rest: Iterator[str], option: str) -> str:
    value = next(rest, None)
    if value is None:
        raise ValueError(f"ends after {option}: paste all of it")
    return value
