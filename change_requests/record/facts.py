"""What events say of people, files and mails, so that a request can be told from its events alone (M26).

Every function returns JSON values without floats. No function returns a link or a code.
"""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from accounts.models import Customer, Representative, User
from change_requests.models import Decision, Evidence, Execution, FormalRequest, ReceivedForm
from factureya.core.models import Attachment


def show_instant(at: datetime | None) -> str | None:
    """Return an instant as ISO text in UTC with microseconds; None for None."""
    return at.astimezone(UTC).isoformat(timespec="microseconds") if at else None


def hash_text(text: str) -> str:
    """Return the SHA-256 of what a person wrote, so that an event proves the text without repeating it."""
    return hashlib.sha256(text.encode()).hexdigest()


def describe_columns(request: FormalRequest, names: Iterable[str]) -> dict[str, Any]:
    """Return columns of a request as JSON: instants in UTC, a person by his key. The state check compares them."""
    fields = (request._meta.get_field(name) for name in names)
    values = {field.name: getattr(request, field.attname) for field in fields}  # type: ignore[union-attr]
    return {name: show_instant(value) if isinstance(value, datetime) else value for name, value in values.items()}


def describe_person(person: User) -> dict[str, Any]:
    """Return the key and the name of a person."""
    return {"pk": person.pk, "name": person.get_full_name()}


def describe_customer(customer: Customer) -> dict[str, Any]:
    """Return the key, the legal name and the RFC of a company."""
    return {"pk": customer.pk, "name": customer.legal_name, "rfc": customer.rfc}


def describe_representative(representative: Representative) -> dict[str, Any]:
    """Return who represents a company, with which powers, from when until when, and the hash of the document."""
    document = representative.document
    return {
        "pk": representative.pk,
        "name": representative.name,
        "rfc": representative.rfc,
        "email": representative.email,
        "power_kind": representative.power_kind,
        "instrument": representative.instrument,
        "valid_from": representative.valid_from.isoformat(),
        "valid_until": representative.valid_until.isoformat() if representative.valid_until else None,
        "document_sha256": document.sha256 if document else None,
    }


def describe_file(file: Attachment) -> dict[str, Any]:
    """Return the name, the hash and the size of a stored file."""
    return {"name": file.name, "sha256": file.sha256, "bytes": file.size}


def list_files(rows: Iterable[Evidence]) -> list[dict[str, Any]]:
    """Return name, hash and size of each file of evidence; `attachment` was read with the rows."""
    return [describe_file(row.attachment) for row in rows]


def describe_form(received: ReceivedForm) -> dict[str, Any]:
    """Return the name, the hash and the size of a PDF form that came by mail."""
    return {"name": received.name, "sha256": received.sha256, "bytes": received.size}


def describe_mail(received: ReceivedForm) -> dict[str, Any]:
    """Return what is known of the mail that brought a form: sender, Message-ID, date, verdict and the mail's hash."""
    return {
        "from": received.sender,
        "message_id": received.message_id,
        "date": show_instant(received.sent_at),
        "verdict": received.verdict,
        "sha256": received.mail_sha256,
    }


def describe_decision(decision: Decision) -> dict[str, Any]:
    """Return a decision for its event: hash of the content, office, by which right, verdict, assets and instant.

    `mandate` is `owner`, `alternate` if the decider replaced the owner of one of the assets, or "" for security.
    """
    slots = decision.slots.select_related("asset").order_by("pk")
    assets = [slot.asset for slot in slots if slot.asset is not None]
    is_owner = all(asset.owner_id == decision.decider_id for asset in assets)
    mandate = "" if not assets else "owner" if is_owner else "alternate"
    return {
        "sha256": decision.sha256,
        "office": str(decision.office),
        "office_assignment": decision.assignment_id,
        "mandate": mandate,
        "verdict": str(decision.verdict),
        "assets": [asset.code for asset in assets],
        "decided_at": show_instant(decision.decided_at),
    }


def describe_execution(execution: Execution) -> dict[str, Any]:
    """Return an execution for its event: the hash of the content, the values before and after, and when."""
    return {
        "sha256": execution.sha256,
        "values_before": execution.before,
        "values_after": execution.after,
        "at": show_instant(execution.at),
    }


def find_received_form(request: FormalRequest) -> ReceivedForm | None:
    """Return the last form that came by mail for the request; None if it was sent in the portal."""
    if request.channel != FormalRequest.Channel.EMAIL:
        return None
    return request.received_forms.order_by("pk").last()
