"""What `dev` does whenever somebody saves a file: files are read anew, code is started anew."""

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import bridge
from bridge.authoring.development.answers import Answers, read_answers
from bridge.authoring.development.fake_claude import FakeClaude
from bridge.authoring.development.served import ServedFiles, past_stand_in
from bridge.errors import ConfigurationError
from bridge.local.children import Child

INSTALLED = frozenset({"site-packages", "dist-packages"})
"""Folders whose code nobody works on."""


class Development:
    """Keeps the children of `dev`, and the fake Claude, in step with what is written.

    `children` are replaced in their order. What there is to tell goes to `say`. With the address of
    a `stand_in` that plays n8n, what goes elsewhere counts as wrong.
    """

    def __init__(
        self,
        files: ServedFiles,
        children: Sequence[Child],
        say: Callable[[str], None],
        stand_in: str = "",
    ) -> None:
        self.files = files
        self._stand_in = stand_in
        self._children = children
        self._say = say
        self._faults: tuple[str, ...] = ()
        self._answers_faults: tuple[str, ...] = ()
        self._fake: tuple[FakeClaude, Path] | None = None

    @property
    def faults(self) -> tuple[str, ...]:
        """Return all that is wrong in files now."""
        past = past_stand_in(self.files.servers, self._stand_in) if self._stand_in else ()
        return self.files.faults + self._answers_faults + past

    async def have_played(self, claude: FakeClaude, answers: Path) -> None:
        """Have Claude played by a file of answers from now on."""
        self._fake = claude, answers
        await self.play_anew()

    async def reload_at(self, changes: AsyncIterator[None]) -> None:
        """Read server files anew at each change; never returns."""
        async for _ in changes:
            await self.reload()

    async def reload(self) -> None:
        """Have everybody read server files anew."""
        for child in self._children:
            child.reload()
        await self.files.read()
        await self.play_anew()

    async def play_anew_at(self, changes: AsyncIterator[None]) -> None:
        """Read the file of answers anew at each change; never returns."""
        async for _ in changes:
            await self.play_anew()

    async def play_anew(self) -> None:
        """Have Claude played by the answers as they are now, or as they were last right."""
        if self._fake:
            claude, path = self._fake
            answers = claude.answers
            self._answers_faults = ()
            try:
                answers = self.read_answers(path)
            except ConfigurationError as error:
                self._answers_faults = error.faults
            await claude.play(answers, self.files.servers)
        self.report()

    def report(self) -> None:
        """Report what is wrong in files, if that is other than what was told last."""
        told, self._faults = self._faults, self.faults
        for fault in self._faults:
            if fault not in told:
                self._say(fault)
        if told and not self._faults:
            self._say("all files are sound again")

    async def replace_at(self, changes: AsyncIterator[None]) -> None:
        """Start the children anew at each change of code; never returns."""
        async for _ in changes:
            self._say("the bridge's own code has changed: its processes are replaced")
            for child in self._children:
                await child.replace()

    def read_answers(self, path: Path) -> Answers:
        """Read a file of answers for the servers that there are.

        Raises:
            ConfigurationError: naming all that is wrong in the file.
        """
        return read_answers(path, self.files.servers, knows_all=not self.files.faults)


def code_worked_on() -> tuple[Path, ...]:
    """Return the folders of the bridge's own code, unless it was installed for good."""
    package = Path(bridge.__file__).parent
    if INSTALLED & set(package.parts):
        return ()
    return (package, package.with_name("workers"))
