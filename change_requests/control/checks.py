"""What the system verifies by itself before somebody decides; nothing here decides."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from change_requests import payload
from change_requests.kinds import content, labels
from change_requests.kinds.fields import find_new_mail
from change_requests.models import FormalRequest

if TYPE_CHECKING:
    from change_requests.control.request_page import Dossier

Status = FormalRequest.Status
NOT_YET_EXECUTED = (
    Status.SUBMITTED,
    Status.VERIFYING,
    Status.IN_APPROVAL,
    Status.APPROVED,
    Status.RETURNED,
)


@dataclass
class Checks:
    """What holds and what does not, in words."""

    good: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)

    def note(self, holds: bool, good: str, bad: str) -> None:
        """One check."""
        (self.good if holds else self.bad).append(good if holds else bad)


def of(seen: "Dossier") -> Checks:
    """The checks of the version that is shown."""
    found, formal = Checks(), seen.formal
    found.note(
        formal.confirmed_at is not None,
        "Confirmada desde el correo registrado de la empresa",
        "Aún no se confirma desde el correo registrado de la empresa",
    )
    _requester(found, formal)
    _integrity(found, seen)
    if formal.status in NOT_YET_EXECUTED:
        _still_current(found, seen)
        _new_mail(found, seen)
    if formal.status == Status.IN_APPROVAL:
        found.note(
            seen.user.pk not in {formal.requester_id, formal.implementer_id},
            "Usted no es quien solicita ni quien implementará",
            "Usted es quien solicita o quien implementará: no le toca decidir",
        )
    return found


def _requester(found: Checks, formal: FormalRequest) -> None:
    power = formal.representative.get_power_kind_display().lower()
    holds = formal.representative.is_in_force() and formal.requester.is_active
    found.note(
        holds,
        f"Quien solicita es {power} con poderes vigentes",
        "Los poderes de quien solicita ya no están vigentes, o su cuenta está desactivada",
    )


def _integrity(found: Checks, seen: "Dossier") -> None:
    """The content is the one of the hash, and its files are those that were sent."""
    if seen.revision is None:
        return
    whole = payload.digest(seen.revision.payload.encode()) == seen.revision.sha256
    found.note(
        whole,
        "El contenido corresponde a su SHA-256",
        "El contenido no corresponde a su SHA-256: no decida y avise a Seguridad",
    )
    signed = {(file["name"], file["sha256"]) for file in seen.payload.get("evidence", ())}
    if signed or seen.evidence:
        wrong = signed ^ {(file.name, file.sha256) for file in seen.evidence if file.is_as_sent}
        names = ", ".join(f"«{name}»" for name in sorted({name for name, _ in wrong}))
        found.note(
            not wrong,
            "La evidencia es la que se envió",
            f"La evidencia no es la que se envió: {names}. No decida y avise a Seguridad",
        )


def _still_current(found: Checks, seen: "Dossier") -> None:
    """Today's value is still the old one; else the execution would fail."""
    moved = [labels.label(item["field"]) for item in seen.items if content.today_of(seen.formal, item) != item["old"]]
    found.note(
        not moved,
        "Los datos de hoy siguen siendo los que dice la solicitud",
        f"Cambió desde que se envió: {', '.join(moved)}. Si se ejecuta, no se aplicará",
    )


def _new_mail(found: Checks, seen: "Dossier") -> None:
    if find_new_mail(seen.items):
        found.note(
            seen.formal.new_mail_revision == seen.formal.revision_no,
            "El correo nuevo se confirmó con el código que le enviamos",
            "El correo nuevo aún no se confirma: le enviamos un código y no lo ha usado",
        )
