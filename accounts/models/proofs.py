"""Say how a person proved who he is before an act; the act's event keeps it (M26)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

FRESH_SECONDS = 5 * 60  # how long a password that was typed again counts


class Method(StrEnum):
    """Name how an act was authenticated."""

    PASSWORD = "password"  # noqa: S105 (typed again, just before the act)
    SESSION = "session"  # signed in, and nothing more
    LINK = "link"  # the signed link of a mail of ours
    CODE = "code"  # the code that we mailed
    MAIL = "mail"  # a mail from an address that was proven
    NONE = "none"


@dataclass(frozen=True)
class Proof:
    """Hold how an act was authenticated: by what, whether a second factor was given, when, and from which address."""

    method: Method
    factor: bool = False
    at: datetime | None = None  # the instant of the proof, not of the act
    ip: str = ""

    def as_data(self) -> dict[str, Any]:
        """Return the proof as an event keeps it under `auth`; no link, code or password is in it."""
        at = self.at.isoformat() if self.at else ""
        return {"method": str(self.method), "factor": self.factor, "at": at, "ip": self.ip}


UNPROVEN = Proof(Method.NONE)
