"""The ledger of hours: n8n's requests are counted as they come, for none is remembered so long."""

from collections import Counter
from dataclasses import dataclass, field

from typing_extensions import override

from bridge.standin.seen import Seen
from bridge.standin.standin import Standin
from tests.bridge_processes import label_of
from tests.chaos.book import Book, CallRecord
from tests.chaos.ledger import Kept, Ledger


@dataclass
class Accounts:
    """How often each call ran in n8n, and each execution took its reply, so far."""

    book: Book
    n8n: Standin
    runs: Counter[object] = field(default_factory=Counter)
    resumes: Counter[str] = field(default_factory=Counter)

    def take(self) -> None:
        """Count the requests that have ended since, and forget them."""
        seen = self.n8n.seen.of()
        self.n8n.seen.clear()
        for each in seen:
            if each.outcome is None:
                self.n8n.seen.add(each)
            else:
                self._count(each)

    def _count(self, seen: Seen) -> None:
        if seen.path.startswith("/webhook/"):
            self.runs[label_of(seen)] += 1
        elif seen.path.startswith("/webhook-waiting/") and seen.outcome == 200:
            self.resumes[str(seen.execution)] += 1


@dataclass(frozen=True)
class LongLedger(Ledger):
    """What the clients hold, set against these counts; no fault strikes, so no failure is fair."""

    accounts: Accounts = field(kw_only=True)

    @classmethod
    def of(cls, accounts: Accounts) -> "LongLedger":
        """Close the books."""
        accounts.take()
        kept = Kept(Counter(), Counter())
        return cls(accounts.book, accounts.n8n, kept, accounts=accounts)

    @property
    @override
    def runs(self) -> Counter[object]:
        return self.accounts.runs

    @property
    @override
    def resumes(self) -> Counter[str]:
        return self.accounts.resumes

    @property
    @override
    def unfailed(self) -> int:
        return 0  # records are kept for minutes here: none of the hour's can be set against these

    @override
    def is_honest(self, call: CallRecord) -> bool:
        return False
