"""Build the archive (*expediente*) of a request: its data for a page, and a ZIP that proves itself (M20, M21, M26).

The ZIP holds a script, of Python's standard library alone, that recomputes every hash. The same request gives the same
bytes. The last hash of its chain of events is shown in the portal, to be compared with a copy.
"""

import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from django.db.models import Prefetch

from change_requests import payload
from change_requests.documents import receipt
from change_requests.models import Decision, DecisionSlot, Evidence, FormalRequest
from factureya.core.files import store
from factureya.core.models import ChainHead, Event

VERIFIER = Path(__file__).with_name("verify_expediente.py")
MANIFEST, MANIFEST_HASH = "manifiesto.json", "manifiesto.sha256"
_IN_MEMORY = 8 * 1024 * 1024  # bytes of a ZIP; what is larger goes to a temporary file
_EPOCH = (1980, 1, 1, 0, 0, 0)
# Columns of the tables, as the archive shows them.
_REQUEST = """
    folio form kind status status_label channel chain revision_no outcome_reason created_at submitted_at confirmed_at
    verified_at designated_at approved_at execute_after execute_before executed_at closed_at suspended_at
"""
_DECISION = "revision_no sha256 office decider_name verdict reason decided_at assignment_id"
_WAIVER = "reason controls implementer_id approved_by_id approved_at checker_id check_due checked_at findings conform"
_PEOPLE = ("requester", "verified_by", "implementer", "designated_by")
README = """Expediente de la solicitud {folio}

Para comprobar que nadie alteró nada, con Python 3.8 o posterior y sin instalar nada más:

    python verify_expediente.py

Compare el último eslabón que le muestra con el que el portal enseña en la página del expediente. El del acuse se
comprueba así:

    python verify_expediente.py --eslabon <el eslabón que dice el acuse>

solicitud.json      la solicitud y su estado
versiones/          el contenido de cada versión, tal como se aprobó y se ejecutó
decisiones.json     quién aprobó o rechazó, con qué cargo, qué versión y por qué
aclaraciones.json   preguntas y respuestas
correos.json        lo que decía el correo que trajo el formato
dispensas.json      excepciones a la separación de funciones
ejecuciones.json    qué se aplicó: antes y después
bitacora.json       todos los eventos, cada uno con la huella del anterior
evidencia/          los archivos que se presentaron
acuses/             el acuse de cada versión
"""


def collect_archive(request: FormalRequest) -> dict[str, Any]:
    """Return all data of a formal request as JSON values, in a fixed number of queries.

    The keys are the names of the files in the ZIP. The caller has checked who may see the request.
    """
    joined = FormalRequest.objects.select_related("customer", "representative", "revert_of", *_PEOPLE)
    request = joined.get(pk=request.pk)
    return {
        "solicitud": _describe_request(request),
        "versiones": [
            _read_columns(row, "no", "requester_id", "author_id", "sha256", "created_at", "payload")
            | {"author_name": row.author.get_full_name()}
            for row in request.revisions.select_related("author").order_by("no")
        ],
        "decisiones": list(_list_decisions(request)),
        "aclaraciones": [
            _read_columns(row, "pk", "answers_id", "author_id", "author_name", "body", "at")
            for row in request.clarifications.order_by("pk")
        ],
        "correos": [
            _read_columns(row, "pk", "author_id", "author_name", "body", "at")
            | {"files": [{"name": file.attachment.name, "sha256": file.sha256} for file in row.files.all()]}
            for row in request.mail_texts.prefetch_related("files__attachment").order_by("pk")
        ],
        "dispensas": [_read_columns(row, *_WAIVER.split()) for row in request.waivers.order_by("pk")],
        "ejecuciones": [
            _read_columns(
                row, "revision_no", "sha256", "executor_id", "executor_name", "result", "before", "after", "at"
            )
            for row in request.executions.order_by("pk")
        ],
        "evidencia": [_describe_evidence(row) for row in _find_evidence(request)],
        "bitacora": [
            _read_columns(row, "chain", "seq", "prev", "verb", "at", "actor_id", "actor_name", "data", "hash")
            for row in Event.objects.filter(chain=request.chain).order_by("seq")
        ],
        "cabeza": _find_chain_head(request),
    }


def build_zip(request: FormalRequest) -> IO[bytes]:
    """Return the archive of a formal request as an open ZIP file at its beginning; the caller closes the file.

    Stored evidence that is lost is left out, so that the verifying script names it.
    """
    out: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 (the caller closes it)
    entries: dict[str, dict[str, Any]] = {}
    data = collect_archive(request)
    with ZipFile(out, "w", ZIP_DEFLATED) as archive:
        for name, content in _list_files(request, data):
            _add_file(archive, name, content)
            entries[name] = {"sha256": payload.hash_bytes(content), "size": len(content)}
        manifest = _dump_json({"folio": request.folio, "files": entries, "head": data["cabeza"], "version": 1})
        _add_file(archive, MANIFEST, manifest)
        _add_file(archive, MANIFEST_HASH, f"{payload.hash_bytes(manifest)}  {MANIFEST}\n".encode())
    out.seek(0)
    return out


def _list_files(request: FormalRequest, data: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each file of a request's ZIP, in order, except the manifest that lists them."""
    yield "LEAME.txt", README.format(folio=request.folio).encode()
    yield VERIFIER.name, VERIFIER.read_bytes()
    for version in data["versiones"]:
        yield f"versiones/{version['no']}.json", version["payload"].encode()
        yield f"acuses/{version['no']}.pdf", receipt.draw_receipt(receipt.read_receipt(request, version["no"]))
    versions = [{key: row[key] for key in row if key != "payload"} for row in data["versiones"]]
    for part in "solicitud decisiones aclaraciones correos dispensas ejecuciones bitacora evidencia".split():
        yield f"{part}.json", _dump_json(data[part])
    yield "versiones.json", _dump_json(versions)
    names = set()
    for evidence in _find_evidence(request):
        name = f"evidencia/{evidence.sha256[:12]}-{evidence.attachment.name}"
        if name not in names and (content := _read_stored_file(evidence)) is not None:
            names.add(name)  # versions may share a file
            yield name, content


def _describe_request(request: FormalRequest) -> dict[str, Any]:
    """Return what the archive says of the request itself: its columns, and its people by name and key."""
    people = {name: getattr(request, name) for name in _PEOPLE}
    return {
        **_read_columns(request, *_REQUEST.split()),
        "customer": request.customer.legal_name,
        "rfc": request.customer.rfc,
        "representative": request.representative.line,
        "revert_of": request.revert_of.folio if request.revert_of else None,
        **{name: person.get_full_name() if person else None for name, person in people.items()},
        **{f"{name}_id": person.pk if person else None for name, person in people.items()},
    }


def _list_decisions(request: FormalRequest) -> Iterator[dict[str, Any]]:
    """Yield what the archive says of each decision, with its slots: an owner has one per asset, security has one."""
    slots = Prefetch("slots", DecisionSlot.objects.select_related("asset").order_by("pk"))
    for row in Decision.objects.filter(request=request).prefetch_related(slots).order_by("pk"):
        yield {
            **_read_columns(row, *_DECISION.split()),
            "requester": row.requester_id,
            "decider": row.decider_id,
            "slots": [
                {"asset": slot.asset.code if slot.asset else None, "voided_at": _show_instant(slot.voided_at)}
                for slot in row.slots.all()
            ],
        }


def _find_evidence(request: FormalRequest) -> list[Evidence]:
    """Return the evidence of every sent version of the request, including what a later version left out."""
    sent = Evidence.objects.filter(request=request, revision_no__isnull=False)
    return list(sent.select_related("attachment").order_by("pk"))


def _describe_evidence(evidence: Evidence) -> dict[str, Any]:
    """Return what the archive says of one file of evidence, besides the file itself."""
    file = evidence.attachment
    return {
        "name": file.name,
        "size": file.size,
        "sha256": evidence.sha256,
        "type": file.content_type,
        "revision_no": evidence.revision_no,
        "dropped_at": _show_instant(evidence.dropped_at),
    }


def _read_stored_file(evidence: Evidence) -> bytes | None:
    """Return the bytes of a file of evidence, or None if the store lost the file."""
    try:
        _, file = store.open_for_download(evidence.attachment)
    except FileNotFoundError:
        return None
    with file:
        content: bytes = file.read()
    return content


def _find_chain_head(request: FormalRequest) -> dict[str, Any]:
    """Return number and hash of the last event in the request's chain; zeros for a chain without events."""
    head = ChainHead.objects.filter(chain=request.chain).first()
    return {"seq": head.seq, "hash": head.hash} if head else {"seq": 0, "hash": "0" * 64}


def _read_columns(row: Any, *names: str) -> dict[str, Any]:
    """Return these columns of a row as JSON values."""
    values = {name: getattr(row, name) for name in names}
    return {name: _show_instant(value) if isinstance(value, datetime) else value for name, value in values.items()}


def _show_instant(at: datetime | None) -> str | None:
    """Return an instant as ISO text in UTC; None for None."""
    return at.astimezone(UTC).isoformat(timespec="microseconds") if at else None


def _dump_json(value: Any) -> bytes:
    """Return the value as readable JSON with sorted keys."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1).encode()


def _add_file(archive: ZipFile, name: str, content: bytes) -> None:
    """Add a file to the ZIP with a fixed date, so that the same content gives the same bytes."""
    entry = ZipInfo(name, _EPOCH)
    entry.compress_type, entry.external_attr = ZIP_DEFLATED, 0o644 << 16
    archive.writestr(entry, content)
