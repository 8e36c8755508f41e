"""How a request ends or stops: closed, withdrawn, «no fui yo», resumed; and what undoes it."""

from accounts.models import Representative, User
from change_requests import notifications, policy
from change_requests.kinds import content
from change_requests.links import Objector
from change_requests.models import FormalRequest
from change_requests.operations._locking import (
    TURN,
    Kind,
    Status,
    current,
    locked,
    move,
    outcome_of,
    refuse,
    restart_clock,
    stop_clock,
    text_of,
)
from change_requests.operations.drafting import begin
from change_requests.operations.errors import Refused
from change_requests.operations.submitting import hold_customer, send
from change_requests.operations.verifying import WORDS
from factureya.core import audit
from factureya.core.calendar import attention_hours
from factureya.core.clock import now
from factureya.core.models import Event

NOBODY = Objector()


def close(pk: int, *, actor: User) -> FormalRequest:
    """Mesa de control closes what was applied; with a waiver, once its check is written."""
    with locked(pk, Status.EXECUTED) as request:
        actor = current(actor)
        refuse(policy.may_close(actor, request))
        if request.waiver is not None and request.waiver.check_due and not request.waiver.checked_at:
            raise Refused("Falta la revisión independiente de la excepción.")
        request.closed_at = now()
        event = move(request, Status.CLOSED, "request.closed", actor=actor, due_at=None, saved=("closed_at",))
        notifications.told("closed", request, event)
    return request


def withdraw(pk: int, *, actor: User, reason: str) -> FormalRequest:
    """Before it is applied: by the company's representative, or by mesa de control. Nothing changes."""
    with locked(pk, *policy.WITHDRAWABLE, suspended=True) as request:
        actor = current(actor)
        refuse(policy.may_withdraw(actor, request))
        request.outcome_reason = outcome_of(reason)
        event = move(
            request,
            Status.CANCELLED,
            "request.withdrawn",
            actor=actor,
            due_at=None,
            saved=("outcome_reason",),
            reason=request.outcome_reason,
        )
        if request.revision_no:
            notifications.told("cancelled", request, event, reason=request.outcome_reason)
    return request


def not_me(pk: int, *, actor: User | None = None, said_by: Objector = NOBODY) -> FormalRequest:
    """Stop what is under way, or alarm about what was applied, because somebody says «no fui yo» (M8).

    The event says which mailbox objected, as far as it is known. The same mailbox again changes nothing until an
    officer has looked. After the execution every security officer, mesa de control and the superusers are told.
    """
    with locked(pk, *Status, suspended=True) as request:
        does = policy.not_me_does(request)
        if not does or _was_said(request, said_by):
            return request
        column = "suspended_at" if does == policy.STOP else "alarmed_at"
        is_first = getattr(request, column) is None
        if is_first:
            setattr(request, column, now())
            request.save(update_fields=[column])
        event = audit.record(
            "request.disowned",
            request,
            actor=actor,
            status=request.status,
            suspended=does == policy.STOP,
            mailbox=said_by.mailbox,
            role=said_by.role,
        )
        _tell_who_looks(request, event, said_by, does, is_first)
    return request


def mark_alarm_seen(pk: int, *, actor: User, reason: str) -> FormalRequest:
    """Record what the security officer found about a «no fui yo» after the execution; the red mark goes (M8)."""
    with locked(pk, *Status, suspended=True) as request:
        actor = current(actor)
        refuse(policy.may_see_alarm(actor, request))
        text = text_of(reason, at_least=WORDS, what="lo que comprobó", field="reason")
        request.alarmed_at = None
        request.save(update_fields=["alarmed_at"])
        event = audit.record("request.alarm_seen", request, actor=actor, reason=text[:1000])
        notifications.alarm_seen(request, event)
    return request


def resume(pk: int, *, actor: User, reason: str) -> FormalRequest:
    """The security officer found that it is the company's; deadlines go on with the time they had left."""
    with locked(pk, *Status, suspended=True) as request:
        actor = current(actor)
        refuse(policy.may_resume(actor, request))
        text = text_of(reason, at_least=WORDS, what="el motivo", field="reason")
        assert request.suspended_at is not None  # may_resume
        _go_on(request)
        event = audit.record("request.resumed", request, actor=actor, reason=text, revision=request.revision_no)
        notifications.told("resumed", request, event, reason=text)
        if request.status == Status.SUBMITTED:  # the link of before may have expired meanwhile
            notifications.submitted(request, event)
        notifications.your_turn(request, event)
    return request


def revert(pk: int, *, actor: User, reason: str) -> FormalRequest:
    """A new request, made by the machine, that puts back what was before; it needs the same approvals.

    It is sent at once. Its confirmation goes to the registered mail, or to the old one when that is what is put back.
    The original is *revertida* when this one is executed. Raises Refused when today's values are others already.
    """
    with locked(pk, Status.EXECUTED, Status.CLOSED, suspended=True) as request:
        actor = current(actor)
        refuse(policy.may_revert(actor, request))
        hold_customer(request)
        text = text_of(reason, at_least=20, what="el motivo", field="reason")
        representative = _in_whose_name(request, actor)
        items = [{**item, "old": item["new"], "new": item["old"]} for item in content.payload_of(request)["items"]]
        if any(content.today_of(request.customer, request, item) != item["old"] for item in items):
            raise Refused("Los datos de hoy ya no son los que dejó esa solicitud; presente una de cambio.")
        undoing = begin(
            actor,
            form=request.form,
            kind=Kind.CHANGE,
            customer=request.customer,
            requester=representative.user,
            representative=representative,
            revert_of=request,
            draft={"reason": text},
        )
        send(undoing, items, author=actor)
    return undoing


def _in_whose_name(request: FormalRequest, actor: User) -> Representative:
    """The powers under which it is asked: the actor's own, those of the original, or others in force."""
    held = Representative.objects.filter(
        customer=request.customer, user__is_active=True, user__contact__customer=request.customer
    ).in_force()
    own = held.filter(user=actor).first() or held.filter(pk=request.representative_id).first()
    found = own or held.order_by("pk").first()
    if found is None:
        raise Refused("La empresa no tiene hoy un representante con poderes vigentes y cuenta.")
    return found


def _was_said(request: FormalRequest, said_by: Objector) -> bool:
    """Whether this mailbox (or nobody known) said it already, and no officer has looked at it since."""
    since = request.suspended_at or request.alarmed_at
    if since is None:
        return False
    said = request.events().filter(verb="request.disowned", at__gte=since)
    return any(data.get("mailbox", "") == said_by.mailbox for data in said.values_list("data", flat=True))


def _tell_who_looks(request: FormalRequest, event: Event, said_by: Objector, does: str, is_first: bool) -> None:
    """Tell the officers each time, and the company what follows: of a stop once, of a report its own mailbox."""
    if does == policy.STOP:
        notifications.disowned(request, event)
        if is_first:
            notifications.told("suspended", request, event)
        return
    until = policy.alarm_until(request)
    notifications.disowned(request, event, until=until)
    if said_by.mailbox:
        notifications.alarm_received(request, event, to=said_by.mailbox, until=until)


def _go_on(request: FormalRequest) -> None:
    """The deadline, and the time to apply it, get what was left of them when it stopped."""
    stopped, instant = request.suspended_at, now()
    assert stopped is not None
    request.suspended_at = None
    saved = ["suspended_at", *TURN]
    if request.status == Status.SUBMITTED and request.due_at is not None:
        request.due_at += instant - stopped
    elif request.due_minutes_left is None:
        stop_clock(request, stopped)
        restart_clock(request, instant)
    if request.status == Status.APPROVED and request.execute_before is not None:
        hours = attention_hours()
        left = hours.hours_between(stopped, request.execute_before)
        request.execute_before = request.due_at = hours.add_hours(instant, left)
        saved.append("execute_before")
    request.save(update_fields=saved)
