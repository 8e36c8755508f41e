"""Who may see and do what with a formal request (M3, M8, M21, M24, M25).

`visible_to` serves pages: everybody else gets 404. Each `why_not_…` returns the refusal that a person would get, or
None when nothing speaks against it; operations ask again under the lock. Being superuser, developer or agent of a
provider gives no right here.
"""

import json
from datetime import datetime

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import Customer, Office, Representative, User
from change_requests.approvals import NeededApproval, find_needed_approvals
from change_requests.models import FormalRequest, MailText, Waiver
from factureya.core.calendar import load_attention_hours
from factureya.core.clock import now
from factureya.core.refusals import NotAllowed, Refused, WrongStatus

Status, Form = FormalRequest.Status, FormalRequest.Form
STOP, REPORT = "stop", "report"  # what «no fui yo» does
STOPPED = "La solicitud está detenida por «no fui yo»; la reanuda el Responsable de Seguridad Informática."
CHECKER_APART = "Usted revisará la excepción de esta solicitud: no toma parte en ella."
TAKES_PART = ("request.verified", "request.designated", "request.waived")
SEES_ALL = (Office.SUPERVISOR, Office.SECURITY_OFFICER, Office.INFORMATION_OWNER, Office.IT_HEAD, Office.AUDITOR)
REOPENABLE = (Status.RETURNED, Status.SUBMITTED, Status.VERIFYING, Status.IN_APPROVAL, Status.FAILED)
WITHDRAWABLE = (Status.DRAFT, *REOPENABLE, Status.APPROVED)


def visible_to(user: User) -> QuerySet[FormalRequest]:
    """Return the formal requests that this person may read; an inactive person reads none.

    Staff read what their offices let them read; of unsent drafts only those that a mail brought.
    Others read the requests of their verified company, if they represent it or did so before.
    """
    requests = FormalRequest.objects.all()
    if not user.is_active:
        return requests.none()
    if user.is_staff:
        has_mail = Exists(MailText.objects.filter(request=OuterRef("pk")))  # a draft that a mail brought
        return requests.filter(_make_staff_condition(user)).filter(Q(revision_no__gt=0) | has_mail)
    membership = user.membership
    if membership is None or not membership.customer.is_verified:
        return requests.none()
    if membership.is_representative or has_represented(user, membership.customer):
        return requests.filter(customer=membership.customer_id)
    return requests.none()


def has_represented(user: User, customer: Customer) -> bool:
    """Return True if the person holds or once held powers of the company, and so may read its requests."""
    return Representative.objects.filter(user=user, customer=customer).exists()


def _make_staff_condition(user: User) -> Q:
    """Return the filter for the requests that this member of staff may read by his offices: all, some or none."""
    if user.holds(*SEES_ALL):
        return Q()
    if user.holds(Office.IMPLEMENTER):  # his own work, and what he is to check
        return Q(implementer=user) | Q(waiver__in=Waiver.objects.filter(checker=user))
    return Q(pk__in=[])


def may_hold_powers(user: User, customer: Customer) -> bool:
    """Return False for who has no powers of the company whatever a record of powers says.

    These are staff, inactive people, and people of another company or of one that is not verified.
    """
    membership = user.membership
    if not user.is_active or user.is_staff or membership is None:
        return False
    return membership.customer_id == customer.pk and customer.is_verified


def find_powers(user: User, customer: Customer, at: datetime | None = None) -> Representative | None:
    """Return the record of powers by which the person may act for the company at an instant (default: now), or None."""
    if not may_hold_powers(user, customer):
        return None
    powers = Representative.objects.filter(user=user, customer=customer)
    return powers.in_force(at).order_by("pk").first()


def why_not_request(user: User, customer: Customer) -> Refused | None:
    """Return why the person may not make requests for this company, or None if he has powers in force."""
    if find_powers(user, customer) is None:
        text = "Solo lo solicita el representante legal o un apoderado con poderes vigentes, por su empresa."
        return NotAllowed(text)
    return None


def why_not_confirm(user: User, request: FormalRequest) -> Refused | None:
    """Return why the person may not confirm the request by the link in the registered mail, or None (M8).

    He needs powers in force. A request that undoes a change of representative may also be confirmed by the person who
    gets his powers back; otherwise only the new representative could agree to undo it.
    """
    if find_powers(user, request.customer) is None and not _gets_powers_back(user, request):
        text = "La confirma el representante legal o un apoderado con poderes vigentes, con su propia cuenta."
        return NotAllowed(text)
    return None


def why_not_reopen(user: User, request: FormalRequest) -> Refused | None:
    """Return why the person may not edit a request that was sent, or None; one that undoes another is never edited."""
    if request.status not in REOPENABLE:
        return _refuse_now(request)
    if request.revert_of_id is not None:
        return WrongStatus("La preparó el sistema para deshacer otra; retírela o haga una nueva.")
    return why_not_request(user, request.customer)


def why_not_answer(user: User, request: FormalRequest) -> Refused | None:
    """Return why the person may not answer the open question about the request, or None."""
    if request.due_minutes_left is None:  # no question is open: an open one stops the clock
        return WrongStatus("No hay una aclaración por responder.")
    return why_not_request(user, request.customer)


def why_not_withdraw(user: User, request: FormalRequest) -> Refused | None:
    """Return why the person may not withdraw a request that is not applied yet, or None.

    Whoever represents the company may. After it was sent (`revision_no`), a supervisor may too. A request that mesa de
    control prepared to undo another is withdrawn by supervisors alone.
    """
    if request.status not in WITHDRAWABLE:
        return _refuse_now(request)
    if user.is_staff and user.holds(Office.SUPERVISOR) and request.revision_no:
        return None
    if request.revert_of_id is not None and request.revisions.filter(author__is_staff=True).exists():
        return NotAllowed("La preparó la mesa de control; solo ella la cancela.")
    return why_not_request(user, request.customer)


def _gets_powers_back(user: User, request: FormalRequest) -> bool:
    """Return True if the request undoes another one and so makes this person of its company a representative again."""
    membership = user.membership
    if request.revert_of_id is None or not user.is_active or membership is None:
        return False
    if membership.customer_id != request.customer_id:
        return False
    items = json.loads(request.revisions.get(no=request.revision_no).payload)["items"]
    new_lines = {item["new"] for item in items if item["field"] == "representative"}  # as Representative.line
    rows = Representative.objects.filter(user=user, customer=request.customer_id)
    return any(row.line in new_lines for row in rows)


def why_not_verify(user: User, request: FormalRequest) -> Refused | None:
    """Return why this person may not verify the request as a supervisor, or None if he may."""
    refusal = _why_not_in_office(user, request, Office.SUPERVISOR, Status.VERIFYING)
    if refusal is None and is_checker(user, request):  # he will check the work of this request under its waiver
        return NotAllowed(CHECKER_APART)
    return refusal


def why_not_return(user: User, request: FormalRequest) -> Refused | None:
    """Return why the person may not send the request back to the company, as a supervisor, or None."""
    statuses = (Status.SUBMITTED, Status.VERIFYING, Status.IN_APPROVAL)
    return _why_not_in_office(user, request, Office.SUPERVISOR, *statuses)


def why_not_decide(user: User, request: FormalRequest, approvals: list[NeededApproval] | None = None) -> Refused | None:
    """Return why the person may not approve or reject the current revision, or None (M21).

    The owner of a changed asset and the security officer decide, each once per revision; not those who asked,
    implement or check. A caller that has the request's `approvals` passes them, to save their queries.
    """
    if request.status != Status.IN_APPROVAL or request.suspended_at is not None:
        return _refuse_now(request)
    if user.pk == request.requester_id:
        return NotAllowed("Quien solicita no decide su propia solicitud.")
    if user.pk == request.implementer_id:
        return NotAllowed("Quien implementa no decide.")
    if is_checker(user, request):
        return NotAllowed(CHECKER_APART)
    if not user.is_active or find_deciding_office(user, approvals or find_needed_approvals(request)) is None:
        return NotAllowed("Con sus cargos de hoy no le toca decidir esta versión, o ya la decidió.")
    return None


def find_deciding_office(user: User, approvals: list[NeededApproval]) -> str | None:
    """Return the office of the first approval that is still open and that this person may give, or None."""
    for approval in approvals:
        if approval.decision is None and user.pk in approval.deciders:
            return approval.office
    return None


def why_not_ask(user: User, request: FormalRequest) -> Refused | None:
    """Return why the person may not ask the company a question about the request, or None.

    One question is open at a time. During the verification a supervisor asks; after it, those who may decide ask.
    """
    if request.due_minutes_left is not None:  # a question is open: it stops the clock
        return WrongStatus("Ya hay una aclaración por responder.")
    if request.status == Status.VERIFYING:
        return why_not_verify(user, request)
    return why_not_decide(user, request)


def why_not_designate(user: User, request: FormalRequest) -> Refused | None:
    """Return why the person may not name who implements, with or without a waiver, or None (M24, M25)."""
    return _why_not_in_office(user, request, Office.SECURITY_OFFICER, Status.IN_APPROVAL, Status.APPROVED)


def is_checker(user: User, request: FormalRequest) -> bool:
    """Return True if the waiver in force names this person as its independent checker (M25)."""
    return request.waiver is not None and request.waiver.checker_id == user.pk


def find_people_who_took_part(request: FormalRequest) -> set[int]:
    """Return the keys of all who asked, wrote, verified, decided, designated or waived; they check no waiver (M25)."""
    people = {request.requester_id, request.verified_by_id, request.designated_by_id}
    people |= set(request.events().filter(verb__in=TAKES_PART).values_list("actor_id", flat=True))
    people |= set(request.waivers.values_list("approved_by_id", flat=True))
    people |= set(request.revisions.values_list("author_id", flat=True))
    people |= set(request.decisions.values_list("decider_id", flat=True))
    return {pk for pk in people if pk is not None}


def why_not_check(user: User, request: FormalRequest) -> Refused | None:
    """Return why the person may not check the waiver, or None: only its checker may, once, after execution (M25)."""
    waiver = request.waiver
    if waiver is None or waiver.checked_at or request.executed_at is None:
        return WrongStatus("No hay una revisión independiente pendiente.")
    if user.pk != waiver.checker_id or not user.is_active:
        return NotAllowed("La revisión le toca a otra persona.")
    return None


def why_not_execute(user: User, request: FormalRequest) -> Refused | None:
    """Return why the person may not apply the approved request, or None: only the designated implementer may (M24)."""
    if request.status != Status.APPROVED or request.suspended_at is not None:
        return _refuse_now(request)
    if user.pk != request.implementer_id or not user.is_active:
        return NotAllowed("Solo la implementa la persona designada.")
    return None


def why_not_close(user: User, request: FormalRequest) -> Refused | None:
    """Return why the person may not close a request that was applied, or None."""
    return _why_not_in_office(user, request, Office.SUPERVISOR, Status.EXECUTED)


def why_not_revert(user: User, request: FormalRequest) -> Refused | None:
    """Return why the person may not prepare the request that undoes this applied change, or None.

    A supervisor may, and whoever has powers of the company in force.
    """
    if request.form != Form.CHANGE or request.status not in (Status.EXECUTED, Status.CLOSED):
        return WrongStatus("Solo se deshace un cambio que se aplicó.")
    if user.is_staff and user.holds(Office.SUPERVISOR):
        return None
    return why_not_request(user, request.customer)


def why_not_implement(
    person: User, request: FormalRequest, *, designated_by: User | None = None, is_waived: bool = False
) -> str:
    """Return why this person cannot be designated to apply the request, or cannot apply it now; empty if he can (M24).

    `designated_by` is who designates him. `is_waived` says that a waiver lets somebody of Development do it.
    """
    if not person.holds(Office.IMPLEMENTER):
        return "Esa persona no tiene hoy el cargo de implementador."
    if person.holds(Office.DEVELOPER) and not is_waived:
        return "Es de Desarrollo: designe a otra persona, o exceptúe la segregación con controles."
    if person.pk == request.requester_id:
        return "Quien solicita no implementa."
    has_written, has_decided = _find_part_of(person, request)
    if has_written:  # mesa de control writes those that undo another
        return "Quien la preparó no implementa."
    if designated_by is not None and person.pk == designated_by.pk:
        return "Nadie se designa a sí mismo."
    return "Quien decide no implementa." if has_decided else ""


def _find_part_of(person: User, request: FormalRequest) -> tuple[bool, bool]:
    """Return whether the person wrote a version of the request, and whether he decided about one, in one query."""
    has_written = Exists(request.revisions.filter(author=person))
    has_decided = Exists(request.decisions.filter(decider=person))
    found: tuple[bool, bool] = FormalRequest.objects.values_list(has_written, has_decided).get(pk=request.pk)
    return found


def why_not_be_checker(person: User, request: FormalRequest, *, implementer: User, granted_by: User) -> str:
    """Return why this person cannot be the independent checker of a waiver; empty if he can (M25).

    The waiver, which `granted_by` grants, lets `implementer` apply the request.
    """
    if person.pk == implementer.pk:
        return "La revisión la hace otra persona que quien implementa."
    if person.pk == granted_by.pk:
        return "La revisión la hace otra persona que quien autoriza la excepción."
    if person.pk in find_people_who_took_part(request):
        return "Esa persona pidió, preparó, verificó, decidió o designó en esta solicitud: elija a otra."
    if not person.works_in_control or person.reads_all or not person.is_active:  # Auditoría only reads
        return "Elija a alguien de mesa de control o con cargo."
    return ""


def may_name_owners(user: User) -> bool:
    """Return True if the person names the owners of the information assets: an active superuser."""
    return user.is_active and user.is_superuser


def find_objection_effect(request: FormalRequest) -> str:
    """Return what «no fui yo» does to the request now: STOP before it is applied, or REPORT after it was applied.

    Return an empty text when the request was never sent, or ended without effect.
    """
    ended = (Status.REJECTED, Status.CANCELLED, Status.EXPIRED, Status.REVERTED)
    if not request.revision_no or request.status in ended:
        return ""
    return REPORT if request.status in (Status.EXECUTED, Status.CLOSED) else STOP


def find_alarm_deadline(request: FormalRequest) -> datetime:
    """Return by when an officer looks at a «no fui yo» after the execution; if none was said, counted from now (M8)."""
    return load_attention_hours().add_days(request.alarmed_at or now(), settings.VERIFY_BUSINESS_DAYS)


def why_not_resume(user: User, request: FormalRequest) -> Refused | None:
    """Return why the person may not resume a request that «no fui yo» stopped, or None."""
    if request.suspended_at is None:
        return WrongStatus("La solicitud no está detenida.")
    if not user.holds(Office.SECURITY_OFFICER):
        return NotAllowed("La reanuda el Responsable de Seguridad Informática.")
    return None


def why_not_mark_alarm_seen(user: User, request: FormalRequest) -> Refused | None:
    """Return why the person may not mark a «no fui yo» after the execution as seen, or None (M8)."""
    if request.alarmed_at is None:
        return WrongStatus("No hay un aviso «no fui yo» por revisar.")
    if not user.holds(Office.SECURITY_OFFICER):
        return NotAllowed("El aviso lo revisa el Responsable de Seguridad Informática.")
    return None


def _why_not_in_office(user: User, request: FormalRequest, office: str, *statuses: str) -> Refused | None:
    """Return why the person may not act in this office on the request, or None.

    The request must be in one of `statuses` and not stopped by «no fui yo»; its requester takes no part.
    """
    if request.status not in statuses or request.suspended_at is not None:
        return _refuse_now(request)
    if not user.holds(office):
        return NotAllowed(f"Le toca a otro cargo: {Office(office).label}.")
    if user.pk == request.requester_id:
        return NotAllowed("Quien solicita no participa en su atención.")
    return None


def refuse_status(request: FormalRequest) -> WrongStatus:
    """Return the refusal for an act that the request's present status does not allow."""
    return WrongStatus(f"La solicitud está {request.status_label.lower()}; esa acción ya no corresponde.")


def _refuse_now(request: FormalRequest) -> WrongStatus:
    """Return the refusal for an act on a stopped request, or on one whose present status does not allow the act."""
    return WrongStatus(STOPPED) if request.suspended_at is not None else refuse_status(request)
