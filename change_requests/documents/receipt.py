"""The *acuse*: what was received, its hash, and what happens next and by when (M20).

It is made of the version that was sent and of the event that recorded it, so it is the same whenever it is drawn.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from change_requests.documents.form_draw import FOOT
from change_requests.documents.sheet import INK_2, MONO, Row, Sheet
from change_requests.kinds import labels
from change_requests.models import FormalRequest, RequestRevision
from factureya.core.calendar import load_attention_hours
from factureya.core.models import Event, OutboxMessage
from factureya.core.words import MONTHS_LONG

FROZEN = frozenset({"registered_email", "representative"})  # the assets whose execution waits


@dataclass(frozen=True)
class Acuse:
    """A receipt as plain values."""

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


def render(request: FormalRequest) -> bytes:
    """The acuse of the version that was sent last, as PDF. Raises RequestRevision.DoesNotExist for one never sent."""
    return draw(of(request))


def of(request: FormalRequest, no: int | None = None) -> Acuse:
    """The acuse of a version, by default the current one, as values."""
    revision = request.revisions.get(no=no or request.revision_no)
    said, event = json.loads(revision.payload), _event(request, revision)
    then = event.data if event else {}
    return Acuse(
        folio=request.folio,
        form=request.get_form_display(),
        rfc=said["customer_rfc"],
        title=labels.title(request.form, request.kind, said["items"]),
        company=then.get("company", request.customer.legal_name),
        requester=then.get("requester", revision.requester.get_full_name()),
        power=request.representative.get_power_kind_display(),
        channel=FormalRequest.Channel(then.get("channel", request.channel)).label,
        at=revision.created_at,
        version=revision.no,
        sha256=revision.sha256,
        rows=rows_of(said["items"]),
        reason=said["reason"],
        effective=labels.day(said["effective_date"]),
        evidence=[(file["name"], file["sha256"]) for file in said["evidence"]],
        steps=steps_of(request.form, {item["asset"] for item in said["items"]}, revision.created_at),
        anchor=event.hash if event else "",
    )


def attached(message: OutboxMessage) -> list[tuple[str, bytes, str]]:
    """The receipt that goes with the mail of a submission: of the version that its event recorded."""
    pk, event_hash = int(message.about.partition(":")[2]), message.key.partition(":")[0]
    event = Event.objects.get(chain=message.about, hash=event_hash)
    acuse = of(FormalRequest.objects.get(pk=pk), event.data["revision"])
    return [(f"acuse-{acuse.folio}.pdf", draw(acuse), "application/pdf")]


def rows_of(items: Sequence[labels.Item]) -> list[Row]:
    """What was asked, as people say it."""
    return [
        Row(labels.label(field), labels.value(field, item["old"]), labels.value(field, item["new"]))
        for item in items
        for field in [item["field"]]
    ]


def steps_of(form: str, assets: set[str], at: datetime) -> list[str]:
    """What happens next and by when, counted from the instant it was sent."""
    hours = load_attention_hours()
    confirmed = at + timedelta(hours=settings.REQUEST_CONFIRM_HOURS)
    verified = hours.add_days(at, settings.VERIFY_BUSINESS_DAYS)
    approved = hours.add_days(verified, settings.APPROVE_BUSINESS_DAYS)
    executed = hours.add_days(approved, settings.EXECUTE_BUSINESS_DAYS)
    deciders = (
        "el Responsable de Seguridad Informática"
        if form == FormalRequest.Form.ACCESS
        else "el Propietario de la Información y el Responsable de Seguridad Informática, cada uno por separado,"
    )
    steps = [
        f"Usted la confirma con el enlace enviado al correo registrado, a más tardar el {when(confirmed)}. "
        "Si no se confirma, vence y no cambia nada.",
        f"Mesa de control la verifica. Si la confirma hoy mismo, a más tardar el {when(verified)}.",
        f"La decide {deciders} con su razón por escrito, a más tardar el {when(approved)}. Nada cambia antes.",
        f"La ejecuta una persona ajena a Desarrollo, a más tardar el {when(executed)}, y le avisamos.",
    ]
    if assets & FROZEN and settings.SENSITIVE_FREEZE_HOURS:
        steps.append(
            f"Por su seguridad, el correo registrado y el representante cambian al menos "
            f"{settings.SENSITIVE_FREEZE_HOURS} horas después de aprobarse; avisamos también al correo anterior."
        )
    return steps


def draw(acuse: Acuse) -> bytes:
    """The PDF of a receipt."""
    sheet = Sheet("Acuse de recibo", subject=f"Acuse de la solicitud {acuse.folio}", foot=FOOT)
    sheet.paragraph(acuse.form, size=9.5, colour=INK_2)
    sheet.section(f"{acuse.folio} · {acuse.title}")
    for label, value in (
        ("Recibida", f"{when(acuse.at)} (hora del centro de México)"),
        ("Por", acuse.channel),
        ("Empresa", f"{acuse.company} · {acuse.rfc}"),
        ("La solicita", f"{acuse.requester}, {acuse.power.lower()}"),
        ("Versión", str(acuse.version)),
    ):
        sheet.pair(label, value)
    sheet.section("Qué se solicita")
    sheet.table(("Dato", "Hoy", "Nuevo"), acuse.rows)
    sheet.pair("Motivo", acuse.reason)
    sheet.pair("Cuándo aplicarlo", acuse.effective or "Al ejecutarse")
    _evidence(sheet, acuse)
    sheet.note("Qué sigue", [f"{number}. {step}" for number, step in enumerate(acuse.steps, start=1)])
    _hashes(sheet, acuse)
    return sheet.as_bytes()


def when(at: datetime) -> str:
    """«1 de diciembre de 2026 a las 10:05», local time."""
    local = timezone.localtime(at)
    return f"{local.day} de {MONTHS_LONG[local.month - 1]} de {local.year} a las {local:%-H:%M}"


def _evidence(sheet: Sheet, acuse: Acuse) -> None:
    if not acuse.evidence:
        sheet.pair("Evidencia", "Ninguna")
    for name, sha256 in acuse.evidence:
        sheet.pair("Evidencia", name)
        sheet.pair("", sha256, font=MONO)


def _hashes(sheet: Sheet, acuse: Acuse) -> None:
    """What proves later that nothing was altered."""
    sheet.section("Huella de lo que se recibió")
    sheet.pair("SHA-256 del contenido", acuse.sha256, font=MONO)
    if acuse.anchor:
        sheet.pair("Eslabón de la bitácora", acuse.anchor, font=MONO)
    sheet.paragraph(
        "Guarde este acuse. Quienes deciden ven exactamente el contenido de esta huella, y ese mismo contenido es el "
        "que se ejecuta: si alguien lo alterara, ya no coincidiría. ¿No la pidió usted? Use el enlace «No fui yo» del "
        "correo o llame al 01 800 63 22 887.",
        size=9,
        colour=INK_2,
    )


def _event(request: FormalRequest, revision: RequestRevision) -> Event | None:
    """The event of this submission: its hash is a link of the request's chain, and it holds the names of then."""
    events = Event.objects.filter(chain=request.chain, verb="request.submitted")
    found = [event for event in events if event.data.get("revision") == revision.no]
    return found[-1] if found else None
