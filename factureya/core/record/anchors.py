"""Seal all chains once a day: an anchor is one hash over every chain's end, and it is kept outside the database (M26).

Who owns the database can rewrite a chain with all its hashes, or cut it off together with its head. The anchor's file
says where each chain ended that day. The anchor's hash is the SHA-256 of all lines of its file but the last one, and
the file holds the hash before it, so the anchors are a chain too. The hash leaves by mail, with receipts and notices.
"""

import gzip
import hashlib
import io
import json
import logging
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice, takewhile
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Collate
from django.utils import timezone
from django.utils.module_loading import import_string

from factureya.core import audit, clock
from factureya.core.audit import GENESIS, Flaw
from factureya.core.calendar import MONTHS_LONG
from factureya.core.models import Anchor, ChainHead, Event, UnwrittenAnchor
from factureya.core.record.guard_record import System, find_person

logger = logging.getLogger(__name__)
# Both put names in the order of their code points, as Python does: files are read side by side in this order.
_COLLATIONS = {"sqlite": "BINARY", "postgresql": "C"}
CHAIN = "system:anchors"
_HEADS_AT_A_TIME = 2000
_LOOKED_UP_AT_A_TIME = 500
SHOWN_DIGITS = 16
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_CHARACTER = rb'(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-f]{4})'
_HEAD_LINE = re.compile(rb'(\["' + _CHARACTER + rb'*",(?:0|[1-9][0-9]{0,18}),"[0-9a-f]{64}"\]),?\n')


class Head(NamedTuple):
    """Hold where a chain ended when an anchor was sealed."""

    chain: str
    seq: int
    hash: str


class AnchorFile(NamedTuple):
    """Hold what the file of an anchor says of itself; `is_whole` if its hash is that of its lines."""

    path: Path
    day: str
    seq: int
    prev: str
    hash: str
    heads: int
    events: int
    sealed_at: str
    is_whole: bool


def seal_day() -> Anchor | None:
    """Make today's anchor, which seals the end of every chain, queue its mails, write its file, and return it (M26).

    Returns None if today has an anchor already. A file that an earlier run could not write is written too.
    """
    anchor = None
    try:
        with transaction.atomic():
            last, today = latest_anchor(), timezone.localdate(clock.now())
            if not Anchor.objects.filter(day=today).exists():
                anchor = _store_anchor(Anchor(day=today, seq=last.seq + 1 if last else 1, sealed_at=clock.now()), last)
    except IntegrityError:  # another process sealed the day at the same instant; we take no lock here
        logger.warning("the day was not sealed here", exc_info=True)
    write_files()
    return anchor


def write_files() -> int:
    """Write the files of the anchors that have none yet, and return how many; the next run tries a failed one again.

    A file that is there already is never replaced: if it has another content, that is logged as an error.
    """
    written = 0
    for unwritten in UnwrittenAnchor.objects.select_related("anchor").order_by("pk"):
        try:
            _write_file(find_path(unwritten.anchor), bytes(unwritten.content))
        except OSError as error:
            logger.error("the file of %s was not written: %s", unwritten.anchor, error)  # noqa: TRY400
            continue
        unwritten.delete()
        written += 1
    return written


def set_aside(reason: str) -> list[str]:
    """Move each file whose anchor is not in the database into a folder beside it, and return the files' names (M26).

    After a restore of an old backup, the files of later anchors are about events that are gone. They are kept as
    evidence: the event `anchors.set_aside` names each with its hash, who moved it and why. An altered file stays.
    """
    root, known = Path(settings.ANCHORS_DIR), set(Anchor.objects.values_list("seq", "hash"))
    files = [file for file in map(read_file, list_files(root)) if file.is_whole and (file.seq, file.hash) not in known]
    if files:
        folder = root / f"set-aside-{clock.now().astimezone(UTC):%Y%m%dT%H%M%S}"
        file_facts = [{"name": file.path.name, "seq": file.seq, "hash": file.hash} for file in files]
        facts = {"by": find_person(), "reason": reason, "folder": folder.name, "files": file_facts}
        with transaction.atomic():
            audit.record("anchors.set_aside", System(CHAIN), actor=None, **facts)  # type: ignore[arg-type]  # has a chain
            folder.mkdir(mode=0o700)
            for file in files:
                file.path.rename(folder / file.path.name)
    write_files()  # those whose name a moved file had
    return [file.path.name for file in files]


def latest_anchor(before: datetime | None = None) -> Anchor | None:
    """Return the last anchor, or the last one that was sealed before an instant; None if there is none."""
    anchors = Anchor.objects.filter(sealed_at__lt=before) if before else Anchor.objects.all()
    return anchors.order_by("-seq").first()


def describe_anchor(before: datetime | None = None) -> str:
    """Return a line in Spanish that names the last anchor: number, day, first digits of its hash; empty without one."""
    if (anchor := latest_anchor(before)) is None:
        return ""
    day = f"{anchor.day.day} de {MONTHS_LONG[anchor.day.month - 1]} de {anchor.day.year}"
    return f"ancla {anchor.seq} de la bitácora, del {day}: {anchor.hash[:SHOWN_DIGITS]}"


def find_path(anchor: Anchor) -> Path:
    """Return the path of an anchor's file in ANCHORS_DIR."""
    return Path(settings.ANCHORS_DIR) / f"{anchor.day.isoformat()}.json"


def find_flaws(folder: Path | None = None) -> Iterator[Flaw]:
    """Compare the anchors' files in `folder` with their rows and with the chains, and yield each flaw (M26).

    `folder` is ANCHORS_DIR by default. A flaw is a missing, altered or forged anchor, or a chain that was rewritten or
    cut off after an anchor, even if all its hashes are right: it names the chain and the event that was sealed.
    """
    rows = {anchor.seq: anchor for anchor in Anchor.objects.order_by("seq")}
    files: list[AnchorFile] = []
    for path in list_files(folder or Path(settings.ANCHORS_DIR)):
        try:
            files.append(read_file(path))
        except (OSError, EOFError, ValueError, KeyError, TypeError):
            yield Flaw(f"ancla:{path.name}", 0, "el archivo no se puede leer")
    yield from _check_rows(rows)
    yield from _check_files(rows, files)
    yield from _check_heads(sorted((file for file in files if file.is_whole), key=attrgetter("seq")))


def list_files(folder: Path) -> list[Path]:
    """Return the files of anchors in a folder, the oldest first; those that somebody compressed (.json.gz) too."""
    return sorted(path for pattern in ("*.json", "*.json.gz") for path in folder.glob(pattern))


def read_file(path: Path) -> AnchorFile:
    """Return what an anchor's file says of itself, and whether its hash and its number of heads are right.

    The file is read once. Raises OSError, EOFError, ValueError, KeyError or TypeError if it is not one of ours.
    """
    digest, last, second_last, head_count, in_heads = hashlib.sha256(), b"", b"", 0, True
    with _open_file(path) as lines:
        first = last = next(lines, b"")
        for line in lines:
            digest.update(last)  # every line but the last one, which says this hash
            second_last, last = last, line
            in_heads = in_heads and _is_head(line)  # False from the line «]…» on, which follows the last head
            head_count += in_heads
    first_facts = json.loads(first + b"]}")  # the first line ends with «"heads":[»
    last_facts = json.loads(b'{"heads":[' + second_last + last)  # the last two lines; the first begins with «]»
    return AnchorFile(
        path=path,
        day=first_facts["day"],
        seq=int(first_facts["seq"]),
        prev=first_facts["prev"],
        hash=last_facts["hash"],
        heads=last_facts["chains"],
        events=last_facts["events"],
        sealed_at=first_facts["sealed_at"],
        is_whole=last_facts["hash"] == digest.hexdigest() and last_facts["chains"] == head_count,
    )


def read_heads(path: Path) -> Iterator[Head]:
    """Yield the heads that an anchor's file holds, in the order of their names. Raise ValueError for another line."""
    return map(_parse_head, _read_lines(path))


def _read_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of an anchor's file that hold heads."""
    with _open_file(path) as lines:
        next(lines)
        yield from takewhile(_is_head, lines)


def _is_head(line: bytes) -> bool:
    """Return True for a line that holds a head, and False for the «]» after the last; else raise ValueError."""
    if line.startswith(b"]"):
        return False
    if _HEAD_LINE.fullmatch(line) is None:
        raise ValueError("a line of an anchor is no head of a chain")
    line.decode()  # raises UnicodeDecodeError, which is a ValueError
    return True


def _parse_head(line: bytes) -> Head:
    """Return the head that a line of an anchor's file holds."""
    return Head(*json.loads(line.rstrip(b",\n")))


def _store_anchor(anchor: Anchor, last: Anchor | None) -> Anchor:
    """Read all heads, store the anchor and the text of its file, call the ANCHOR_SEALED hooks, return the anchor."""
    anchor.prev = last.hash if last else GENESIS
    digest, content = hashlib.sha256(), io.BytesIO()
    with gzip.GzipFile(fileobj=content, mode="wb", mtime=0) as packed:
        for line in _compose_lines(anchor):
            digest.update(line)
            packed.write(line)
        anchor.hash = digest.hexdigest()
        packed.write(f'"hash":"{anchor.hash}"}}\n'.encode())  # the last line: the hash does not cover it
    anchor.save(force_insert=True)
    UnwrittenAnchor.objects.create(anchor=anchor, content=content.getvalue())
    for name in settings.ANCHOR_SEALED:
        import_string(name)(anchor)
    return anchor


def _compose_lines(anchor: Anchor) -> Iterator[bytes]:
    """Yield the lines of an anchor's file except the last one, which says the hash; count its heads and events.

    One statement reads all heads, so they are those of one instant. The whole file is one JSON object.
    """
    title = {"seq": anchor.seq, "day": anchor.day.isoformat(), "sealed_at": _spell(anchor.sealed_at)}
    yield f'{_encode({**title, "prev": anchor.prev})[:-1]},"heads":[\n'.encode()  # [:-1]: without its «}»
    anchor.heads = anchor.events = 0
    line = ""
    in_order = ChainHead.objects.order_by(Collate("chain", _COLLATIONS[connection.vendor]))
    for values in in_order.values_list("chain", "seq", "hash").iterator(chunk_size=_HEADS_AT_A_TIME):
        if line:  # written one step later, because the last head has no comma
            yield f"{line},\n".encode()
        line = _encode(values)
        anchor.heads += 1
        anchor.events += values[1]  # the number of its last event
    yield (f"{line}\n" if line else "").encode()
    yield f'],"chains":{anchor.heads},"events":{anchor.events},\n'.encode()


def _spell(at: datetime) -> str:
    """Return an instant as an anchor's file spells it."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _write_file(path: Path, content: bytes) -> None:
    """Write an anchor's file, readable by this user alone, from its compressed text (`content`); never half of it.

    Raises FileExistsError if there is another file of that name, and OSError if it cannot be written.
    """
    text = gzip.decompress(content)
    if path.exists():
        if path.read_bytes() != text:
            raise FileExistsError(f"{path.name} says something else")
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with open(temporary, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # saves the name too; only then the database deletes the text
    finally:
        os.close(folder)


def _open_file(path: Path) -> "gzip.GzipFile | io.BufferedReader":
    """Open an anchor's file to read its lines as bytes, also a compressed one."""
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def _check_rows(rows: dict[int, Anchor]) -> Iterator[Flaw]:
    """Yield a flaw for each row of an anchor that is missing, or that does not link to the anchor before it."""
    last_seq, last_hash = 0, GENESIS
    for seq, row in rows.items():
        if seq != last_seq + 1:
            yield Flaw(f"ancla:{row.day}", seq, f"falta el ancla {last_seq + 1}")
        elif row.prev != last_hash:
            yield Flaw(f"ancla:{row.day}", seq, "no enlaza con el ancla anterior")
        last_seq, last_hash = seq, row.hash


def _check_files(rows: dict[int, Anchor], files: list[AnchorFile]) -> Iterator[Flaw]:
    """Yield a flaw for each file that is altered, lacks a row or differs from it, and for each row without a file."""
    unmatched = dict(rows)
    for file in files:
        chain = f"ancla:{file.day}"
        row = unmatched.pop(file.seq, None) or Anchor.objects.filter(seq=file.seq).first()  # made after `rows` was read
        _path, *columns, _is_whole = file
        if not file.is_whole or file.path.name.partition(".")[0] != file.day:  # the name of the file is its day
            yield Flaw(chain, file.seq, "el archivo del ancla fue alterado")
        elif row is None:
            yield Flaw(chain, file.seq, "el ancla del archivo falta en la base de datos")
        elif _describe_row(row) != columns:
            yield Flaw(chain, file.seq, "el ancla de la base de datos no corresponde a su archivo")
    for seq, row in unmatched.items():
        yield Flaw(f"ancla:{row.day}", seq, "falta el archivo del ancla")


def _describe_row(row: Anchor) -> list[str | int]:
    """Return an anchor's columns in the order and spelling of an AnchorFile."""
    return [row.day.isoformat(), row.seq, row.prev, row.hash, row.heads, row.events, _spell(row.sealed_at)]


def _check_heads(files: list[AnchorFile]) -> Iterator[Flaw]:
    """Yield a flaw for each chain that no longer holds an event which an anchor sealed; it names the first such event.

    Each file is compared with the one before it, so that only the heads which are new in it are looked up.
    """
    flawed: set[str] = set()
    for file, earlier in zip(files, [None, *files], strict=False):
        new_heads = _find_new_heads(file.path, earlier.path if earlier else None)
        while heads := list(islice(new_heads, _LOOKED_UP_AT_A_TIME)):
            stored = Event.objects.filter(hash__in=[head.hash for head in heads]).values_list("chain", "seq", "hash")
            for chain, seq, _hash in sorted(set(heads) - {Head(*values) for values in stored}):
                if chain not in flawed:
                    flawed.add(chain)
                    yield Flaw(chain, seq, f"no es el que selló el ancla del {file.day}: se reescribió o se cortó")


def _find_new_heads(path: Path, earlier: Path | None) -> Iterator[Head]:
    """Yield the heads of an anchor's file that the file before it does not hold too.

    Both files are in the order of the chains' names, so they are read side by side. Most heads are the same in both:
    lines are compared first, and only those that differ are parsed.
    """
    old_lines = (line.rstrip(b",\n") for line in _read_lines(earlier)) if earlier else iter(())
    old_line = next(old_lines, b"")
    for line in (line.rstrip(b",\n") for line in _read_lines(path)):
        if line != old_line:
            head = _parse_head(line)
            while old_line and _parse_head(old_line).chain < head.chain:
                old_line = next(old_lines, b"")  # a chain that this file lacks
            if line != old_line:
                yield head
                if not old_line or _parse_head(old_line).chain != head.chain:
                    continue  # a new chain: the next line is compared with this `old_line`
        old_line = next(old_lines, b"")
