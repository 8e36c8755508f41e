"""Draw the receipt (*acuse*): what was received, its hash, and what happens next and by when (M20).

It is made of the sent version and the event that recorded it, so it is the same whenever it is drawn.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from change_requests import payload
from change_requests.documents.form_draw import FOOT
from change_requests.documents.sheet import INK_2, MONO, Row, Sheet
from change_requests.documents.signing import find_present_key
from change_requests.kinds.fields import RISKY_ASSETS, find_row
from change_requests.kinds.registry import find_title
from change_requests.kinds.values import Item, show_day
from change_requests.models import FormalRequest, RequestRevision
from factureya.core.calendar import MONTHS_LONG, load_attention_hours
from factureya.core.models import Event, OutboxMessage
from factureya.core.record.anchors import describe_anchor

# A younger anchor may not have been committed when the receipt was drawn first; it must look the same ever after.
SEALED_BEFORE = timedelta(minutes=1)


@dataclass(frozen=True)
class Receipt:
    """Hold a receipt as plain values."""

    folio: str
    form: str
    title: str
    company: str
    rfc: str
    requester: str
    power: str
    channel: str
    at: datetime
    version: int
    sha256: str
    rows: Sequence[Row]
    reason: str
    effective: str
    evidence: Sequence[tuple[str, str]]  # name, SHA-256
    steps: Sequence[str]
    anchor: str  # the hash of the event that recorded it
    sealed: str  # the day's anchor of the log that was the last one then, in words


def hash_facts(request: FormalRequest, revision: RequestRevision) -> str:
    """Return the SHA-256 of the facts that the receipt of a version states, as canonical JSON (M20, M26).

    The event of the submission keeps it. It cannot be the hash of the PDF, which prints the hash of that event. Words
    and deadlines are left out, because we may word them differently later.
    """
    facts = {
        "folio": request.folio,
        "form": str(request.form),
        "company": request.customer.legal_name,
        "rfc": request.customer.rfc,
        "requester": revision.requester.get_full_name(),
        "power_kind": str(request.representative.power_kind),
        "channel": str(request.channel),
        "at": revision.created_at.astimezone(UTC).isoformat(timespec="microseconds"),
        "version": revision.no,
        "sha256": revision.sha256,
    }
    return payload.hash_bytes(payload.write_canonical(facts))


def render_receipt(request: FormalRequest) -> bytes:
    """Return the receipt of the last version as PDF. Raise RequestRevision.DoesNotExist for a request never sent."""
    return draw_receipt(read_receipt(request))


def read_receipt(request: FormalRequest, no: int | None = None) -> Receipt:
    """Return the values of the receipt for version `no` of the request, by default its current version.

    Company and requester have the names that they had when the version was sent.
    """
    revision = request.revisions.get(no=no or request.revision_no)
    content, event = json.loads(revision.payload), _find_submission(request, revision)
    recorded = event.data if event else {}  # names and channel as they were then
    return Receipt(
        folio=request.folio,
        form=request.get_form_display(),
        rfc=content["customer_rfc"],
        title=find_title(request.form, request.kind, content["items"]),
        company=recorded.get("company", request.customer.legal_name),
        requester=_read_requester(recorded) or revision.requester.get_full_name(),
        power=request.representative.get_power_kind_display(),
        channel=FormalRequest.Channel(recorded.get("channel", request.channel)).label,
        at=revision.created_at,
        version=revision.no,
        sha256=revision.sha256,
        rows=list_rows(content["items"]),
        reason=content["reason"],
        effective=show_day(content["effective_date"]),
        evidence=[(file["name"], file["sha256"]) for file in content["evidence"]],
        steps=list_steps(request.form, {item["asset"] for item in content["items"]}, revision.created_at),
        anchor=event.hash if event else "",
        sealed=describe_anchor(before=revision.created_at - SEALED_BEFORE),  # the last anchor (daily seal) by then
    )


def attach_receipt(message: OutboxMessage) -> list[tuple[str, bytes, str]]:
    """Return the receipt, as name, bytes and type, to attach to a mail about a submission.

    The mail's `about` ends in the request's key. Its `key` begins with the hash of an event that holds the version.
    """
    pk, event_hash = int(message.about.partition(":")[2]), message.key.partition(":")[0]
    event = Event.objects.get(chain=message.about, hash=event_hash)
    receipt = read_receipt(FormalRequest.objects.get(pk=pk), event.data["revision"])
    return [(f"acuse-{receipt.folio}.pdf", draw_receipt(receipt), "application/pdf")]


def list_rows(items: Sequence[Item]) -> list[Row]:
    """Return the rows of the receipt's table: each item's field with its old and new value in words."""
    return [
        Row(field.label, field.show(item["old"]), field.show(item["new"]))
        for item in items
        for field in [find_row(item["field"])]  # a list of one, to name the field
    ]


def list_steps(form: str, assets: set[str], submitted_at: datetime) -> list[str]:
    """Return the receipt's steps: what happens to the request next and by when, in Spanish.

    Every deadline is counted from the instant `submitted_at`. A change of registered mail or representative (in
    `assets`) waits some hours more, so that the company can object in time.
    """
    hours = load_attention_hours()
    confirmed = submitted_at + timedelta(hours=settings.REQUEST_CONFIRM_HOURS)
    verified = hours.add_days(submitted_at, settings.VERIFY_BUSINESS_DAYS)
    approved = hours.add_days(verified, settings.APPROVE_BUSINESS_DAYS)
    executed = hours.add_days(approved, settings.EXECUTE_BUSINESS_DAYS)
    deciders = (
        "el Responsable de Seguridad Informática"
        if form == FormalRequest.Form.ACCESS
        else "el Propietario de la Información y el Responsable de Seguridad Informática, cada uno por separado,"
    )
    steps = [
        f"Usted la confirma con el enlace enviado al correo registrado, a más tardar el {show_instant(confirmed)}. "
        "Si no se confirma, vence y no cambia nada.",
        f"Mesa de control la verifica. Si la confirma hoy mismo, a más tardar el {show_instant(verified)}.",
        f"La decide {deciders} con su razón por escrito, a más tardar el {show_instant(approved)}. Nada cambia antes.",
        f"La ejecuta una persona ajena a Desarrollo, a más tardar el {show_instant(executed)}, y le avisamos.",
    ]
    if assets & RISKY_ASSETS and settings.SENSITIVE_FREEZE_HOURS:
        steps.append(
            f"Por su seguridad, el correo registrado y el representante cambian al menos "
            f"{settings.SENSITIVE_FREEZE_HOURS} horas después de aprobarse; avisamos también al correo anterior."
        )
    return steps


def draw_receipt(receipt: Receipt) -> bytes:
    """Return the receipt (acuse) of a formal request as a PDF."""
    sheet = Sheet("Acuse de recibo", subject=f"Acuse de la solicitud {receipt.folio}", foot=FOOT)
    sheet.draw_paragraph(receipt.form, size=9.5, colour=INK_2)
    sheet.draw_section(f"{receipt.folio} · {receipt.title}")
    for label, value in (
        ("Recibida", f"{show_instant(receipt.at)} (hora del centro de México)"),
        ("Por", receipt.channel),
        ("Empresa", f"{receipt.company} · {receipt.rfc}"),
        ("La solicita", f"{receipt.requester}, {receipt.power.lower()}"),
        ("Versión", str(receipt.version)),
    ):
        sheet.draw_pair(label, value)
    sheet.draw_section("Qué se solicita")
    sheet.draw_table(("Dato", "Hoy", "Nuevo"), receipt.rows)
    sheet.draw_pair("Motivo", receipt.reason)
    sheet.draw_pair("Cuándo aplicarlo", receipt.effective or "Al ejecutarse")
    _draw_evidence(sheet, receipt)
    sheet.draw_note("Qué sigue", [f"{number}. {step}" for number, step in enumerate(receipt.steps, start=1)])
    _draw_hashes(sheet, receipt)
    return sheet.finish()


def show_instant(instant: datetime) -> str:
    """Return an instant in Spanish words and local time: «1 de diciembre de 2026 a las 10:05»."""
    local = timezone.localtime(instant)
    return f"{local.day} de {MONTHS_LONG[local.month - 1]} de {local.year} a las {local:%-H:%M}"


def _draw_evidence(sheet: Sheet, receipt: Receipt) -> None:
    """Draw name and hash of each file of evidence in the receipt, or that there is none."""
    if not receipt.evidence:
        sheet.draw_pair("Evidencia", "Ninguna")
    for name, sha256 in receipt.evidence:
        sheet.draw_pair("Evidencia", name)
        sheet.draw_pair("", sha256, font=MONO)


def _draw_hashes(sheet: Sheet, receipt: Receipt) -> None:
    """Draw the receipt's hashes, with which the company can prove later that nothing was altered."""
    sheet.draw_section("Huella de lo que se recibió")
    sheet.draw_pair("SHA-256 del contenido", receipt.sha256, font=MONO)
    if receipt.anchor:
        sheet.draw_pair("Eslabón de la bitácora", receipt.anchor, font=MONO)
    if receipt.sealed:
        sheet.draw_pair("Último sello", receipt.sealed)
    sheet.draw_pair("Llave del expediente", find_present_key().fingerprint, font=MONO)
    sheet.draw_paragraph(
        "Guarde este acuse. Quienes deciden ven exactamente el contenido de esta huella, y ese mismo contenido es el "
        "que se ejecuta: si alguien lo alterara, ya no coincidiría. Con la huella de la llave se comprueba la firma "
        "del expediente, aunque el portal ya no exista; el programa está en el portal, en /solicitudes/verificador/. "
        "¿No la pidió usted? Use el enlace «No fui yo» del correo o llame al 01 800 63 22 887.",
        size=9,
        colour=INK_2,
    )


def _read_requester(recorded: dict[str, Any]) -> str:
    """Return the requester's name in the data of a submission's event; "" if none. Older events hold the name alone."""
    requester = recorded.get("requester", "")
    return str(requester["name"] if isinstance(requester, dict) else requester)


def _find_submission(request: FormalRequest, revision: RequestRevision) -> Event | None:
    """Return the last event that says that this version of the request was submitted; None if there is none."""
    events = Event.objects.filter(chain=request.chain, verb="request.submitted")
    submissions = [event for event in events if event.data.get("revision") == revision.no]
    return submissions[-1] if submissions else None
