"""The line about mail on the agent's queue: whether it runs, and how much of it waits in the tray (M6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from factureya.core import clock
from factureya.core.mail import health, mailbox
from tickets import sql


@dataclass(frozen=True)
class MailState:
    """What the line says. `fetched_at` is None when no mailbox is polled, or it was never read."""

    in_tray: int
    is_stuck: bool  # mails that should have left have not
    is_polled: bool
    fetched_at: datetime | None
    warnings: Sequence[str] = ()

    @property
    def tray(self) -> str:
        """Return how many mails wait, as text: «3», «99+»."""
        return "99+" if self.in_tray >= health.TRAY_CAP else str(self.in_tray)

    @property
    def is_behind(self) -> bool:
        """Return whether the polled mailbox was not read for too long."""
        if not self.is_polled:
            return False
        if self.fetched_at is None:
            return True
        return clock.now() - self.fetched_at > health.FETCH_MAX_AGE


def build_questions() -> list[sql.Question]:
    """Return the questions that the line needs answered, for `sql.ask_all`."""
    return [sql.capped_count(health.find_tray(), health.TRAY_CAP), sql.capped_count(health.find_overdue(), 1)]


def read_state(answers: Sequence[int]) -> MailState:
    """Return the line from the answers to `build_questions`; one more query when a mailbox is polled."""
    in_tray, stuck = answers
    polled = bool(mailbox.get_mailbox_name())
    return MailState(in_tray, bool(stuck), polled, health.find_last_fetch(), health.list_warnings())
