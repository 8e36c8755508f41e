"""A request before it is sent: begun, saved step by step, with its evidence; and opened again (M7, M19)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from accounts.models import Customer, Proof, User
from change_requests import policy
from change_requests.kinds.registry import list_kinds
from change_requests.models import Evidence, FormalRequest
from change_requests.operations._common import (
    SERVICE_SUSPENDED,
    Form,
    Status,
    lock_request,
    move_request,
    record_act,
    release_assets,
    require_none,
    require_requester,
    reread_allowed,
    reread_person,
)
from change_requests.operations._revisions import insert_draft
from change_requests.record.facts import describe_file
from factureya.core.clock import now
from factureya.core.models import Attachment
from factureya.core.refusals import Invalid, NotAllowed, Refused

MAX_EVIDENCE = 10
FILES_GONE = "Un archivo ya no está disponible; súbalo de nuevo."


def create_draft(
    *,
    actor: User,
    customer: Customer,
    form: str,
    kind: str,
    key: str = "",
    channel: str = FormalRequest.Channel.PORTAL,
    proof: Proof | None = None,
) -> FormalRequest:
    """Begin a request of `customer`, as its representative (M8), and return the draft.

    `key` is the form's one-time key: the same form posted twice returns the request that it began. Raises Invalid for
    an unknown kind, and NotAllowed without powers or while the service is suspended.
    """
    actor = reread_person(actor)
    if key and (earlier := FormalRequest.objects.filter(form_key=key, requester=actor).first()):
        return earlier
    if kind not in {known_kind.code for known_kind in list_kinds(Form(form))}:
        raise Invalid({"kind": "Elija qué solicita."})
    representative = policy.find_powers(actor, customer)
    if representative is None:
        require_none(policy.why_not_request(actor, customer))  # raises: the person has no powers
    if customer.is_suspended:
        raise NotAllowed(SERVICE_SUSPENDED)
    return insert_draft(
        actor,
        proof=proof,
        form=form,
        kind=kind,
        customer=customer,
        requester=actor,
        representative=representative,
        channel=channel,
        form_key=key or None,
    )


def save_draft(pk: int, *, actor: User, draft: dict[str, Any], proof: Proof | None = None) -> FormalRequest:
    """Save the answers of a step of the wizard, unchecked, and return the request; its other answers stay."""
    with _lock_own_draft(pk, actor, proof) as request:
        request.draft = {**request.draft, **draft}
        request.save(update_fields=["draft"])
        record_act("request.saved", request, actor=actor, steps=sorted(draft))
    return request


def add_evidence(pk: int, *, actor: User, files: Sequence[Attachment], proof: Proof | None = None) -> FormalRequest:
    """Add uploaded files to a draft as evidence. Raises Invalid for too many, Refused for a file in use already."""
    with _lock_own_draft(pk, actor, proof) as request:
        pks = list(dict.fromkeys(file.pk for file in files))
        count = Evidence.objects.filter(request=request, dropped_at__isnull=True).count()
        if count + len(pks) > MAX_EVIDENCE:
            raise Invalid({"evidence": f"Una solicitud lleva a lo más {MAX_EVIDENCE} archivos."})
        # An upload keeps its form's key in `draft` until something takes the file.
        if Attachment.objects.filter(pk__in=pks).exclude(draft="").update(draft="") != len(pks):
            raise Refused(FILES_GONE, "evidence")
        added = list(Attachment.objects.filter(pk__in=pks).order_by("pk"))
        Evidence.objects.bulk_create(Evidence(request=request, attachment=file, sha256=file.sha256) for file in added)
        evidence = [describe_file(file) for file in added]
        record_act("request.evidence_added", request, actor=actor, files=len(pks), evidence=evidence)
    return request


def remove_evidence(pk: int, *, actor: User, evidence: Evidence, proof: Proof | None = None) -> FormalRequest:
    """Leave a file of evidence out of the request's next revision; revisions that were sent with the file keep it."""
    with _lock_own_draft(pk, actor, proof) as request:
        rows = Evidence.objects.filter(pk=evidence.pk, request=request, dropped_at__isnull=True)
        if not rows.update(dropped_at=now()):
            raise Refused("Ese archivo ya no está en la solicitud.", "evidence")
        record_act("request.evidence_dropped", request, actor=actor, **describe_file(evidence.attachment))
    return request


def reopen_draft(pk: int, *, actor: User, proof: Proof | None = None) -> FormalRequest:
    """Turn a sent request into a draft again, so that its requester can edit it (M21).

    Nobody can decide about it until it is sent again; then it needs every approval again.
    """
    with lock_request(pk, *policy.REOPENABLE, proof=proof) as request:
        actor = reread_allowed(actor, policy.why_not_reopen, request)
        require_requester(request, actor)
        move_request(request, Status.DRAFT, "request.reopened", actor=actor, due_at=None)
        release_assets(request)
    return request


@contextmanager
def _lock_own_draft(pk: int, actor: User, proof: Proof | None) -> Iterator[FormalRequest]:
    """Lock and yield a draft, or a returned request, for its requester to edit. He must still have powers."""
    with lock_request(pk, *FormalRequest.EDITABLE, proof=proof) as request:
        require_requester(request, reread_allowed(actor, policy.why_not_request, request.customer))
        yield request
