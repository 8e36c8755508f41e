"""How a request ends or stops: closed, withdrawn, «no fui yo», resumed; and what undoes it."""

from datetime import timedelta

from accounts.models import UNPROVEN, Proof, Representative, User
from change_requests import notifications, policy
from change_requests.guards.requests import SLACK_DAYS
from change_requests.kinds import content
from change_requests.links import NO_LINK, MailedLink, Objector
from change_requests.models import FormalRequest
from change_requests.operations._common import (
    TURN_COLUMNS,
    Kind,
    Status,
    clean_outcome,
    clean_text,
    lock_customer,
    lock_request,
    move_request,
    move_with_reason,
    reread_allowed,
    restart_clock,
    save_with_act,
    stop_clock,
)
from change_requests.operations._revisions import insert_draft, send_revision
from factureya.core.calendar import load_attention_hours
from factureya.core.clock import now
from factureya.core.models import Event
from factureya.core.refusals import Refused

NOBODY = Objector()
MIN_REVERT_REASON = 20
# Nights, weekends and holidays within the time that is given back.
WINDOW_SLACK = timedelta(days=SLACK_DAYS)


def close(pk: int, *, actor: User, proof: Proof | None = None) -> FormalRequest:
    """Close an applied request, as a supervisor, and tell the company. Raises Refused while a waiver's check is due."""
    with lock_request(pk, Status.EXECUTED, proof=proof) as request:
        actor = reread_allowed(actor, policy.why_not_close, request)
        if request.waiver is not None and request.waiver.check_due and not request.waiver.checked_at:
            raise Refused("Falta la revisión independiente de la excepción.")
        request.closed_at = now()
        event = move_request(request, Status.CLOSED, "request.closed", actor=actor, due_at=None, saved=("closed_at",))
        notifications.mail_progress("closed", request, event)
    return request


def withdraw(pk: int, *, actor: User, reason: str, proof: Proof | None = None) -> FormalRequest:
    """Cancel a request before it is applied, as its company or as mesa de control; no data of the company changes."""
    with lock_request(pk, *policy.WITHDRAWABLE, is_stopped_too=True, proof=proof) as request:
        actor = reread_allowed(actor, policy.why_not_withdraw, request)
        event = move_with_reason(
            request, Status.CANCELLED, "request.withdrawn", actor=actor, reason=clean_outcome(reason)
        )
        if request.revision_no:  # 0: it was never sent
            notifications.mail_progress("cancelled", request, event, reason=request.outcome_reason)
    return request


def not_me(
    pk: int,
    *,
    actor: User | None = None,
    objector: Objector = NOBODY,
    link: MailedLink = NO_LINK,
    proof: Proof | None = None,
) -> FormalRequest:
    """Stop the request, because a person says «no fui yo» (not mine). If it was applied, raise an alarm (M8).

    `objector` is the mailbox, if known. Nothing happens if the request was never sent or has ended. Nothing happens
    while an earlier objection of that mailbox waits for an officer. An alarm goes to security, mesa and superusers.
    """
    with lock_request(pk, *Status, is_stopped_too=True, proof=proof) as request:
        effect = policy.find_objection_effect(request)
        if not effect or _has_objected(request, objector):
            return request
        column = "suspended_at" if effect == policy.STOP else "alarmed_at"  # before the execution, or after it
        is_first = getattr(request, column) is None
        if is_first:
            setattr(request, column, now())
        event = save_with_act(
            request,
            "request.disowned",
            actor=actor,
            saved=[column] if is_first else [],
            revision=request.revision_no,
            status=request.status,
            before_status=request.status,
            suspended=effect == policy.STOP,
            mailbox=objector.mailbox,
            role=objector.role,
            auth=(proof or UNPROVEN).as_data(),
            **link.as_data(),
        )
        _mail_objection(request, event, objector, effect, is_first)
    return request


def mark_alarm_seen(pk: int, *, actor: User, reason: str, proof: Proof | None = None) -> FormalRequest:
    """Record what the security officer found about a «no fui yo» after the execution, and end its alarm (M8)."""
    with lock_request(pk, *Status, is_stopped_too=True, proof=proof) as request:
        actor = reread_allowed(actor, policy.why_not_mark_alarm_seen, request)
        text = clean_text(reason, field="reason", text_name="lo que comprobó")
        request.alarmed_at, request.alarm_seen_at, request.alarm_seen_by = None, now(), actor
        saved = ("alarmed_at", "alarm_seen_at", "alarm_seen_by")
        event = save_with_act(request, "request.alarm_seen", actor=actor, saved=saved, reason=text[:1000])
        notifications.mail_alarm_seen(request, event)
    return request


def resume(pk: int, *, actor: User, reason: str, proof: Proof | None = None) -> FormalRequest:
    """Continue a request that a «no fui yo» had stopped, as the security officer, and mail company and staff.

    Its deadlines move: they get back the time that was left when the request was stopped.
    """
    with lock_request(pk, *Status, is_stopped_too=True, proof=proof) as request:
        actor = reread_allowed(actor, policy.why_not_resume, request)
        text = clean_text(reason, field="reason", text_name="el motivo")
        saved, revision = _restart_deadlines(request, actor), request.revision_no
        event = save_with_act(request, "request.resumed", actor=actor, saved=saved, reason=text, revision=revision)
        notifications.mail_progress("resumed", request, event, reason=text)
        if request.status == Status.SUBMITTED:  # the link sent before may have expired meanwhile
            notifications.mail_submitted(request, event)
        notifications.mail_your_turn(request, event)
    return request


def revert(pk: int, *, actor: User, reason: str, proof: Proof | None = None) -> FormalRequest:
    """Send and return a new request that undoes an applied one: it puts the old values back.

    The new one needs the same approvals; when it is executed, the applied one becomes *revertida*. Raises Refused if
    today's values are no longer those that were applied.
    """
    with lock_request(pk, Status.EXECUTED, Status.CLOSED, is_stopped_too=True, proof=proof) as request:
        actor = reread_allowed(actor, policy.why_not_revert, request)
        lock_customer(request)
        text = clean_text(reason, field="reason", text_name="el motivo", at_least=MIN_REVERT_REASON)
        representative = _choose_representative(request, actor)
        items = [{**item, "old": item["new"], "new": item["old"]} for item in request.read_payload()["items"]]
        if any(content.find_value_today(request, item) != item["old"] for item in items):
            raise Refused("Los datos de hoy ya no son los que dejó esa solicitud; presente una de cambio.")
        reversal = insert_draft(
            actor,
            proof=proof,
            form=request.form,
            kind=Kind.CHANGE,
            customer=request.customer,
            requester=representative.user,
            representative=representative,
            revert_of=request,
            draft={"reason": text},
        )
        send_revision(reversal, items, author=actor, evidence=[])
    return reversal


def _choose_representative(request: FormalRequest, actor: User) -> Representative:
    """Return the representative in whose name a reversal of the request is asked.

    The actor comes first, then the request's representative, then any with powers. Raises Refused if nobody is left.
    """
    powers = Representative.objects.filter(
        customer=request.customer, user__is_active=True, user__contact__customer=request.customer
    ).in_force()
    preferred = powers.filter(user=actor).first() or powers.filter(pk=request.representative_id).first()
    representative = preferred or powers.order_by("pk").first()
    if representative is None:
        raise Refused("La empresa no tiene hoy un representante con poderes vigentes y cuenta.")
    return representative


def _has_objected(request: FormalRequest, objector: Objector) -> bool:
    """Return True if this mailbox ("" if unknown) said «no fui yo» and no officer has answered that yet."""
    since = request.suspended_at or request.alarmed_at
    if since is None:
        return False
    events = request.events().filter(verb="request.disowned", at__gte=since)
    return any(data.get("mailbox", "") == objector.mailbox for data in events.values_list("data", flat=True))


def _mail_objection(request: FormalRequest, event: Event, objector: Objector, effect: str, is_first: bool) -> None:
    """Mail each «no fui yo» to the officers; if it is the first one that stops the request, mail the company too.

    If the request was applied already, also tell the objector by mail until when an officer looks at the objection.
    """
    if effect == policy.STOP:
        notifications.mail_disowned(request, event)
        if is_first:
            notifications.mail_progress("suspended", request, event)
        return
    until = policy.find_alarm_deadline(request)
    notifications.mail_disowned(request, event, until=until)
    if objector.mailbox:
        notifications.mail_alarm_received(request, event, to=objector.mailbox, until=until)


def _restart_deadlines(request: FormalRequest, actor: User) -> list[str]:
    """Let the deadlines of a stopped request go on with the time that was left; return the columns to save.

    The time to confirm counts all hours, the others business hours. If a question is open, no deadline runs. `actor`
    resumed it. The time to apply it grows by no more than the stop plus WINDOW_SLACK: the database demands it.
    """
    stopped_at, instant = request.suspended_at, now()
    assert stopped_at is not None  # why_not_resume
    request.suspended_at, request.resumed_at, request.resumed_by = None, instant, actor
    saved = ["suspended_at", "resumed_at", "resumed_by", *TURN_COLUMNS]
    if request.status == Status.SUBMITTED and request.due_at is not None:
        request.due_at += instant - stopped_at
    elif request.due_minutes_left is None:  # no question is open
        stop_clock(request, stopped_at)  # as if it had stood still since the «no fui yo»
        restart_clock(request, instant)
    if request.status == Status.APPROVED and request.execute_before is not None:
        hours = load_attention_hours()
        hours_left = hours.hours_between(stopped_at, request.execute_before)
        latest = request.execute_before + (instant - stopped_at) + WINDOW_SLACK
        request.execute_before = request.due_at = min(hours.add_hours(instant, hours_left), latest)
        saved.append("execute_before")
    return saved
