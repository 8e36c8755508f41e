"""What the operations share: refusals, the lock, how a request moves, when its deadlines end, and people's texts."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

from django.db import transaction

from accounts.models import UNPROVEN, Customer, Proof, User
from change_requests import notifications
from change_requests.documents import evidence
from change_requests.models import FormalRequest, RequestedAsset
from change_requests.policy import STOPPED, refuse_status
from change_requests.record.facts import describe_columns
from factureya.core import audit
from factureya.core.calendar import load_attention_hours
from factureya.core.clock import now
from factureya.core.locking import lock
from factureya.core.mail import own_links
from factureya.core.models import Event
from factureya.core.refusals import Invalid, NotAllowed, Refused, Stale, WrongStatus

MIN_TEXT = 10  # characters that a reason, a question or a finding has at least
MAX_TEXT = 10_000  # characters that a person writes at most
MAX_OUTCOME: int = FormalRequest._meta.get_field("outcome_reason").max_length or 0
Status, Form, Kind = FormalRequest.Status, FormalRequest.Form, FormalRequest.Kind
SERVICE_SUSPENDED = "El servicio de la empresa está suspendido; escriba a mesa de control."
APPROVAL_EXPIRED = "La aprobación venció sin aplicarse."
TURN_COLUMNS = ("turn_since", "due_at", "due_minutes_left", "reminded")
# Nothing more will be applied: other requests may touch the same assets.
ENDED = frozenset(
    {Status.EXECUTED, Status.CLOSED, Status.REJECTED, Status.CANCELLED, Status.EXPIRED, Status.FAILED, Status.REVERTED}
)
# A waiver or a reverted request is rare and read when it is asked for: each join costs PostgreSQL time to plan.
_JOINED = ("customer", "requester", "representative", "implementer")


Subject = TypeVar("Subject", FormalRequest, Customer)


class StaleContent(Stale):
    """Say that the content is not the one that the person saw, and must be read again before it is decided."""

    def __init__(self) -> None:
        super().__init__("La solicitud cambió desde que abrió esta página. Lea el contenido nuevo antes de decidir.")


class NoPeople(Refused):
    """Say that no lawful set of people could decide and apply the request; the text names the missing office."""


class Recorded(Refused):
    """Say why an operation went no further; what it wrote before (the finding, the try) is committed all the same."""


class AlteredEvidence(Recorded, WrongStatus):
    """Say that stored files are missing or are not those that were sent."""

    def __init__(self, names: Sequence[str]) -> None:
        listed = ", ".join(f"«{name}»" for name in dict.fromkeys(names))
        super().__init__(
            f"La evidencia no es la que se envió: {listed}. No se registró nada y avisamos a Seguridad Informática."
        )


class WrongCode(Recorded, Invalid):
    """Say that the code which proves the new registered mail is wrong or spent."""


class TooLate(Recorded, WrongStatus):
    """Say that the time to apply the request is over, and that the request expired."""


class SentBack(Recorded):
    """Say that the execution was refused and the request is in approval again, and why."""


@contextmanager
def lock_request(
    pk: int, *statuses: str, is_stopped_too: bool = False, proof: Proof | None = None
) -> Iterator[FormalRequest]:
    """Open a transaction and yield the request, locked and read again, for an operation to change it.

    `proof` says how the operation's actor was authenticated; `record_act` puts it into the events of the request.
    Raises WrongStatus if its status is not one of `statuses`, or if «no fui yo» stopped it, unless `is_stopped_too`.
    A refusal in the block undoes what the block wrote. A `Recorded` refusal is raised after the writes are committed.
    """
    recorded_refusal = None
    with transaction.atomic():
        request = lock(FormalRequest.objects.select_related(*_JOINED), pk)
        if request.status not in statuses:
            raise refuse_status(request)
        if request.suspended_at is not None and not is_stopped_too:
            raise WrongStatus(STOPPED)
        request.proof = proof
        try:
            yield request
        except Recorded as refusal:
            recorded_refusal = refusal
    if recorded_refusal is not None:
        raise recorded_refusal


def lock_customer(request: FormalRequest) -> None:
    """Lock the request's company until the commit, and read it again into the request. Lock the request first."""
    request.customer = Customer.objects.select_for_update(no_key=True).get(pk=request.customer_id)


def reread_person(person: User) -> User:
    """Return the person, read again: offices, company and account may have changed since his page was shown."""
    return User.objects.select_related("contact__customer").get(pk=person.pk)


def require_none(refusal: Refused | None) -> None:
    """Raise the refusal that a `why_not_…` rule of the policy returned; None means that nothing speaks against it."""
    if refusal is not None:
        raise refusal


def reread_allowed(actor: User, why_not: Callable[[User, Subject], Refused | None], subject: Subject) -> User:
    """Return the actor, read again, if the policy's rule `why_not` lets him act on the request or company `subject`.

    Raises the refusal of that rule otherwise.
    """
    actor = reread_person(actor)
    require_none(why_not(actor, subject))
    return actor


def record_act(verb: str, request: FormalRequest, *, actor: User | None, **data: Any) -> Event:
    """Record and return an event of the request; a person's act says under `auth` how he was authenticated (M26)."""
    if actor is not None:
        data.setdefault("auth", (request.proof or UNPROVEN).as_data())
    return audit.record(verb, request, actor=actor, **data)


def save_with_act(request: FormalRequest, verb: str, *, actor: User | None, saved: Sequence[str], **data: Any) -> Event:
    """Save these columns of the request; record and return the event, which holds the columns as they are now."""
    request.save(update_fields=saved)
    return record_act(verb, request, actor=actor, columns=describe_columns(request, saved), **data)


def move_request(
    request: FormalRequest,
    status: str,
    verb: str,
    *,
    actor: User | None,
    due_at: datetime | None,
    saved: tuple[str, ...] = (),
    **data: Any,
) -> Event:
    """Save the request's new status, and record and return the event `verb` with its `data`.

    Somebody's turn to act begins now and ends at `due_at`; None means that it is nobody's turn. `saved` are more
    columns, which the caller has set. A status that ends the request frees its assets for other requests.
    """
    before, request.status = request.status, status
    request.turn_since = now() if due_at else None
    request.due_at, request.due_minutes_left, request.reminded = due_at, None, 0  # no stopped deadline; nobody reminded
    columns = ["status", *TURN_COLUMNS, *saved]
    request.save(update_fields=columns)
    if status in ENDED:
        release_assets(request)
    revision = request.revision_no
    data = {"before": before, "after": status, "revision": revision, **data}
    return record_act(verb, request, actor=actor, columns=describe_columns(request, columns), **data)


def move_with_reason(
    request: FormalRequest, status: str, verb: str, *, actor: User | None, reason: str, **data: Any
) -> Event:
    """Move the request to a status in which nobody has to act; store the reason in it and in the returned event."""
    request.outcome_reason = reason[:MAX_OUTCOME]
    data |= {"reason": request.outcome_reason}
    return move_request(request, status, verb, actor=actor, due_at=None, saved=("outcome_reason",), **data)


def release_assets(request: FormalRequest) -> None:
    """Let other requests touch the assets of this one."""
    RequestedAsset.objects.filter(request=request, open=True).update(open=False)


def stop_clock(request: FormalRequest, at: datetime) -> None:
    """Stop the request's deadline, for example while a question is open. The caller saves the request.

    The business minutes that are left at the instant `at` are kept for `restart_clock`: 0 when it is overdue.
    """
    if request.due_at is not None:
        hours_left = load_attention_hours().hours_between(at, request.due_at)
        request.due_minutes_left, request.due_at = round(hours_left * 60), None


def restart_clock(request: FormalRequest, at: datetime) -> None:
    """Let the request's stopped deadline go on, with the business minutes that were left; nothing is saved."""
    if request.due_minutes_left is not None:
        request.due_at = load_attention_hours().add_hours(at, request.due_minutes_left / 60)
        request.due_minutes_left = None


def add_business_days(days: int, start: datetime | None = None) -> datetime:
    """Return the same local time `days` business days after `start` (or now); outside hours, after the next opening."""
    return load_attention_hours().add_days(start or now(), days)


def expire_request(request: FormalRequest) -> None:
    """End the locked request as *vencida*, because nobody confirmed or applied it in time, and tell the company."""
    is_approved = request.status == Status.APPROVED
    reason = APPROVAL_EXPIRED if is_approved else "No se confirmó a tiempo desde el correo registrado."
    event = move_with_reason(request, Status.EXPIRED, "request.expired", actor=None, reason=reason)
    notifications.mail_progress("expired", request, event, reason=reason)


def require_requester(request: FormalRequest, actor: User) -> None:
    """Raise NotAllowed unless the actor began the request: it is his declaration, so only he edits and sends it."""
    if actor.pk != request.requester_id:
        raise NotAllowed("La edita y la envía quien la comenzó; usted puede retirarla o hacer otra.")


def require_unaltered_evidence(request: FormalRequest, actor: User) -> None:
    """Raise AlteredEvidence if a stored file of the locked request is not the one that was sent (M21).

    The finding is recorded first, and the officers get a mail.
    """
    if names := evidence.find_altered_in(request):
        record_altered_evidence(request, names, actor)
        raise AlteredEvidence(names)


def record_altered_evidence(request: FormalRequest, names: Sequence[str], actor: User) -> None:
    """Record which files of the locked request are altered, and mail the officers, once for the same files."""
    files = sorted(set(names))
    findings = request.events().filter(verb="request.evidence_altered").values_list("data", flat=True)
    if not any(data["files"] == files for data in findings):
        event = record_act("request.evidence_altered", request, actor=actor, files=files)
        notifications.mail_finding("evidence_altered", request, event)


def clean_text(text: str, *, field: str, text_name: str, at_least: int = MIN_TEXT, at_most: int = MAX_TEXT) -> str:
    """Return what a person wrote, without spare spaces and the links of our mails; line breaks stay (M16).

    Raises Invalid, with a message at the form's `field`, for a text that is too short or too long. `text_name` is what
    the message calls the text, such as «el motivo».
    """
    lines = own_links.cut_links(text).strip().splitlines()
    cleaned = "\n".join(" ".join(line.split()) for line in lines).strip()
    if len(cleaned) < at_least:
        raise Invalid({field: f"Escriba {text_name}, de al menos {at_least} caracteres."})
    if len(cleaned) > at_most:
        raise Invalid({field: f"Son hasta {at_most} caracteres y escribió {len(cleaned)}. Acorte el texto."})
    return cleaned


def clean_outcome(reason: str) -> str:
    """Return the written reason why a request ends, short enough for its column."""
    return clean_text(reason, field="reason", text_name="el motivo", at_most=MAX_OUTCOME)
