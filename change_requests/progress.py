"""Whose turn it is with a formal request, what that person must do next, and by when: the one place that answers.

Pages and mails put a Task into words; nothing decides on words. A task is stored nowhere: it follows from the request.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import models
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import Office, RoleAssignment, User
from change_requests.approvals import find_needed_approvals, select_open
from change_requests.models import Decision, DecisionSlot, FormalRequest, RequestedAsset, Waiver
from factureya.core import clock

Status, Form = FormalRequest.Status, FormalRequest.Form
ENDED = (Status.EXECUTED, Status.CLOSED, Status.REVERTED, Status.REJECTED, Status.CANCELLED, Status.EXPIRED)
# The look of each status's mark (core.templatetags.fy.state_class).
STATUS_LOOKS = {
    **dict.fromkeys((Status.DRAFT, Status.SUBMITTED, Status.RETURNED), "waiting"),
    **dict.fromkeys((Status.VERIFYING, Status.IN_APPROVAL, Status.APPROVED), "open"),
    **dict.fromkeys((Status.REJECTED, Status.EXPIRED, Status.FAILED), "bad"),
    **dict.fromkeys((Status.CLOSED, Status.CANCELLED, Status.REVERTED), "closed"),
    Status.EXECUTED: "ok",
}


class Task(models.TextChoices):
    """What must be done next, and the words for it that finish the sentence «Le toca …»."""

    COMPLETE = "complete", "completar y enviar la solicitud"
    CORRECT = "correct", "corregir y enviar la solicitud"
    SEND_AGAIN = "send_again", "revisar los datos de hoy y enviarla de nuevo"
    CONFIRM = "confirm", "confirmarla desde el correo registrado"
    ANSWER = "answer", "responder la aclaración"
    REVIEW_OBJECTION = "review_objection", "revisar el aviso «no fui yo»"
    VERIFY = "verify", "verificarla"
    GIVE_BACK = "give_back", "devolverla o retirarla"
    DECIDE = "decide", "decidirla"
    DESIGNATE = "designate", "designar a quien la implementa"
    EXECUTE = "execute", "implementarla"
    CLOSE = "close", "cerrarla"
    NOTHING = "nothing", ""


_TASK_OF_STATUS = {
    Status.DRAFT: Task.COMPLETE,
    Status.RETURNED: Task.CORRECT,
    Status.FAILED: Task.SEND_AGAIN,
    Status.SUBMITTED: Task.CONFIRM,
    Status.VERIFYING: Task.VERIFY,
    Status.EXECUTED: Task.CLOSE,
}
_OFFICES_OF_TASK: dict[Task, tuple[Office, ...]] = {
    Task.REVIEW_OBJECTION: (Office.SECURITY_OFFICER,),
    Task.VERIFY: (Office.SUPERVISOR,),
    Task.GIVE_BACK: (Office.SUPERVISOR,),
    Task.DECIDE: (Office.INFORMATION_OWNER, Office.SECURITY_OFFICER),
    Task.DESIGNATE: (Office.SECURITY_OFFICER,),
    Task.EXECUTE: (Office.IMPLEMENTER,),
    Task.CLOSE: (Office.SUPERVISOR,),
}
_COMPANY_TASKS = (Task.COMPLETE, Task.CORRECT, Task.SEND_AGAIN, Task.CONFIRM, Task.ANSWER)


@dataclass(frozen=True)
class Waiting:
    """What a request waits for: a task of the company, of some offices, or of the designated implementer.

    `since` is when that turn began and `due` when it ends; both are None where nobody has a deadline.
    """

    task: Task
    offices: tuple[Office, ...]
    implementer: User | None
    since: datetime | None
    due: datetime | None

    @property
    def is_company(self) -> bool:
        """Return True if the company must act."""
        return self.task in _COMPANY_TASKS

    @property
    def who(self) -> str:
        """Return who must act on the request, in Spanish: the company, mesa de control, offices, or the implementer."""
        if self.is_company:
            return "La empresa"
        if self.implementer is not None:
            return self.implementer.get_full_name()
        if self.offices == (Office.SUPERVISOR,):
            return "Mesa de control"
        return " y ".join(office.label for office in self.offices)


def find_waiting(request: FormalRequest) -> Waiting:
    """Return what the request waits for: the task, who must do it, since when and by when."""
    task = _find_task(request)
    offices = _OFFICES_OF_TASK.get(task, ())
    if task == Task.DECIDE and request.form == Form.ACCESS:  # nobody owns the access of people
        offices = (Office.SECURITY_OFFICER,)
    implementer = request.implementer if task == Task.EXECUTE else None
    due = None if task == Task.REVIEW_OBJECTION else request.due_at  # a stopped request has no deadline
    return Waiting(task, offices, implementer, request.turn_since, due)


def is_stopped(request: FormalRequest) -> bool:
    """Return True if «no fui yo» stopped the request, and an officer still has to resume it."""
    return request.suspended_at is not None and request.status not in ENDED


def find_people(request: FormalRequest) -> list[User]:
    """Return the members of staff whose turn it is with the request; none while it is the company's turn."""
    waiting = find_waiting(request)
    if waiting.task == Task.DECIDE:
        keys = {pk for approval in select_open(find_needed_approvals(request)) for pk in approval.deciders}
        return list(User.objects.filter(pk__in=keys).order_by("pk"))
    return [waiting.implementer] if waiting.implementer is not None else find_people_in(*waiting.offices)


def find_people_in(*offices: str) -> list[User]:
    """Return the active people who hold one of these offices now."""
    if not offices:
        return []
    assignments = RoleAssignment.objects.in_force().filter(office__in=offices)
    return list(User.objects.filter(is_active=True, pk__in=assignments.values("user")).order_by("pk"))


def make_waiting_condition(user: User) -> Q:
    """Return the condition for the requests in which this member of staff, by the offices held now, must do something.

    Two tasks that `find_waiting` does not return count too: to look at a «no fui yo» after the execution, and to check
    a waiver. The person's own requests are left out.
    """
    running = Q(suspended_at__isnull=True)  # not stopped by «no fui yo»
    condition = running & Q(status=Status.APPROVED, implementer=user, execute_after__lte=clock.now())  # to apply
    applied = (Status.EXECUTED, Status.CLOSED, Status.REVERTED)
    unchecked = Waiver.objects.filter(checker=user, checked_at__isnull=True)  # a join would cost the planner much more
    condition |= Q(waiver__in=unchecked, status__in=applied)
    if user.holds(Office.SUPERVISOR, Office.SECURITY_OFFICER):
        condition |= Q(alarmed_at__isnull=False)  # «no fui yo» after the execution
    if user.holds(Office.SUPERVISOR):
        condition |= running & Q(status=Status.VERIFYING) | Q(status=Status.EXECUTED)  # to verify, or to close
    if user.holds(Office.INFORMATION_OWNER):
        condition |= _make_undecided_condition(user) & Q(Exists(_find_assets_of_owner(user, only_undecided=True)))
    if user.holds(Office.SECURITY_OFFICER):
        condition |= (
            _make_undecided_condition(user)
            & ~Q(Exists(_find_security_decision()))
            & ~Q(Exists(_find_assets_of_owner(user)))  # an owner does not also decide as security
        )
        condition |= running & Q(status=Status.APPROVED, implementer__isnull=True)  # to designate
        condition |= ~running & ~Q(status__in=ENDED)  # to resume
    return condition & ~Q(requester=user)


def _find_task(request: FormalRequest) -> Task:
    """Return what must be done next with the request: a stop or an open question comes before the task of its status.

    If the requester's powers ended, an approved request came back to approval: mesa de control returns or withdraws it.
    """
    if is_stopped(request):  # by «no fui yo»
        return Task.REVIEW_OBJECTION
    if request.due_minutes_left is not None:  # a question to the company is open
        return Task.ANSWER
    if request.status == Status.IN_APPROVAL:
        return Task.DECIDE if request.powers_lapsed_at is None else Task.GIVE_BACK
    if request.status == Status.APPROVED:
        return Task.DESIGNATE if request.implementer_id is None else Task.EXECUTE
    return _TASK_OF_STATUS.get(Status(request.status), Task.NOTHING)


def _make_undecided_condition(user: User) -> Q:
    """Return the condition for requests in approval, not stopped, no question open, that this user has not decided."""
    decisions = Decision.objects.filter(request=OuterRef("pk"), revision_no=OuterRef("revision_no"), decider=user)
    is_waiting = Q(status=Status.IN_APPROVAL, suspended_at__isnull=True, due_minutes_left__isnull=True)
    return is_waiting & ~Q(implementer=user) & ~Q(Exists(decisions))  # who implements does not decide


def _find_assets_of_owner(user: User, *, only_undecided: bool = False) -> QuerySet[RequestedAsset]:
    """Return a subquery, for a query of requests, of their assets whose owner, or alternate now, is this user.

    With `only_undecided`, leave out ended requests, and assets about which somebody decided on the current version.
    """
    instant = clock.now()
    is_alternate = Q(asset__alternate=user, asset__alternate_from__lte=instant, asset__alternate_until__gt=instant)
    rows = RequestedAsset.objects.filter(Q(asset__owner=user) | is_alternate, request=OuterRef("pk"))
    if not only_undecided:
        return rows
    decided = DecisionSlot.objects.filter(
        request=OuterRef("request"), revision_no=OuterRef("request__revision_no"), asset=OuterRef("asset")
    )
    return rows.filter(~Exists(decided.filter(voided_at__isnull=True)), open=True)  # `open`: the request has not ended


def _find_security_decision() -> QuerySet[DecisionSlot]:
    """Return a subquery of security's decision on the current version of a request, unless it was voided."""
    return DecisionSlot.objects.filter(
        request=OuterRef("pk"),
        revision_no=OuterRef("revision_no"),
        office=Decision.Office.SECURITY,
        voided_at__isnull=True,
    )
