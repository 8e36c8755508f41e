"""Receive what an authority asks for, and say how it was answered (M2)."""

from django.db import transaction

from accounts.models import User
from factureya.core import audit, locking, numbers
from factureya.core.clock import now
from factureya.core.locking import save_once
from factureya.core.models import Attachment
from factureya.core.refusals import Invalid, WrongStatus
from tickets import notifications, policy
from tickets.models.authority import FOLIO_PREFIX, AuthorityRequest

MIN_OUTCOME, MAX_OUTCOME = 10, 1000  # characters
Status = AuthorityRequest.Status


def receive_request(
    *,
    unit: str,
    official: str,
    position: str,
    email: str,
    document_number: str,
    taxpayer_rfc: str,
    body: str,
    document: Attachment,
    form_key: str,
) -> AuthorityRequest:
    """Store a request of an authority with its document, and return it; sender and supervisors get a mail (M2).

    The mail says only that it came: nobody has proven yet who sent it. A double click (the same `form_key`) returns
    the request made first.
    """
    request = AuthorityRequest(
        folio=numbers.make_number(FOLIO_PREFIX),
        unit=unit,
        official=official,
        position=position,
        email=email,
        document_number=document_number,
        taxpayer_rfc=taxpayer_rfc,
        body=body,
        document=document,
        form_key=form_key,
    )
    with transaction.atomic():
        sent_before = AuthorityRequest.objects.filter(form_key=form_key)
        if (made := save_once(request, sent_before)) is not None:
            return made
        Attachment.objects.filter(pk=document.pk).update(draft="")  # taken: the sweep of orphans leaves it
        event = audit.record_first(
            "authority.received", request, actor=None, document_number=document_number, sha256=document.sha256
        )
        notifications.acknowledge_authority(request, event)
        notifications.tell_authority_arrived(request, event)
    return request


def close_request(pk: int, *, actor: User, is_answered: bool, outcome: str) -> AuthorityRequest:
    """Store that a request was answered, or that it is not to be, with what was done, and return it.

    Raises NotAllowed for who is no supervisor of ours, Invalid for a text of the wrong length, and WrongStatus if it
    was closed before.
    """
    with locking.locked(AuthorityRequest.objects.all(), pk) as request:
        person = User.objects.get(pk=actor.pk)
        policy.require(policy.may_answer_authority(person), "Lo atiende un supervisor de Factureya.")
        if not request.is_open:
            raise WrongStatus(f"Ya se atendió: {request.get_status_display().lower()}.")
        outcome = outcome.strip()
        if not MIN_OUTCOME <= len(outcome) <= MAX_OUTCOME:
            raise Invalid({"outcome": f"Escriba qué se hizo, de {MIN_OUTCOME} a {MAX_OUTCOME:,} caracteres."})
        request.status = Status.ANSWERED if is_answered else Status.REFUSED
        request.outcome, request.closed_by, request.closed_at = outcome, person, now()
        audit.record("authority.closed", request, actor=person, status=str(request.status), outcome=outcome)
        request.save(update_fields=["status", "outcome", "closed_by", "closed_at"])
    return request
