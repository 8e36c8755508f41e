"""Mails about formal requests, one function per occasion; each is rendered in the operation's transaction.

Staff reads the folio and whose turn it is, no data. The company's readers (`recipients`) each get a link «no fui yo» of
their own.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from accounts.models import Office, User
from change_requests import links, progress, recipients
from change_requests.kinds.fields import find_row, touches_risky
from change_requests.kinds.registry import find_kind, find_title
from change_requests.kinds.values import show_day
from change_requests.models import FormalRequest, Waiver
from change_requests.progress import find_people_in
from change_requests.recipients import Readers, Role
from factureya.core import clock
from factureya.core.mail import outbox
from factureya.core.models import Event
from factureya.core.record import anchors

Form, Status = FormalRequest.Form, FormalRequest.Status
SECRETS = {"confirm", "new_email_code", "set_password"}
ANCHORED = {"approved", "executed", "closed"}  # these name the last anchor, so that it stands in many mailboxes (M26)
# Who is added to those whose turn it is: at half of the time nobody, then mesa de control, then the IT head.
ESCALATION: dict[int, tuple[str, ...]] = {
    1: (),
    2: (Office.SUPERVISOR,),
    3: (Office.SUPERVISOR, Office.SECURITY_OFFICER, Office.IT_HEAD),
}


def mail_submitted(request: FormalRequest, event: Event) -> None:
    """Mail the receipt (*acuse*) of a sent request, with «no fui yo», to its followers and whoever is warned (M8).

    The address that must confirm the request gets the link to confirm it instead (M20).
    """
    items = request.read_payload()["items"]
    context = {
        "rows": [_describe_item(item) for item in items],
        "digest": request.read_revision().sha256,
        "requester": request.requester.get_full_name(),
        "until": request.due_at,
        "is_old_mail": touches_risky(items),  # mail or representative changes: explain why this address confirms
    }
    confirming = links.find_confirming_mail(request).lower()
    confirm_url = links.make_confirm_url(request)
    _mail_readers("confirm", request, event, {confirming: Role.REGISTERED}, confirm_url=confirm_url, **context)
    all_readers = {"submitted": recipients.find_followers(request), "warn_submitted": recipients.find_warned(request)}
    for template, readers in all_readers.items():
        readers.pop(confirming, None)  # this address got the mail with the link
        _mail_readers(template, request, event, readers, **context)


def mail_new_email_code(request: FormalRequest, event: Event, *, to: str, code: str) -> None:
    """Mail the code that proves the new registered mail to that address."""
    _mail("new_email_code", request, event, [to], code=code)


def mail_progress(template: str, request: FormalRequest, event: Event, **context: Any) -> None:
    """Mail the followers a notice of progress from this template; those in ANCHORED also quote the last anchor."""
    if template in ANCHORED:
        context["anchor"] = anchors.describe_anchor()
    _mail_readers(template, request, event, recipients.find_followers(request), **context)


def mail_approved(request: FormalRequest, event: Event, **context: Any) -> None:
    """Mail the approval to followers and whoever is warned; for a change, also to the company's other people."""
    mail_progress("approved", request, event, **context)
    warned = recipients.find_warned(request)
    _mail_readers("warn_approved", request, event, warned, **context)
    if request.form == Form.CHANGE:
        _mail_affected(request, event, without=set(warned))


def mail_executed(request: FormalRequest, event: Event, *, old_mail: str) -> None:
    """Tell the request's followers and whoever is warned, by mail, that it was applied, so that they can object.

    `old_mail` is the registered mail before the request changed it; empty if it did not. For whoever is warned, see
    `recipients.find_warned`.
    """
    mail_progress("executed", request, event)
    warned = recipients.find_warned(request, old_mail=old_mail)
    if find_kind(request).mails_link_to_person:  # that person gets the mail with the link instead
        warned = {address: role for address, role in warned.items() if role != Role.PERSON}
    _mail_readers("warn_executed", request, event, warned)


def mail_set_password(request: FormalRequest, event: Event, person: User) -> None:
    """Mail this person the single-use link of a *cambio de clave*, by which the person sets a new password (M7)."""
    until = clock.now() + timedelta(minutes=settings.PASSWORD_LINK_MINUTES)
    url = links.make_password_url(person, request)
    _mail_readers("set_password", request, event, {person.email.lower(): Role.PERSON}, url=url, until=until)


def mail_alarm_received(request: FormalRequest, event: Event, *, to: str, until: datetime) -> None:
    """Answer «no fui yo» after the execution, to the mailbox it came from: what follows and by when (M8)."""
    _mail("alarm_received", request, event, [to], until=until)


def mail_alarm_seen(request: FormalRequest, event: Event) -> None:
    """Mail all who said «no fui yo» about this executed request, if we know the mailbox: an officer looked at it."""
    objections = request.events().filter(verb="request.disowned").values_list("data", flat=True)
    mailboxes = {data["mailbox"] for data in objections if data.get("mailbox")}
    _mail("alarm_seen", request, event, sorted(mailboxes))


def mail_link_undelivered(request: FormalRequest, event: Event, *, to: str) -> None:
    """Tell the company and mesa de control that the mailed link of a *cambio de clave* came back and is void (M7)."""
    addresses = {person.email for person in find_people_in(Office.SUPERVISOR)}
    addresses |= set(recipients.find_followers(request))
    _mail("link_undelivered", request, event, sorted(addresses - {to.lower()}))  # mail to `to` comes back


def mail_your_turn(request: FormalRequest, event: Event) -> None:
    """Mail the staff whose turn it is now with the request: the folio, what to do, and by when."""
    waiting = progress.find_waiting(request)
    context = {"task": waiting.task.label, "until": waiting.due, "has_words": _has_mail_words(request)}
    _mail_staff("your_turn", request, event, progress.find_people(request), **context)


def mail_words_kept(request: FormalRequest, event: Event) -> None:
    """Tell mesa de control that words came by mail with a request which is not on its way to be verified (M20)."""
    _mail_staff("mail_kept", request, event, find_people_in(Office.SUPERVISOR))


def mail_deadline(request: FormalRequest, event: Event, *, level: int) -> None:
    """Remind staff, more people each time: `level` is 1 after half of the time, 2 at the deadline, 3 a day later."""
    waiting = progress.find_waiting(request)
    people = progress.find_people(request)
    others = [person for person in find_people_in(*ESCALATION[level]) if person not in people]
    context = {"level": level, "whose": waiting.who, "task": waiting.task.label, "until": waiting.due}
    _mail_staff("deadline", request, event, people, is_mine=True, **context)
    _mail_staff("deadline", request, event, others, is_mine=False, **context)


def mail_disowned(request: FormalRequest, event: Event, *, until: datetime | None = None) -> None:
    """Mail the security officers that somebody said «no fui yo»; after the execution also supervisors and superusers.

    `until` is the time by which an officer must look at it, if the request was applied.
    """
    is_applied = request.executed_at is not None
    officers = find_people_in(Office.SECURITY_OFFICER)
    overseers: list[User] = []
    if is_applied:
        superusers = User.objects.filter(is_active=True, is_superuser=True).order_by("pk")
        overseers = [*find_people_in(Office.SUPERVISOR), *superusers]
    context = {"is_applied": is_applied, "can_be_reverted": request.form == Form.CHANGE, "until": until}
    _mail_staff("disowned", request, event, officers, is_officer=True, **context)
    not_officers = [person for person in dict.fromkeys(overseers) if person not in officers]  # each person once
    _mail_staff("disowned", request, event, not_officers, is_officer=False, **context)


def mail_finding(template: str, request: FormalRequest, event: Event) -> None:
    """Tell the security officers and mesa de control what was found: an altered file, or a failed check (M21, M25)."""
    _mail_staff(template, request, event, find_people_in(Office.SECURITY_OFFICER, Office.SUPERVISOR))


def mail_check_due(request: FormalRequest, event: Event, waiver: Waiver) -> None:
    """Ask the waiver's checker for the independent check, and say by when (M25)."""
    _mail_staff("check_due", request, event, [waiver.checker], until=waiver.check_due)


def _mail(template: str, request: FormalRequest, event: Event, addresses: Iterable[str], **context: Any) -> None:
    """Put a mail for each address into the outbox, once per event; a mail with a secret is wiped after it was sent."""
    url = f"{settings.SITE_URL}/solicitudes/{request.folio}/"
    context = {"request": request, "url": url, "title": _find_title(request), **context}
    for address in addresses:
        outbox.enqueue(
            f"change_requests/{template}",
            key=f"{event.hash}:{template}:{hashlib.sha256(address.encode()).hexdigest()[:16]}",
            to=address,
            about=request.chain,
            context=context,
            is_secret=template in SECRETS,
        )


def _mail_readers(template: str, request: FormalRequest, event: Event, readers: Readers, **context: Any) -> None:
    """Mail each of these addresses of the company, with its own link «no fui yo» and why it gets the mail (M8)."""
    for address, role in sorted(readers.items()):
        not_me_url = links.make_not_me_url(request, address, role)
        why = recipients.explain_mail(request, address, role)
        _mail(template, request, event, [address], not_me_url=not_me_url, why=why, **context)


def _mail_staff(template: str, request: FormalRequest, event: Event, people: Iterable[User], **context: Any) -> None:
    """Mail these members of staff, with the URL of the request's page in mesa de control."""
    url = f"{settings.SITE_URL}/control/{request.folio}/"
    _mail(template, request, event, [person.email for person in people], url=url, **context)


def _mail_affected(request: FormalRequest, event: Event, *, without: set[str]) -> None:
    """Mail the company's other active people what will change, but not the new values.

    Left out are the requester, the followers, and the addresses `without`, which have a mail already.
    """
    payload = request.read_payload()
    title = find_title(request.form, request.kind, payload["items"])
    people = User.objects.filter(is_active=True, contact__customer=request.customer_id).exclude(pk=request.requester_id)
    addresses = set(people.values_list("email", flat=True)) - without - set(recipients.find_followers(request))
    is_service, day = find_kind(request).suspends_service, show_day(payload["effective_date"])
    subject = title[0].lower() + title[1:]  # in the mail it stands inside a sentence
    _mail("affected", request, event, sorted(addresses), is_service=is_service, on=day, subject=subject)


def _has_mail_words(request: FormalRequest) -> bool:
    """Return True if the request is being verified, and text or files came by mail for the verifier to read."""
    is_verifying = request.status == Status.VERIFYING
    return is_verifying and request.mail_texts.exclude(body="", files__isnull=True).exists()  # has text or files


def _find_title(request: FormalRequest) -> str:
    """Return the request's title for its mails, such as «Alta de Rosa Paredes»; for a draft the name of its form."""
    if not request.revision_no:
        return request.get_form_display()
    return find_title(request.form, request.kind, request.read_payload()["items"])


def _describe_item(item: dict[str, str]) -> dict[str, str]:
    """Return a change as the receipt shows it: label, old and new value. Of a representative it shows only the name."""
    field = find_row(item["field"])
    show = field.show_short or field.show
    return {"label": field.label, "old": show(item["old"]), "new": show(item["new"]) or "(ninguno)"}
