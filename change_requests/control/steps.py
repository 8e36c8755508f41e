"""The way of a request: who did what, whose turn it is."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from accounts.models import Office
from change_requests.approvals import Slot
from change_requests.models import Decision, FormalRequest
from factureya.core import clock
from factureya.core.templatetags.fy import when

if TYPE_CHECKING:
    from change_requests.control.request_page import Dossier

Status = FormalRequest.Status
DONE, NOW, AHEAD = "done", "now", "todo"
AFTER_VERIFYING = (
    Status.IN_APPROVAL,
    Status.APPROVED,
    Status.EXECUTED,
    Status.CLOSED,
    Status.REVERTED,
)
EXECUTED = (Status.EXECUTED, Status.CLOSED, Status.REVERTED)
ENDED = {
    Status.REJECTED: "Rechazada",
    Status.CANCELLED: "Cancelada",
    Status.EXPIRED: "Vencida",
    Status.RETURNED: "Devuelta al cliente",
    Status.FAILED: "Fallida: no se aplicó",
}


@dataclass(frozen=True)
class Step:
    """A step of the chain: done, now or todo."""

    title: str
    state: str
    detail: str = ""
    quote: str = ""


@dataclass(frozen=True)
class Turn:
    """Whose turn it is, said to somebody whose turn it is not."""

    title: str
    text: str


def of(seen: "Dossier") -> list[Step]:
    """The chain of the mock-up, from the reception to the notice and the close."""
    chain = [_received(seen), _verified(seen), *_approvals(seen), _executed(seen)]
    formal = seen.formal
    if formal.waiver is not None:
        chain.append(_checked(seen))
    if formal.status in ENDED:
        done = [step for step in chain if step.state == DONE]
        return [*done, Step(ENDED[Status(formal.status)], NOW, quote=formal.outcome_reason)]
    is_closed = formal.status in (Status.CLOSED, Status.REVERTED)
    state = DONE if is_closed else NOW if formal.status == Status.EXECUTED else AHEAD
    chain.append(Step("Aviso al cliente y cierre", state, when(formal.closed_at)))
    if formal.status == Status.REVERTED:
        chain.append(Step("Revertida por otra solicitud", NOW))
    return chain


def turn(seen: "Dossier") -> Turn:
    """Who acts now."""
    formal = seen.formal
    if formal.suspended_at is not None:
        text = "Alguien avisó «no fui yo». La reanuda, o no, el Responsable de Seguridad Informática."
        return Turn("Está detenida", text)
    if seen.is_waiting_for_customer:
        return Turn("Le toca al cliente", "Se le pidió una aclaración; el plazo está detenido.")
    texts = {
        Status.SUBMITTED: ("Le toca al cliente", "Falta que la confirme desde el correo registrado."),
        Status.VERIFYING: ("Le toca a mesa de control", "Un supervisor verifica el formato, el correo y el poder."),
        Status.IN_APPROVAL: ("Está en aprobación", _who_decides(seen)),
        Status.APPROVED: ("Está aprobada", _who_executes(seen)),
        Status.RETURNED: ("Le toca al cliente", "Se le devolvió con la razón; conserva su folio."),
        Status.FAILED: ("No se aplicó", "Le toca al cliente corregirla y enviarla de nuevo, o retirarla."),
        Status.EXECUTED: ("Ya se aplicó", "Falta avisar al cliente y cerrarla."),
    }
    title, text = texts.get(Status(formal.status), ("Ya terminó", "Nadie debe hacer nada más con ella."))
    return Turn(title, text)


def _received(seen: "Dossier") -> Step:
    formal = seen.formal
    if formal.status == Status.SUBMITTED:
        return Step("Recibida", NOW, "Falta la confirmación desde el correo registrado")
    return Step("Recibida", DONE, when(formal.submitted_at))


def _verified(seen: "Dossier") -> Step:
    formal, title = seen.formal, "Mesa de control"
    if formal.status in AFTER_VERIFYING and formal.verified_by is not None:
        return Step(title, DONE, f"Verificó {formal.verified_by} · {when(formal.verified_at)}")
    is_now = formal.status == Status.VERIFYING
    mine = is_now and seen.user.holds(Office.SUPERVISOR)
    return Step(title, NOW if is_now else AHEAD, "Usted · pendiente" if mine else "")


def _approvals(seen: "Dossier") -> list[Step]:
    """A step for each approval that this version needs: the owners' first, then security's."""
    is_now = seen.formal.status == Status.IN_APPROVAL
    return [
        _decided(slot.label, slot.decision)
        if slot.decision is not None
        else Step(slot.label, NOW if is_now else AHEAD, _waits(slot, seen) if is_now else "")
        for slot in seen.slots
    ]


def _waits(slot: Slot, seen: "Dossier") -> str:
    """«Usted · pendiente», or who could give it; an owner's says of which data."""
    names = ", ".join(asset.name for asset in slot.assets)
    who = "Usted · pendiente" if seen.user.pk in slot.deciders else _deciders(slot)
    return f"{who} · {names}" if names else who


def _deciders(slot: Slot) -> str:
    if not slot.deciders:
        return "Nadie puede darla hoy: falta quien tenga el cargo"
    people = {
        person.pk: person
        for asset in slot.assets
        for person in (asset.owner, asset.alternate)
        if person is not None and person.pk in slot.deciders
    }
    return " o ".join(str(person) for person in people.values()) or "Pendiente"


def _decided(title: str, decision: Decision) -> Step:
    verb = "Aprobó" if decision.is_approval else "Rechazó"
    detail = f"{verb} {decision.decider_name} · {when(decision.decided_at)}"
    return Step(title, DONE, detail, decision.reason)


def _executed(seen: "Dossier") -> Step:
    formal, title = seen.formal, "Implementación"
    if formal.status in EXECUTED:
        return Step(title, DONE, f"{formal.implementer} · {when(formal.executed_at)}")
    if formal.status != Status.APPROVED:
        return Step(title, AHEAD)
    return Step(title, NOW, _who_executes(seen))


def _checked(seen: "Dossier") -> Step:
    waiver = seen.formal.waiver
    title = "Revisión independiente"
    if waiver.checked_at is not None:
        verdict = "Conforme" if waiver.conform else "Con observaciones"
        return Step(
            title,
            DONE,
            f"{verdict} · {waiver.checker} · {when(waiver.checked_at)}",
            waiver.findings,
        )
    until = f" · vence {when(waiver.check_due)}" if waiver.check_due else ""
    state = NOW if seen.formal.status in EXECUTED else AHEAD
    return Step(title, state, f"{waiver.checker}{until}")


def _who_decides(seen: "Dossier") -> str:
    if seen.user.pk in seen.decider_ids:
        return "Usted ya decidió sobre esta versión; faltan otras aprobaciones."
    return " ".join(f"{slot.label}: {_waits(slot, seen)}." for slot in seen.pending)


def _who_executes(seen: "Dossier") -> str:
    formal = seen.formal
    if formal.implementer is None:
        return "Falta que el Responsable de Seguridad Informática designe a quien implementa."
    after = formal.execute_after
    since = f"; puede hacerse desde {when(after)}" if after and after > clock.now() else ""
    until = f"; la aprobación vence {when(formal.execute_before)}" if formal.execute_before else ""
    return f"La implementa {formal.implementer}{since}{until}."
