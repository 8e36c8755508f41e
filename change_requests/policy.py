"""Who may see and do what with a request, and whose turn it is (M3, M8, M21, M24, M25).

`visible_to` is for pages (others get 404). Each `may_…` says why not (`Refusal`), or None; operations ask again under
the lock. Nobody gets anything here by being superuser, developer, or a third party's agent.
"""

import json
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import Customer, Office, Representative, User
from change_requests.approvals import Slot, slots_of
from change_requests.models import FormalRequest, MailText
from factureya.core.calendar import load_attention_hours
from factureya.core.clock import now

__all__ = ["Refusal", "Slot", "Turn", "may_decide", "slots_of", "turn_of", "visible_to"]

Status, Form = FormalRequest.Status, FormalRequest.Form
STOP, REPORT = "stop", "report"  # what «no fui yo» does
CHECKER_APART = "Usted revisará la excepción de esta solicitud: no toma parte en ella."
NO_POWERS = "Quien solicitó ya no tiene poderes vigentes"  # why it is in approval again
SEES_ALL = (
    Office.SUPERVISOR,
    Office.SECURITY_OFFICER,
    Office.INFORMATION_OWNER,
    Office.IT_HEAD,
)
WITHDRAWABLE = (
    Status.DRAFT,
    Status.RETURNED,
    Status.SUBMITTED,
    Status.VERIFYING,
    Status.IN_APPROVAL,
    Status.APPROVED,
    Status.FAILED,
)
REOPENABLE = (
    Status.RETURNED,
    Status.SUBMITTED,
    Status.VERIFYING,
    Status.IN_APPROVAL,
    Status.FAILED,
)


@dataclass(frozen=True)
class Refusal:
    """Why this person may not do it; the text is for the person. `is_status`: it is the request, not the person."""

    text: str
    is_status: bool = False

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Turn:
    """Who must act next, in words and as offices, and until when (None: no deadline)."""

    who: str
    task: str
    offices: tuple[str, ...] = ()
    until: datetime | None = None
    is_customer: bool = False


# -- Seeing ------------------------------------------------------------------------------------------


def visible_to(user: User) -> QuerySet[FormalRequest]:
    """The requests this person may read: those of the company he represents, or those of mesa de control."""
    requests = FormalRequest.objects.all()
    if not user.is_active:
        return requests.none()
    if user.is_staff:
        with_words = Exists(MailText.objects.filter(request=OuterRef("pk")))  # also of a draft: nobody else reads them
        return requests.filter(_of_staff(user)).filter(Q(revision_no__gt=0) | with_words)
    membership = user.membership
    if membership is None or not membership.customer.is_verified:
        return requests.none()
    if membership.is_representative or represents(user, membership.customer):
        return requests.filter(customer=membership.customer_id)
    return requests.none()


def represents(user: User, customer: Customer) -> bool:
    """Whether the person holds or held powers of the company: he reads its requests; to ask they must be in force."""
    return Representative.objects.filter(user=user, customer=customer).exists()


def _of_staff(user: User) -> Q:
    if user.holds(*SEES_ALL):
        return Q()
    if user.holds(Office.IMPLEMENTER):  # his own work, and what he is to check
        return Q(implementer=user) | Q(waiver__checker=user)
    return Q(pk__in=[])


# -- The customer's acts (M8) ------------------------------------------------------------------------


def powers_of(user: User, customer: Customer, at: datetime | None = None) -> Representative | None:
    """The powers in force with which this active person asks for the company, or None."""
    membership = user.membership
    if not user.is_active or user.is_staff or membership is None:
        return None
    if membership.customer_id != customer.pk or not customer.is_verified:
        return None
    held = Representative.objects.filter(user=user, customer=customer)
    return held.in_force(at).order_by("pk").first()


def may_request(user: User, customer: Customer) -> Refusal | None:
    """Whether the person may ask for this company now."""
    if powers_of(user, customer) is None:
        return Refusal("Solo lo solicita el representante legal o un apoderado con poderes vigentes, por su empresa.")
    return None


def may_confirm(user: User, request: FormalRequest) -> Refusal | None:
    """Say whether the person may confirm the request that the registered mail's link names: with powers of today (M8).

    What undoes a change of representative may also be confirmed by the one whose powers it puts back: otherwise only
    whom that change brought in could say yes to undoing it.
    """
    if powers_of(user, request.customer) is None and not _gets_powers_back(user, request):
        return Refusal("La confirma el representante legal o un apoderado con poderes vigentes, con su propia cuenta.")
    return None


def may_reopen(user: User, request: FormalRequest) -> Refusal | None:
    """Whether the person may edit what was sent: who asked, with powers in force."""
    if request.status not in REOPENABLE:
        return _not_now(request)
    if request.revert_of_id is not None:
        return Refusal("La preparó el sistema para deshacer otra; retírela o haga una nueva.", is_status=True)
    return _may_act_for(user, request)


def may_answer(user: User, request: FormalRequest) -> Refusal | None:
    """Whether the person may answer the open question."""
    if request.due_minutes_left is None:
        return Refusal("No hay una aclaración por responder.", is_status=True)
    return _may_act_for(user, request)


def may_withdraw(user: User, request: FormalRequest) -> Refusal | None:
    """Before it is applied: the customer's representatives, or mesa de control once it was sent."""
    if request.status not in WITHDRAWABLE:
        return _not_now(request)
    if user.is_staff and user.holds(Office.SUPERVISOR) and request.revision_no:
        return None
    if request.revert_of_id is not None and request.revisions.filter(author__is_staff=True).exists():
        return Refusal("La preparó la mesa de control; solo ella la cancela.")
    return _may_act_for(user, request)


def _may_act_for(user: User, request: FormalRequest) -> Refusal | None:
    return may_request(user, request.customer)


def _gets_powers_back(user: User, request: FormalRequest) -> bool:
    """Whether the request undoes another, and puts this active person of the company back as its representative."""
    membership = user.membership
    if request.revert_of_id is None or not user.is_active or membership is None:
        return False
    if membership.customer_id != request.customer_id:
        return False
    items = json.loads(request.revisions.get(no=request.revision_no).payload)["items"]
    lines = {item["new"] for item in items if item["field"] == "representative"}
    rows = Representative.objects.filter(user=user, customer=request.customer_id)
    return any(row.line in lines for row in rows)


# -- Mesa de control and the officers ----------------------------------------------------------------


def may_verify(user: User, request: FormalRequest) -> Refusal | None:
    """A supervisor, on a confirmed request, who will not check its waiver (M25)."""
    refusal = _office(user, request, Office.SUPERVISOR, Status.VERIFYING)
    if refusal is None and is_checker(user, request):
        return Refusal(CHECKER_APART)
    return refusal


def may_return(user: User, request: FormalRequest) -> Refusal | None:
    """A supervisor sends it back to whoever asked."""
    statuses = (Status.SUBMITTED, Status.VERIFYING, Status.IN_APPROVAL)
    return _office(user, request, Office.SUPERVISOR, *statuses)


def may_decide(user: User, request: FormalRequest, slots: list[Slot] | None = None) -> Refusal | None:
    """The owner of a touched asset, or the security officer, once per revision (M21)."""
    if request.status != Status.IN_APPROVAL or request.suspended_at is not None:
        return _not_now(request)
    if user.pk == request.requester_id:
        return Refusal("Quien solicita no decide su propia solicitud.")
    if user.pk == request.implementer_id:
        return Refusal("Quien implementa no decide.")
    if is_checker(user, request):
        return Refusal(CHECKER_APART)
    if not user.is_active or office_for(user, slots or slots_of(request)) is None:
        return Refusal("Con sus cargos de hoy no le toca decidir esta versión, o ya la decidió.")
    return None


def office_for(user: User, slots: list[Slot]) -> str | None:
    """In which office this person decides: owner of what is still open, else security; None when in neither."""
    for slot in slots:
        if slot.decision is None and user.pk in slot.deciders:
            return slot.office
    return None


def may_ask(user: User, request: FormalRequest, slots: list[Slot] | None = None) -> Refusal | None:
    """Mesa de control while it verifies, whoever decides while it is decided; one question at a time."""
    if request.due_minutes_left is not None:
        return Refusal("Ya hay una aclaración por responder.", is_status=True)
    if request.status == Status.VERIFYING:
        return may_verify(user, request)
    return may_decide(user, request, slots)


def may_designate(user: User, request: FormalRequest) -> Refusal | None:
    """The security officer, until it is applied (M24)."""
    statuses = (Status.IN_APPROVAL, Status.APPROVED)
    return _office(user, request, Office.SECURITY_OFFICER, *statuses)


def may_waive(user: User, request: FormalRequest) -> Refusal | None:
    """The security officer (M25)."""
    return may_designate(user, request)


def is_checker(user: User, request: FormalRequest) -> bool:
    """Whether the waiver in force names this person as its independent checker (M25)."""
    return request.waiver is not None and request.waiver.checker_id == user.pk


def took_part(request: FormalRequest) -> set[int]:
    """Return the keys of whoever asked, wrote, verified, decided or designated: none checks a waiver of it (M25)."""
    people = {request.requester_id, request.verified_by_id, request.designated_by_id}
    people |= set(request.revisions.values_list("author_id", flat=True))
    people |= set(request.decisions.values_list("decider_id", flat=True))
    return {pk for pk in people if pk is not None}


def may_check(user: User, request: FormalRequest) -> Refusal | None:
    """The person whom the waiver names, after the execution, once (M25)."""
    waiver = request.waiver
    if waiver is None or waiver.checked_at or request.executed_at is None:
        return Refusal("No hay una revisión independiente pendiente.", is_status=True)
    if user.pk != waiver.checker_id or not user.is_active:
        return Refusal("La revisión le toca a otra persona.")
    return None


def may_execute(user: User, request: FormalRequest) -> Refusal | None:
    """The designated implementer; offices are asked again in the execution (M24)."""
    if request.status != Status.APPROVED or request.suspended_at is not None:
        return _not_now(request)
    if user.pk != request.implementer_id or not user.is_active:
        return Refusal("Solo la implementa la persona designada.")
    return None


def may_close(user: User, request: FormalRequest) -> Refusal | None:
    """A supervisor, once the customer was told."""
    return _office(user, request, Office.SUPERVISOR, Status.EXECUTED)


def may_resume(user: User, request: FormalRequest) -> Refusal | None:
    """The security officer, after «no fui yo»."""
    if request.suspended_at is None:
        return Refusal("La solicitud no está detenida.", is_status=True)
    if not user.holds(Office.SECURITY_OFFICER):
        return Refusal("La reanuda el Responsable de Seguridad Informática.")
    return None


def not_me_does(request: FormalRequest) -> str:
    """Say what «no fui yo» does now: STOP what is under way, REPORT what was applied; empty when nothing is left."""
    over = (Status.REJECTED, Status.CANCELLED, Status.EXPIRED, Status.REVERTED)
    if not request.revision_no or request.status in over:
        return ""
    return REPORT if request.status in (Status.EXECUTED, Status.CLOSED) else STOP


def alarm_until(request: FormalRequest) -> datetime:
    """Return by when an officer looks at «no fui yo» after the execution: as soon as mesa de control verifies (M8)."""
    return load_attention_hours().add_days(request.alarmed_at or now(), settings.VERIFY_BUSINESS_DAYS)


def may_see_alarm(user: User, request: FormalRequest) -> Refusal | None:
    """Whether the person marks a «no fui yo» after the execution as seen: the security officer (M8)."""
    if request.alarmed_at is None:
        return Refusal("No hay un aviso «no fui yo» por revisar.", is_status=True)
    if not user.holds(Office.SECURITY_OFFICER):
        return Refusal("El aviso lo revisa el Responsable de Seguridad Informática.")
    return None


def may_revert(user: User, request: FormalRequest) -> Refusal | None:
    """Mesa de control prepares it, or the representative asks for it; a new request."""
    if request.form != Form.CHANGE or request.status not in (Status.EXECUTED, Status.CLOSED):
        return Refusal("Solo se deshace un cambio que se aplicó.", is_status=True)
    if user.is_staff and user.holds(Office.SUPERVISOR):
        return None
    return may_request(user, request.customer)


def may_own_assets(user: User) -> bool:
    """Whether the person names the owners of the information assets: a superuser."""
    return user.is_active and user.is_superuser


def _office(user: User, request: FormalRequest, office: str, *statuses: str) -> Refusal | None:
    if request.status not in statuses or request.suspended_at is not None:
        return _not_now(request)
    if not user.holds(office):
        return Refusal(f"Le toca a otro cargo: {Office(office).label}.")
    if user.pk == request.requester_id:
        return Refusal("Quien solicita no participa en su atención.")
    return None


def _not_now(request: FormalRequest) -> Refusal:
    if request.suspended_at is not None:
        return Refusal(
            "La solicitud está detenida por «no fui yo»; la reanuda el Responsable de Seguridad Informática.",
            is_status=True,
        )
    label = request.status_label.lower()
    return Refusal(f"La solicitud está {label}; esa acción ya no corresponde.", is_status=True)


# -- Whose turn it is --------------------------------------------------------------------------------


def turn_of(request: FormalRequest) -> Turn:
    """Who must act and until when; no query besides the request's own row, its implementer and its waiver."""
    if request.suspended_at is not None and request.is_open:
        return _staff_turn(Office.SECURITY_OFFICER, "revisar el aviso «no fui yo»", None)
    if request.due_minutes_left is not None:
        return Turn("La empresa", "responder la aclaración", is_customer=True)
    turns = {
        Status.DRAFT: Turn("La empresa", "completar y enviar la solicitud", is_customer=True),
        Status.RETURNED: Turn("La empresa", "corregir y enviar la solicitud", is_customer=True),
        Status.FAILED: Turn("La empresa", "revisar los datos de hoy y enviarla de nuevo", is_customer=True),
        Status.SUBMITTED: Turn(
            "La empresa", "confirmarla desde el correo registrado", (), request.due_at, is_customer=True
        ),
        Status.VERIFYING: _staff_turn(Office.SUPERVISOR, "verificarla", request.due_at),
    }
    return turns.get(Status(request.status)) or _late_turn(request)


def _late_turn(request: FormalRequest) -> Turn:
    if request.status == Status.IN_APPROVAL and request.outcome_reason.startswith(NO_POWERS):
        return _staff_turn(Office.SUPERVISOR, "devolverla o retirarla", request.due_at)
    if request.status == Status.IN_APPROVAL:
        offices = [Office.SECURITY_OFFICER]
        if request.form == Form.CHANGE:
            offices.insert(0, Office.INFORMATION_OWNER)
        who = " y ".join(office.label for office in offices)
        return Turn(who, "decidirla", tuple(offices), request.due_at)
    if request.status == Status.APPROVED and request.implementer_id is None:
        return _staff_turn(Office.SECURITY_OFFICER, "designar a quien la implementa", request.due_at)
    if request.status == Status.APPROVED:
        assert request.implementer is not None
        name = request.implementer.get_full_name()
        return Turn(name, "implementarla", (Office.IMPLEMENTER,), request.due_at)
    if request.status == Status.EXECUTED:
        return _staff_turn(Office.SUPERVISOR, "cerrarla", request.due_at)
    return Turn("", "")


def _staff_turn(office: Office, task: str, until: datetime | None) -> Turn:
    who = "Mesa de control" if office == Office.SUPERVISOR else office.label
    return Turn(who, task, (office,), until)


def pending(slots: list[Slot]) -> list[Slot]:
    """The slots that still wait."""
    return [slot for slot in slots if slot.decision is None]
