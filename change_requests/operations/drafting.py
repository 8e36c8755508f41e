"""A request before it is sent: begun, saved step by step, with its evidence; and opened again (M7, M19)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError, transaction

from accounts.models import Customer, User
from change_requests import policy
from change_requests.models import Evidence, FormalRequest, RequestedAsset
from change_requests.operations._locking import Form, Status, current, locked, move, refuse
from change_requests.operations.errors import Invalid, NotAllowed, Refused
from factureya.core import audit, numbers
from factureya.core.clock import now
from factureya.core.models import Attachment

MAX_NUMBER_TRIES = 5
MAX_EVIDENCE = 10
SUSPENDED = "El servicio de la empresa está suspendido; escriba a mesa de control."
FILES_GONE = "Un archivo ya no está disponible; súbalo de nuevo."


def create_draft(
    *,
    actor: User,
    customer: Customer,
    form: str,
    kind: str,
    key: str = "",
    channel: str = FormalRequest.Channel.PORTAL,
) -> FormalRequest:
    """Begin a request of `customer` with a new folio (M8: by its representative, with powers in force).

    A second call with the same `key` by the same person returns the request of the first. Raises NotAllowed, Invalid.
    """
    actor = current(actor)
    if key and (first := FormalRequest.objects.filter(form_key=key, requester=actor).first()):
        return first
    if kind not in FormalRequest.KINDS.get(Form(form), ()):
        raise Invalid({"kind": "Elija qué solicita."})
    representative = policy.powers_of(actor, customer)
    if representative is None:
        refuse(policy.may_request(actor, customer))
    if customer.is_suspended:
        raise NotAllowed(SUSPENDED)
    fields = {
        "form": form,
        "kind": kind,
        "customer": customer,
        "requester": actor,
        "representative": representative,
        "channel": channel,
        "form_key": key or None,
    }
    return begin(actor, **fields)


def begin(actor: User, **fields: Any) -> FormalRequest:
    """Insert a draft under a new folio, with its first event."""
    prefix = FormalRequest.PREFIXES[Form(fields["form"])]
    for attempt in range(MAX_NUMBER_TRIES):
        folio = numbers.new(prefix)
        try:
            with transaction.atomic():
                request = FormalRequest.objects.create(folio=folio, **fields)
                audit.begin(
                    "request.created",
                    request,
                    actor=actor,
                    form=request.form,
                    kind=request.kind,
                    channel=request.channel,
                    revert_of=request.revert_of and request.revert_of.folio,
                )
                return request
        except IntegrityError:
            key = fields.get("form_key")
            if key and (first := FormalRequest.objects.filter(form_key=key).first()):
                return _same(first, actor)
            if attempt == MAX_NUMBER_TRIES - 1:
                raise
    raise AssertionError("unreachable")  # pragma: no cover


def save_draft(pk: int, *, actor: User, draft: dict[str, Any]) -> FormalRequest:
    """Keep what was answered so far; nothing is checked until it is sent. What `draft` doesn't name stays."""
    with _own_draft(pk, actor) as request:
        request.draft = {**request.draft, **draft}
        request.save(update_fields=["draft"])
        audit.record("request.saved", request, actor=actor, steps=sorted(draft))
    return request


def add_evidence(pk: int, *, actor: User, files: Sequence[Attachment]) -> FormalRequest:
    """Take files that were uploaded with the form; each can be taken once. Raises Refused, Invalid."""
    with _own_draft(pk, actor) as request:
        pks = list(dict.fromkeys(file.pk for file in files))
        kept = Evidence.objects.filter(request=request, dropped_at__isnull=True).count()
        if kept + len(pks) > MAX_EVIDENCE:
            raise Invalid({"evidence": f"Una solicitud lleva a lo más {MAX_EVIDENCE} archivos."})
        if Attachment.objects.filter(pk__in=pks).exclude(draft="").update(draft="") != len(pks):
            raise Refused(FILES_GONE, "evidence")
        Evidence.objects.bulk_create(
            Evidence(request=request, attachment=file, sha256=file.sha256)
            for file in Attachment.objects.filter(pk__in=pks).order_by("pk")
        )
        audit.record("request.evidence_added", request, actor=actor, files=len(pks))
    return request


def remove_evidence(pk: int, *, actor: User, evidence: Evidence) -> FormalRequest:
    """Leave a file out of the next revision; those that carried it keep it."""
    with _own_draft(pk, actor) as request:
        dropped = Evidence.objects.filter(pk=evidence.pk, request=request, dropped_at__isnull=True)
        if not dropped.update(dropped_at=now()):
            raise Refused("Ese archivo ya no está en la solicitud.", "evidence")
        audit.record("request.evidence_dropped", request, actor=actor, sha256=evidence.sha256)
    return request


def reopen_draft(pk: int, *, actor: User) -> FormalRequest:
    """Edit what was sent: it is a draft again, and what is sent next is a new revision that voids approvals (M21).

    Until then nobody decides it, and other requests may touch its data.
    """
    with locked(pk, *policy.REOPENABLE) as request:
        actor = current(actor)
        refuse(policy.may_reopen(actor, request))
        require_requester(request, actor)
        move(request, Status.DRAFT, "request.reopened", actor=actor, due_at=None)
        RequestedAsset.objects.filter(request=request, open=True).update(open=False)
    return request


def require_requester(request: FormalRequest, actor: User) -> None:
    """Only who began a request edits and sends it: the content is his word."""
    if actor.pk != request.requester_id:
        raise NotAllowed("La edita y la envía quien la comenzó; usted puede retirarla o hacer otra.")


@contextmanager
def _own_draft(pk: int, actor: User) -> Iterator[FormalRequest]:
    """The locked draft (or returned request) of this person, who still has powers."""
    with locked(pk, *FormalRequest.EDITABLE) as request:
        now_is = current(actor)
        refuse(policy.may_request(now_is, request.customer))
        require_requester(request, now_is)
        yield request


def _same(first: FormalRequest, actor: User) -> FormalRequest:
    if first.requester_id != actor.pk:
        raise Refused("Este formulario ya se había enviado. Comience otra vez.")
    return first
