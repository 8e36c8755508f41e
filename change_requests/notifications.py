"""Mails about formal requests, one function per verb; rendered in the operation's transaction.

To staff: the folio and whose turn it is, no data. To the company: its registered mail, whoever asked, and whoever it
takes something from (`recipients`), each with a link «no fui yo» of his own.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from accounts.models import Office, RoleAssignment, User
from change_requests import links, policy, recipients
from change_requests.approvals import Slot
from change_requests.kinds import content
from change_requests.kinds.fields import find_row, touches_risky
from change_requests.kinds.registry import find_kind, find_title
from change_requests.kinds.values import show_day
from change_requests.models import FormalRequest, Waiver
from change_requests.recipients import Readers, Role
from factureya.core import clock
from factureya.core.mail import outbox
from factureya.core.models import Event

Form, Status = FormalRequest.Form, FormalRequest.Status
SECRETS = {"confirm", "new_email_code", "set_password"}


# -- To the company ----------------------------------------------------------------------------------


def submitted(request: FormalRequest, event: Event) -> None:
    """The acuse, with the link that confirms to the registered mail, and «no fui yo» (M8, M20)."""
    payload = content.payload_of(request)
    more = {
        "rows": [_row(item) for item in payload["items"]],
        "digest": content.revision_of(request).sha256,
        "requester": request.requester.get_full_name(),
        "until": request.due_at,
        "is_old_mail": touches_risky(payload["items"]),
    }
    to = links.confirmed_from(request).lower()
    confirm_url = links.confirm_url(request)
    _send_each("confirm", request, event, {to: Role.REGISTERED}, confirm_url=confirm_url, **more)
    others = recipients.of_company(request)
    others.pop(to, None)
    _send_each("submitted", request, event, others, **more)
    warned = recipients.warned(request)
    warned.pop(to, None)
    _send_each("warn_submitted", request, event, warned, **more)


def new_email_code(request: FormalRequest, event: Event, *, to: str, code: str) -> None:
    """The code that proves the new registered mail."""
    _send("new_email_code", request, event, [to], code=code)


def told(verb: str, request: FormalRequest, event: Event, **more: Any) -> None:
    """One of the notices of progress to the company: what happened, what comes next and by when."""
    _send_each(verb, request, event, recipients.of_company(request), **more)


def executed(request: FormalRequest, event: Event, *, old_mail: str) -> None:
    """It was applied: tell the company and, with a way to object, whoever lost a mail, powers or access."""
    told("executed", request, event)
    warned = recipients.warned(request, old_mail=old_mail)
    if find_kind(request).mails_link_to_person:  # the mail with the link says it too
        warned = {address: role for address, role in warned.items() if role != Role.PERSON}
    _send_each("warn_executed", request, event, warned)


def approved(request: FormalRequest, event: Event, **more: Any) -> None:
    """It was approved: tell the company, whoever it takes something from, and the other people it touches."""
    told("approved", request, event, **more)
    warned = recipients.warned(request)
    _send_each("warn_approved", request, event, warned, **more)
    if request.form == Form.CHANGE:
        _affected(request, event, not_these=set(warned))


def _affected(request: FormalRequest, event: Event, *, not_these: set[str]) -> None:
    """Tell the other people of the company, at approval; it delays nothing."""
    payload = content.payload_of(request)
    people = User.objects.filter(is_active=True, contact__customer=request.customer_id)
    others = people.exclude(pk=request.requester_id).values_list("email", flat=True)
    _send(
        "affected",
        request,
        event,
        sorted(set(others) - not_these - set(recipients.of_company(request))),
        is_service=find_kind(request).suspends_service,
        on=show_day(payload["effective_date"]),
        subject=_subject(request, payload),
    )


def set_password(request: FormalRequest, event: Event, person: User) -> None:
    """The single-use link of a cambio de clave, to the person's own mail (M7)."""
    until = clock.now() + timedelta(minutes=settings.PASSWORD_LINK_MINUTES)
    url = links.set_password_url(person, request)
    to = {person.email.lower(): Role.PERSON}
    _send_each("set_password", request, event, to, url=url, until=until)


def alarm_received(request: FormalRequest, event: Event, *, to: str, until: datetime) -> None:
    """Answer «no fui yo» after the execution, to the mailbox it came from: what follows and by when (M8)."""
    _send("alarm_received", request, event, [to], until=until)


def alarm_seen(request: FormalRequest, event: Event) -> None:
    """Tell the mailboxes that said «no fui yo» after the execution that an officer looked at it."""
    _send("alarm_seen", request, event, sorted(objectors(request)))


def link_undelivered(request: FormalRequest, event: Event, *, to: str) -> None:
    """Tell the company and mesa de control that the link of a cambio de clave came back and is void (M7)."""
    others = {person.email for person in holders_of(Office.SUPERVISOR)} | set(recipients.of_company(request))
    _send("link_undelivered", request, event, sorted(others - {to.lower()}))


# -- To staff ----------------------------------------------------------------------------------------


def your_turn(request: FormalRequest, event: Event, slots: list[Slot] | None = None) -> None:
    """Tell whoever must act next, at once: folio and task."""
    turn = policy.turn_of(request)
    people = deciders(request, slots)
    _send(
        "your_turn",
        request,
        event,
        [p.email for p in people],
        task=turn.task,
        until=turn.until,
        url=control_url(request),
        has_words=_has_words(request),
    )


def mail_kept(request: FormalRequest, event: Event) -> None:
    """Words came by mail with a request that is not on its way to be verified: mesa de control reads them (M20)."""
    people = holders_of(Office.SUPERVISOR)
    _send("mail_kept", request, event, [p.email for p in people], url=control_url(request))


def deadline(request: FormalRequest, event: Event, *, level: int) -> None:
    """Half of the time, due, overdue: each adds people; silence never approves."""
    turn = policy.turn_of(request)
    mine = deciders(request)
    added = holders_of(*ESCALATION[level])
    for people, is_mine in ((mine, True), ([p for p in added if p not in mine], False)):
        _send(
            "deadline",
            request,
            event,
            [p.email for p in people],
            level=level,
            is_mine=is_mine,
            whose=turn.who,
            task=turn.task,
            until=turn.until,
            url=control_url(request),
        )


# Who is added to those whose turn it is: at half of the time nobody, then mesa de control, then the IT head.
ESCALATION: dict[int, tuple[str, ...]] = {
    1: (),
    2: (Office.SUPERVISOR,),
    3: (Office.SUPERVISOR, Office.SECURITY_OFFICER, Office.IT_HEAD),
}


def disowned(request: FormalRequest, event: Event, *, until: datetime | None = None) -> None:
    """«No fui yo»: the security officers look at it; after the execution mesa de control and superusers hear too."""
    is_applied = request.executed_at is not None
    offices = [Office.SECURITY_OFFICER, *([Office.SUPERVISOR] if is_applied else [])]
    people = {person.email: Office.SECURITY_OFFICER for person in holders_of(Office.SECURITY_OFFICER)}
    people |= {p.email: "" for p in holders_of(*offices) if p.email not in people}
    if is_applied:
        roots = User.objects.filter(is_active=True, is_superuser=True).order_by("pk")
        people |= {person.email: "" for person in roots if person.email not in people}
    for address, office in people.items():
        _send(
            "disowned",
            request,
            event,
            [address],
            is_applied=is_applied,
            is_officer=bool(office),
            can_be_reverted=request.form == Form.CHANGE,
            until=until,
            url=control_url(request),
        )


def objectors(request: FormalRequest) -> set[str]:
    """Return the mailboxes that said «no fui yo», as far as they are known."""
    said = request.events().filter(verb="request.disowned").values_list("data", flat=True)
    return {data["mailbox"] for data in said if data.get("mailbox")}


def evidence_altered(request: FormalRequest, event: Event) -> None:
    """A stored file is not the one that was sent: the security officers and mesa de control look at it (M21)."""
    people = holders_of(Office.SECURITY_OFFICER, Office.SUPERVISOR)
    _send("evidence_altered", request, event, [p.email for p in people], url=control_url(request))


def check_due(request: FormalRequest, event: Event, waiver: Waiver) -> None:
    """The independent check of a waiver: its checker, by when (M25)."""
    until, url = waiver.check_due, control_url(request)
    _send("check_due", request, event, [waiver.checker.email], until=until, url=url)


def check_failed(request: FormalRequest, event: Event) -> None:
    """The independent check found something: the security officers and mesa de control decide what follows."""
    people = holders_of(Office.SECURITY_OFFICER, Office.SUPERVISOR)
    _send("check_failed", request, event, [p.email for p in people], url=control_url(request))


def deciders(request: FormalRequest, slots: list[Slot] | None = None) -> list[User]:
    """The people whose turn it is, of staff; none while it is the company's."""
    turn = policy.turn_of(request)
    if turn.is_customer or not turn.offices:
        return []
    if turn.task == "decidirla":
        waiting = policy.pending(policy.slots_of(request) if slots is None else slots)
        pks = {pk for slot in waiting for pk in slot.deciders}
        return list(User.objects.filter(pk__in=pks).order_by("pk"))
    if request.status == Status.APPROVED and request.implementer is not None:
        return [request.implementer]
    return holders_of(*turn.offices)


def holders_of(*offices: str) -> list[User]:
    """The active people who hold one of these offices now."""
    held = RoleAssignment.objects.in_force().filter(office__in=offices)
    return list(User.objects.filter(is_active=True, pk__in=held.values("user")).order_by("pk"))


def portal_url(request: FormalRequest) -> str:
    """The company's page of the request."""
    return f"{settings.SITE_URL}/solicitudes/{request.folio}/"


def control_url(request: FormalRequest) -> str:
    """Mesa de control's page of the request."""
    return f"{settings.SITE_URL}/control/{request.folio}/"


# -- Private -----------------------------------------------------------------------------------------


def _send(verb: str, request: FormalRequest, event: Event, to: Iterable[str], **context: Any) -> None:
    """One mail per address, rendered now; a link that acts is wiped once it was sent."""
    kind = f"change_requests/{verb}"
    whole = {"request": request, "url": portal_url(request), "title": title_of(request), **context}
    for address in to:
        outbox.enqueue(
            kind,
            key=f"{event.hash}:{verb}:{hashlib.sha256(address.encode()).hexdigest()[:16]}",
            to=address,
            about=request.chain,
            context=whole,
            is_secret=verb in SECRETS,
        )


def _send_each(verb: str, request: FormalRequest, event: Event, to: Readers, **context: Any) -> None:
    """One mail per address with a link «no fui yo» of its own, so that it is known who objected (M8)."""
    for address, role in sorted(to.items()):
        _send(
            verb,
            request,
            event,
            [address],
            not_me_url=links.not_me_url(request, address, role),
            why=recipients.reason_for(request, address, role),
            **context,
        )


def _has_words(request: FormalRequest) -> bool:
    """Whether whoever verifies it has words or files of a mail to read."""
    is_verified = request.status != Status.VERIFYING
    return not is_verified and request.mail_texts.exclude(body="", files__isnull=True).exists()


def title_of(request: FormalRequest) -> str:
    """«Cambio de domicilio fiscal y teléfono», «Alta de Rosa Paredes»; of a draft, its form's name."""
    if not request.revision_no:
        return request.get_form_display()
    return find_title(request.form, request.kind, content.payload_of(request)["items"])


def _subject(request: FormalRequest, payload: dict[str, Any]) -> str:
    """What is changed, without a value."""
    title = find_title(request.form, request.kind, payload["items"])
    return title[0].lower() + title[1:]


def _row(item: dict[str, str]) -> dict[str, str]:
    """One line of the acuse; a representative by name."""
    row = find_row(item["field"])
    show = row.show_short or row.show
    return {"label": row.label, "old": show(item["old"]), "new": show(item["new"]) or "(ninguno)"}
