"""Compare the bytes of every stored file with the hash that it was stored with, once a night (M32)."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from time import monotonic
from typing import IO, Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q

from change_requests.packages import notifications, store
from change_requests.packages.models import PackageFile, PackageFileCheck
from factureya.core import audit
from factureya.core.clock import now
from factureya.core.record.guard_record import System

Verdict = PackageFileCheck.Verdict
NIGHT_HOUR = 3  # in Mexico City
CHAIN = "system:packages"
SECONDS = 240  # of one run; the next goes on where it stopped, as a task may take five minutes


def compare_files(instant: datetime | None = None, *, seconds: float = SECONDS) -> int:
    """Compare the files that were not compared since three o'clock this night, and return how many were compared.

    A file that is altered or gone is recorded in its chain, and security, the head of IT and Auditoría get a mail.
    """
    instant = instant or now()
    stop_at = monotonic() + seconds
    count, altered = 0, []
    for file in _list_due(find_last_night(instant), instant):
        verdict, found = store.examine(file)
        write_check(file, verdict, found)
        count += 1
        if verdict != Verdict.INTACT:
            altered.append(file.token)
        if monotonic() > stop_at:
            break
    if count:
        with transaction.atomic():
            system: Any = System(CHAIN)  # it has a chain, and no row of its own
            audit.record("packages.compared", system, actor=None, files=count, altered=altered)
    return count


def write_check(file: PackageFile, verdict: PackageFileCheck.Verdict, found: str) -> None:
    """Write what a comparison found; record and mail that a file is altered or gone, and that it is whole again."""
    with transaction.atomic():
        last = PackageFileCheck.objects.select_for_update().filter(file=file).first()
        was_intact = last is None or last.verdict == Verdict.INTACT
        row = {"checked_at": now(), "verdict": verdict, "found_sha256": found}
        PackageFileCheck.objects.update_or_create(file=file, defaults=row)
        if verdict != Verdict.INTACT:
            event = audit.record(
                "package_file.altered",
                file,
                actor=None,
                name=file.name,
                verdict=str(verdict),
                sha256=file.sha256,
                found_sha256=found,
            )
            notifications.mail_altered(file, event, verdict)
        elif not was_intact:
            audit.record("package_file.whole_again", file, actor=None, name=file.name, sha256=file.sha256)


def require_intact(*files: PackageFile) -> None:
    """Raise AlteredFile for the first file whose bytes are not those that were stored, after its alarm is committed."""
    for file in files:
        verdict, found = store.examine(file)
        if verdict != Verdict.INTACT:
            write_check(file, verdict, found)
            raise store.AlteredFile(file, verdict, found)


def open_stored(file: PackageFile) -> IO[Any]:
    """Return the open file for a download, after all its bytes were compared with its hash.

    Raises AlteredFile, after its alarm is committed; one that is known already is not alarmed once more by each try.
    """
    try:
        return store.open_file(file)
    except store.AlteredFile as altered:
        if not PackageFileCheck.objects.filter(file=file, verdict=altered.verdict, found_sha256=altered.found).exists():
            write_check(file, altered.verdict, altered.found)
        raise


def find_last_night(instant: datetime) -> datetime:
    """Return when the files were last due to be compared: three o'clock in Mexico City, today or yesterday."""
    local = instant.astimezone(ZoneInfo(settings.TIME_ZONE))
    night = local.replace(hour=NIGHT_HOUR, minute=0, second=0, microsecond=0)
    return night if night <= local else night - timedelta(days=1)


def _list_due(since: datetime, instant: datetime) -> Iterator[PackageFile]:
    """Yield the files that were not compared since an instant, those never compared first.

    One that says that it was compared after `instant`, which nobody can have done, is compared too.
    """
    checked_at = "check_row__checked_at"
    due = Q(check_row__isnull=True) | Q(check_row__checked_at__lt=since) | Q(check_row__checked_at__gt=instant)
    ordered = PackageFile.objects.filter(due).order_by(F(checked_at).asc(nulls_first=True), "pk")
    for pk in list(ordered.values_list("pk", flat=True)):
        yield PackageFile.objects.get(pk=pk)
