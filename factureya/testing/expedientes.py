"""Expedientes as plain files, and how somebody who forges one seals it again (M26)."""

import json
import zipfile
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from change_requests.documents import archive, verify_expediente
from change_requests.models import FormalRequest

Files = dict[str, bytes]
FORGER = Ed25519PrivateKey.from_private_bytes(b"la llave de quien lo falsifica..")
SEALS = (verify_expediente.MANIFEST, verify_expediente.MANIFEST_HASH, verify_expediente.SIGNATURE)


def read_files(request: FormalRequest) -> Files:
    """Return the files of a request's untouched expediente, by name."""
    with archive.build_zip(request) as out, zipfile.ZipFile(out) as zipped:
        return {name: zipped.read(name) for name in zipped.namelist()}


def zip_files(files: Files) -> bytes:
    """Return the files as a ZIP."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return out.getvalue()


def reseal(files: Files, *, shown_key: bytes | None = None, manifest: dict[str, Any] | None = None) -> None:
    """Make manifest and signature agree with the files, as a careful forger would, with his own key.

    `shown_key` is another public key to show beside his signature. `manifest` replaces parts of the manifest.
    """
    whole = json.loads(files[verify_expediente.MANIFEST])
    whole["files"] = {
        name: verify_expediente.describe_file(content) for name, content in files.items() if name not in SEALS
    }
    try:
        last = json.loads(files[verify_expediente.EVENTS])[-1]
        whole["head"] = {"seq": last["seq"], "hash": last["hash"]}
    except (ValueError, RecursionError, KeyError, IndexError):
        pass  # the log itself is what was destroyed
    content = verify_expediente.dump_json(whole | (manifest or {}))
    key = shown_key or FORGER.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    files[verify_expediente.MANIFEST] = content
    files[verify_expediente.MANIFEST_HASH] = verify_expediente.write_hash_line(content)
    signature = verify_expediente.describe_signature(key, FORGER.sign(content))
    files[verify_expediente.SIGNATURE] = verify_expediente.dump_json(signature)


def rewrite(files: Files, name: str, change: Callable[[Any], Any]) -> None:
    """Change a JSON file in place, or replace it by what `change` returns, in the form that the expediente has."""
    content = json.loads(files[name])
    changed = change(content)
    files[name] = verify_expediente.dump_json(content if changed is None else changed)


def rehash(events: Iterable[dict[str, Any]], prev: str) -> None:
    """Compute again the links of these events, which follow the one with the hash `prev`."""
    for event in events:
        event["prev"] = prev
        prev = event["hash"] = verify_expediente.hash_event(event)


def derive_again(files: Files) -> None:
    """Write every data file again from a forged log, so that all of the expediente agrees with it."""
    given = {name: json.loads(files[name]) for name, _ in verify_expediente.DATA_FILES}
    events = json.loads(files[verify_expediente.EVENTS])
    numbers = verify_expediente.list_versions(events)
    contents = {number: json.loads(files[verify_expediente.name_version_file(number)]) for number in numbers}
    texts = {verify_expediente.hash_text(text): text for text in verify_expediente.list_texts(given)}
    instants = {row["no"]: row["received_at"] for row in given[verify_expediente.VERSIONS]}
    for name, value in verify_expediente.derive_files(events, contents, texts, instants).items():
        files[name] = verify_expediente.dump_json(value)
