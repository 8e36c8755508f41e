"""Describe a calendar month of the local time, for which a statement is made (M18)."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings

from factureya.core.calendar import MONTHS_LONG

_WRITTEN = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])", re.ASCII)
_LEAST = timedelta(microseconds=1)


@dataclass(frozen=True, order=True)
class Month:
    """Hold a month; `start` is its first instant, and `end` its last one."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> "Month":
        """Return the month that an address names, as 2026-11. Raises ValueError for anything else."""
        found = _WRITTEN.fullmatch(text)
        if found is None:
            raise ValueError(text)
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of(cls, instant: datetime) -> "Month":
        """Return the month of an instant, in local time."""
        local = instant.astimezone(ZoneInfo(settings.TIME_ZONE))
        return cls(local.year, local.month)

    def __str__(self) -> str:
        return f"{self.year}-{self.number:02d}"

    @property
    def start(self) -> datetime:
        """Return the first instant of the month."""
        return datetime(self.year, self.number, 1, tzinfo=ZoneInfo(settings.TIME_ZONE))

    @property
    def end(self) -> datetime:
        """Return the last instant of the month, a microsecond before the next one."""
        return self.following.start - _LEAST

    @property
    def before(self) -> datetime:
        """Return the last instant of the month before."""
        return self.start - _LEAST

    @property
    def following(self) -> "Month":
        """Return the next month."""
        return Month(self.year + self.number // 12, self.number % 12 + 1)

    @property
    def previous(self) -> "Month":
        """Return the month before."""
        return Month(self.year - (self.number == 1), (self.number - 2) % 12 + 1)

    @property
    def name(self) -> str:
        """Return the name of the month: «Noviembre»."""
        return MONTHS_LONG[self.number - 1].capitalize()

    @property
    def label(self) -> str:
        """Return the month with its year: «noviembre de 2026»."""
        return f"{MONTHS_LONG[self.number - 1]} de {self.year}"
