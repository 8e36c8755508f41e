"""What the system verifies by itself before somebody decides; nothing here decides."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from accounts.models import User
from change_requests import payload
from change_requests.kinds import content
from change_requests.kinds.fields import REGISTERED_EMAIL, find_row
from change_requests.models import FormalRequest

Status = FormalRequest.Status
NOT_YET_EXECUTED = (Status.SUBMITTED, Status.VERIFYING, Status.IN_APPROVAL, Status.APPROVED, Status.RETURNED)


@dataclass
class Checks:
    """Hold what is right and what is wrong, in words."""

    good: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)

    def add(self, holds: bool, good: str, bad: str) -> None:
        """Add the text for what was found."""
        (self.good if holds else self.bad).append(good if holds else bad)


def run_checks(formal_request: FormalRequest, reader: User, files: Sequence[tuple[str, str, bool]]) -> Checks:
    """Return what the system verifies about a request by itself, to show a reader who is to decide.

    `files` has the name and the SHA-256 of each file of evidence, and whether its stored bytes still have that hash.
    If the request was sent, its content and evidence are checked. Before the execution, the company's values of today
    and its new mail are checked too. In approval, a last check is that the reader does not ask for it or apply it.
    """
    checks = Checks()
    checks.add(
        formal_request.confirmed_at is not None,
        "Confirmada desde el correo registrado de la empresa",
        "Aún no se confirma desde el correo registrado de la empresa",
    )
    _add_requester_check(checks, formal_request)
    if formal_request.revision_no:  # 0: never sent
        _add_integrity_checks(checks, formal_request, files)
    if formal_request.status in NOT_YET_EXECUTED:
        _add_current_values_check(checks, formal_request)
        _add_new_mail_check(checks, formal_request)
    if formal_request.status == Status.IN_APPROVAL:
        checks.add(
            reader.pk not in {formal_request.requester_id, formal_request.implementer_id},
            "Usted no es quien solicita ni quien implementará",
            "Usted es quien solicita o quien implementará: no le toca decidir",
        )
    return checks


def _add_requester_check(checks: Checks, formal_request: FormalRequest) -> None:
    """Add to the checks whether whoever asks has an active account, and powers in force today."""
    power = formal_request.representative.get_power_kind_display().lower()
    checks.add(
        formal_request.representative.is_in_force() and formal_request.requester.is_active,
        f"Quien solicita es {power} con poderes vigentes",
        "Los poderes de quien solicita ya no están vigentes, o su cuenta está desactivada",
    )


def _add_integrity_checks(
    checks: Checks, formal_request: FormalRequest, files: Sequence[tuple[str, str, bool]]
) -> None:
    """Add to the checks whether the content still has its hash, and whether the evidence is what was sent.

    `files` has the name and the SHA-256 of each file, and whether its stored bytes have that hash.
    """
    revision = formal_request.read_revision()
    checks.add(
        payload.hash_bytes(revision.payload.encode()) == revision.sha256,
        "El contenido corresponde a su SHA-256",
        "El contenido no corresponde a su SHA-256: no decida y avise a Seguridad",
    )
    sent_files = {(file["name"], file["sha256"]) for file in formal_request.read_payload()["evidence"]}
    if sent_files or files:
        # `^` leaves what only one of the two sets has: a file that is missing, altered, or was added later.
        differing = sent_files ^ {(name, sha256) for name, sha256, is_as_sent in files if is_as_sent}
        names = ", ".join(f"«{name}»" for name in sorted({name for name, _ in differing}))
        checks.add(
            not differing,
            "La evidencia es la que se envió",
            f"La evidencia no es la que se envió: {names}. No decida y avise a Seguridad",
        )


def _add_current_values_check(checks: Checks, formal_request: FormalRequest) -> None:
    """Add to the checks which of the company's values changed since the request was sent: then nothing is applied."""
    changed = [
        find_row(item["field"]).label
        for item in (formal_request.read_payload()["items"] if formal_request.revision_no else ())  # (): never sent
        if content.find_value_today(formal_request, item) != item["old"]
    ]
    checks.add(
        not changed,
        "Los datos de hoy siguen siendo los que dice la solicitud",
        f"Cambió desde que se envió: {', '.join(changed)}. Si se ejecuta, no se aplicará",
    )


def _add_new_mail_check(checks: Checks, formal_request: FormalRequest) -> None:
    """Add to the checks whether the new registered mail, if one is asked for, was proven by the code sent to it."""
    if formal_request.find_new_value(REGISTERED_EMAIL.code):
        checks.add(
            formal_request.new_mail_revision == formal_request.revision_no,  # a proof counts for one version
            "El correo nuevo se confirmó con el código que le enviamos",
            "El correo nuevo aún no se confirma: le enviamos un código y no lo ha usado",
        )
