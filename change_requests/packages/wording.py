"""Put packages and their changes into words: states with a colour, steps, amounts, hashes (M28–M32)."""

from dataclasses import dataclass
from decimal import Decimal

from django.utils.formats import number_format

from change_requests.packages import progress
from change_requests.packages.models import PackageChange, PackageFile, PackageFileCheck, PackageUpload, SupplierPackage
from factureya.core.templatetags.fy import filesize, when

Status, EndReason = PackageChange.Status, PackageChange.EndReason
CheckVerdict = PackageFileCheck.Verdict
ENDED = {
    EndReason.NOT_AUTHORIZED: ("No autorizado", "no se autorizó"),
    EndReason.LICENCE: ("Prohibido", "la licencia no lo permite"),
    EndReason.CANCELLED: ("Cancelado", "se canceló"),
}


@dataclass(frozen=True)
class Chip:
    """Hold a state: its look, its words, and what is missing or why it ended."""

    status: str
    label: str
    detail: str = ""


def make_change_chip(change: PackageChange) -> Chip:
    """Return the state of a change as a coloured label; its verdict and its impact are joined."""
    if change.status == Status.RELEASED:
        return Chip("ok", "Liberada", when(change.released_at))
    if change.status == Status.REVERTED:
        return Chip("closed", "Revertida", "volvió el original")
    if change.status == Status.REFUSED:
        return Chip("closed", *ENDED[EndReason(change.end_reason)])
    turn = progress.find_turn(change)
    step = f"Paso {progress.find_step(change)} de {len(progress.STEPS)}"
    return Chip("waiting", step, f"falta {turn.text}" if turn else "")


def show_money(amount: Decimal) -> str:
    """Return pesos as «$1,520.00»."""
    return f"${number_format(amount, 2, force_grouping=True)}"


def show_number(number: int | Decimal) -> str:
    """Return a number with commas between thousands, and without zeros at its end."""
    places = 0 if number == int(number) else 2
    return number_format(number, places, force_grouping=True)


def show_credits(package: SupplierPackage) -> str:
    """Return «500 créditos»."""
    return f"{show_number(package.credits)} crédito{'' if package.credits == 1 else 's'}"


def show_price(package: SupplierPackage) -> str:
    """Return «$845.00, 12 meses»."""
    return f"{show_money(package.price)}, {package.months} {'mes' if package.months == 1 else 'meses'}"


def group_hash(sha256: str) -> str:
    """Return a hash in groups of four characters, which two people can compare aloud."""
    return " ".join(sha256[place : place + 4] for place in range(0, len(sha256), 4))


def shorten_hash(sha256: str) -> str:
    """Return the beginning and the end of a hash, for a list."""
    return f"{sha256[:4]} {sha256[4:8]}…{sha256[-4:]}"


def describe_check(file: PackageFile) -> str:
    """Return when the bytes of a file were last compared with its hash, and what was found."""
    check = find_check(file)
    if check is None:
        return "todavía no; se compara cada noche"
    return f"{when(check.checked_at)}: {check.get_verdict_display().lower()}"


def find_check(file: PackageFile) -> PackageFileCheck | None:
    """Return the last check of a file, or None; with the file's row joined, without a query."""
    return getattr(file, "check_row", None)


def find_altered(file: PackageFile | None) -> str:
    """Return what is wrong with the bytes of a file, «alterado» or «no está», or ""."""
    check = find_check(file) if file is not None else None
    return "" if check is None or check.verdict == CheckVerdict.INTACT else check.get_verdict_display().lower()


@dataclass(frozen=True)
class UploadState:
    """Hold what a form shows of an upload: how much is here, in words and in bytes; without one, nothing."""

    name: str = ""
    amount: str = ""
    size: int = 1
    received: int = 0
    sha256: str = ""


def describe_progress(upload: PackageUpload) -> str:
    """Return how much of an upload is here: «201 MB · completo», or «12 MB de 201 MB»; and what a patch changes."""
    size = filesize(upload.size)
    if not upload.is_finished:
        return f"{filesize(upload.received)} de {size}"
    return " · ".join(filter(None, (size, "completo", describe_patch(upload))))


def describe_patch(file: PackageFile | PackageUpload) -> str:
    """Return what a patch changes, «3 archivos, 61 renglones»; "" for another file, and for one in another format."""
    if not file.patch_files or file.patch_lines is None:
        return ""
    files, lines = show_number(file.patch_files), show_number(file.patch_lines)
    return (
        f"{files} archivo{'' if file.patch_files == 1 else 's'}, "
        f"{lines} {'renglón' if file.patch_lines == 1 else 'renglones'}"
    )


def describe_upload(upload: PackageUpload | None) -> UploadState:
    """Return how much of an upload is here: «201 MB · completo», or how to go on with it."""
    if upload is None:
        return UploadState()
    amount = describe_progress(upload)
    if not upload.is_finished:
        amount += ". Elija el mismo archivo para seguir."
    return UploadState(upload.name, amount, upload.size, upload.received, group_hash(upload.found_sha256))
