"""Build the archive (*expediente*) of a request: a signed ZIP whose data files are derived from its events (M20, M26).

The verifier derives them again and compares, so a field that no event holds is not in the ZIP. What the tables say
is compared too, when the ZIP is made: a difference is written into the signed manifest, and the verifier reports it.
The same request gives the same bytes, while the key and the latest anchor are the same.
"""

import json
import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from django.db.models import Q

from change_requests.documents import receipt, signing, verify_expediente
from change_requests.documents.anchoring import find_anchor_line
from change_requests.models import Evidence, FormalRequest, ReceivedForm
from change_requests.record import state_checks
from factureya.core.files import store
from factureya.core.models import Attachment, ChainHead, Event

VERIFIER = Path(__file__).with_name("verify_expediente.py")
_MAX_IN_MEMORY = 8 * 1024 * 1024  # bytes of a ZIP; what is larger goes to a temporary file
_FIXED_DATE = (1980, 1, 1, 0, 0, 0)
_EVENT_COLUMNS = "chain seq prev verb at actor_id actor_name data hash".split()


def collect_archive(request: FormalRequest) -> dict[str, Any]:
    """Return the data files of a request's archive, by their names in the ZIP, as JSON values (M20, M26).

    The verifier's own code derives most of them from the events, as it will do again when somebody checks the archive.
    The number of queries is fixed. The caller has checked who may see the request.
    """
    events = _read_events(Q(chain=request.chain))
    revisions = list(request.revisions.order_by("no"))
    contents = {row.no: json.loads(row.payload) for row in revisions}
    received_at = {row.no: _show_instant(row.created_at) for row in revisions}
    texts = {verify_expediente.hash_text(text): text for text in _list_texts(request)}
    data = verify_expediente.derive_files(events, contents, texts, received_at)
    data |= {verify_expediente.EVENTS: events, verify_expediente.OFFICES: _list_offices(request, events)}
    if (anchor := find_anchor_line(request.chain)) is not None:
        data[verify_expediente.ANCHOR] = anchor
    return data


def build_zip(request: FormalRequest) -> IO[bytes]:
    """Return the archive of a formal request as an open ZIP file at its beginning; the caller closes the file.

    Stored evidence that is lost is left out, so that the verifier names it.
    """
    data = collect_archive(request)
    file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_MAX_IN_MEMORY)  # noqa: SIM115 (the caller closes it)
    try:
        _write_zip(request, data, file)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def _write_zip(request: FormalRequest, data: dict[str, Any], file: IO[bytes]) -> None:
    """Write the archive of a formal request, of which `data` are the JSON files, into `file` as a signed ZIP."""
    entries: dict[str, dict[str, Any]] = {}
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for name, content in _list_files(request, data):
            _add_file(archive, name, content)
            entries[name] = verify_expediente.describe_file(content)
        manifest = verify_expediente.dump_json(_describe_manifest(request, data, entries))
        _add_file(archive, verify_expediente.MANIFEST, manifest)
        _add_file(archive, verify_expediente.MANIFEST_HASH, verify_expediente.write_hash_line(manifest))
        signature = verify_expediente.describe_signature(*signing.sign(manifest))
        _add_file(archive, verify_expediente.SIGNATURE, verify_expediente.dump_json(signature))


def hash_verifier() -> str:
    """Return the SHA-256 of the verifier, which the portal publishes beside the key."""
    return verify_expediente.sha256(VERIFIER.read_bytes())


def _describe_manifest(request: FormalRequest, data: dict[str, Any], entries: dict[str, Any]) -> dict[str, Any]:
    """Return what is signed: the files, the end of the chain, and where the tables differ from the events."""
    last = data[verify_expediente.EVENTS][-1]
    return {
        "version": verify_expediente.FORMAT,
        "folio": data[verify_expediente.REQUEST].get("folio"),
        "files": entries,
        "head": {"seq": last["seq"], "hash": last["hash"]},
        "differences": _list_differences(request, last["seq"]),
    }


def _list_differences(request: FormalRequest, seq: int) -> list[str]:
    """Return, in words, where the rows or the chain's end differ from the events read; `seq` is of the last one."""
    differences = [f"evento {flaw.seq}: {flaw.problem}" for flaw in state_checks.find_flaws_of(request.pk)]
    last_seq = ChainHead.objects.filter(chain=request.chain).values_list("seq", flat=True).first() or 0
    if last_seq < seq:  # it may be higher, as events are appended while we read; a chain never gets shorter
        differences.append(f"la cadena debía terminar en el evento {last_seq}")
    return differences


def _list_files(request: FormalRequest, data: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each file of a request's ZIP, in order, except the manifest and its signature."""
    folio = data[verify_expediente.REQUEST].get("folio")
    yield verify_expediente.README, verify_expediente.README_TEXT.format(folio=folio).encode()
    yield VERIFIER.name, VERIFIER.read_bytes()
    for name, value in data.items():
        yield name, verify_expediente.dump_json(value)
    for revision in request.revisions.order_by("no"):
        yield verify_expediente.name_version_file(revision.no), revision.payload.encode()
        yield f"acuses/{revision.no}.pdf", receipt.draw_receipt(receipt.read_receipt(request, revision.no))
    by_hash = {file["sha256"]: file for file in data[verify_expediente.EVIDENCE]}
    rows = Evidence.objects.filter(request=request, sha256__in=by_hash).select_related("attachment").order_by("pk")
    attachments = {row.sha256: row.attachment for row in rows}
    for sha256, file in by_hash.items():
        if sha256 in attachments and (content := _read_stored_file(attachments[sha256])) is not None:
            # The same file may have been sent under several names.
            for name in sorted({row["name"] for row in data[verify_expediente.EVIDENCE] if row["sha256"] == sha256}):
                yield verify_expediente.name_stored_file("evidencia", file["sha256"], name), content
    yield from _list_received(request, data)


def _list_received(request: FormalRequest, data: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yield the PDF forms that came by mail, and their mails as they came.

    A mail with forms of several companies is left out: each company's archive would show what concerns another.
    """
    is_shared = any(row.get("shared") for row in data[verify_expediente.MAILS])
    yielded_names: set[str] = set()
    for row in ReceivedForm.objects.filter(request=request).select_related("attachment", "inbound").order_by("pk"):
        files = [] if is_shared else [(row.mail_sha256, "correo.eml", row.inbound.raw)]
        if row.attachment is not None and (content := _read_stored_file(row.attachment)) is not None:
            files.append((row.sha256, row.name, content))
        for sha256, file_name, content in files:
            name = verify_expediente.name_stored_file("recibido", sha256, file_name)
            if name not in yielded_names:  # the same form may have come twice
                yielded_names.add(name)
                yield name, content


def _list_texts(request: FormalRequest) -> Iterator[str]:
    """Yield the long texts of a request's rows; for some of them, the events keep only the hash."""
    for waiver in request.waivers.order_by("pk"):
        yield from (f"{waiver.reason}\n{waiver.controls}", waiver.findings)  # the event hashes the first two together
    yield from request.decisions.order_by("pk").values_list("reason", flat=True)
    yield from request.clarifications.order_by("pk").values_list("body", flat=True)
    yield from request.mail_texts.order_by("pk").values_list("body", flat=True)


def _list_offices(request: FormalRequest, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the events that gave or ended the offices of whoever acted, and named the owners of the assets.

    They are in the chains of these people and assets. Events after the request's last one are left out, so that the
    archive of a request that ended stays the same.
    """
    people = {event["actor_id"] for event in events if event["actor_id"] is not None}
    assets = request.requested_assets.select_related("asset")
    chains = {f"user:{pk}" for pk in people} | {row.asset.chain for row in assets}
    about_offices = Q(verb__startswith="office.") | Q(verb__in=("staff.joined", "asset.owner_set"))
    return _read_events(about_offices & Q(chain__in=chains, at__lte=datetime.fromisoformat(events[-1]["at"])))


def _read_events(which: Q) -> list[dict[str, Any]]:
    """Return these events as JSON values, by chain and number."""
    rows: Iterable[dict[str, Any]] = Event.objects.filter(which).order_by("chain", "seq").values(*_EVENT_COLUMNS)
    return [{**row, "at": _show_instant(row["at"])} for row in rows]


def _read_stored_file(attachment: Attachment) -> bytes | None:
    """Return the bytes of a stored file, or None if the store lost the file."""
    try:
        _, file = store.open_for_download(attachment)
    except FileNotFoundError:
        return None
    with file:
        content: bytes = file.read()
    return content


def _show_instant(at: datetime) -> str:
    """Return an instant as ISO text in UTC."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _add_file(archive: ZipFile, name: str, content: bytes) -> None:
    """Add a file to the ZIP with a fixed date, so that the same content gives the same bytes."""
    entry = ZipInfo(name, _FIXED_DATE)
    entry.compress_type, entry.external_attr = ZIP_DEFLATED, 0o644 << 16  # Unix permissions: rw-r--r--
    archive.writestr(entry, content)
