"""Say how far a change of a package is, and whose turn it is: pages and mails put it into words from here (M28–M32)."""

from dataclasses import dataclass

from accounts.models import Office, User
from change_requests.packages import policy
from change_requests.packages.models import PackageChange

Status = PackageChange.Status
STEPS = ("Autorización", "Licencia", "Quién modifica", "Impacto", "Copia identificada", "Probada", "Liberada")
_STEP_OF_STATUS = {
    Status.DRAFT: 1,
    Status.AUTHORIZED: 2,
    Status.LICENCE_CHECKED: 3,
    Status.OPTION_CHOSEN: 4,
    Status.IMPACT_WEIGHED: 5,
    Status.COPIED: 6,
    Status.TESTED: 7,
}


@dataclass(frozen=True)
class Turn:
    """Hold what a change waits for: the words that finish «Falta …», and the offices that may do it."""

    text: str
    offices: tuple[Office, ...]


_TURNS = {
    Status.DRAFT: Turn("la autorización del Área Informática", (Office.IT_HEAD,)),
    Status.AUTHORIZED: Turn("el dictamen de la licencia", policy.JUDGES),
    Status.LICENCE_CHECKED: Turn("decidir quién lo modifica", (Office.IT_HEAD,)),
    Status.OPTION_CHOSEN: Turn("el impacto de mantenerlo", policy.MAKERS),
    Status.IMPACT_WEIGHED: Turn("la copia identificada", policy.MAKERS),
    Status.COPIED: Turn("que alguien más la pruebe", policy.KEEPERS),
    Status.TESTED: Turn("liberarla", policy.RELEASERS),
}
_CONSENT = Turn("el consentimiento del proveedor", policy.JUDGES)
_SIGNATURE = Turn("la segunda firma del impacto", (Office.IT_HEAD,))


def find_step(change: PackageChange) -> int:
    """Return the number of the step that the change is at, from 1 to 7; 0 once it is released or ended."""
    return _STEP_OF_STATUS.get(Status(change.status), 0)


def find_turn(change: PackageChange) -> Turn | None:
    """Return what the change waits for, or None once it is released or ended."""
    if change.status == Status.AUTHORIZED and hasattr(change, "licence_verdict"):
        return _CONSENT
    if change.status == Status.OPTION_CHOSEN and hasattr(change, "impact"):
        return _SIGNATURE
    return _TURNS.get(Status(change.status))


def is_turn_of(user: User, change: PackageChange) -> bool:
    """Return True if this person may do what the change waits for: no developer, nor barred by his part in it."""
    turn = find_turn(change)
    if turn is None or not user.holds(*turn.offices) or user.holds(Office.DEVELOPER):
        return False
    return user.pk != policy.find_barred(change)
