"""Who may do what with suppliers' packages and their changes, step by step (M28–M32).

Each `why_not_…` returns the refusal that a person would get, or None when nothing speaks against it; operations ask
again under the lock. Who asks does not authorize, who estimates does not sign, who makes a copy neither tests nor
releases it, and Desarrollo does none of it.
"""

from collections.abc import Callable

from django.db.models import QuerySet

from accounts.models import Office, User
from change_requests.packages.models import (
    FileKind,
    IdentifiedCopy,
    PackageChange,
    PackageFile,
    PackagePort,
    PackageUpload,
    SupplierPackage,
)
from change_requests.packages.ports import list_copies_to_port
from factureya.core.refusals import NotAllowed, Refused, WrongStatus

Status = PackageChange.Status
IT_HEAD, SECURITY = Office.IT_HEAD, Office.SECURITY_OFFICER
SUPERVISOR, IMPLEMENTER = Office.SUPERVISOR, Office.IMPLEMENTER
KEEPERS = (SUPERVISOR, IMPLEMENTER, IT_HEAD)
JUDGES = (SUPERVISOR, SECURITY)
MAKERS = (SUPERVISOR, IMPLEMENTER)
RELEASERS = (IT_HEAD, IMPLEMENTER)
WATCHERS = (SECURITY, Office.INFORMATION_OWNER, IT_HEAD, Office.AUDITOR)
# In which status a change takes a file of each kind; an original belongs to no change.
STATUS_OF_KIND = {
    FileKind.LICENCE: Status.AUTHORIZED,
    FileKind.CONSENT: Status.AUTHORIZED,
    FileKind.COPY: Status.IMPACT_WEIGHED,
    FileKind.PATCH: Status.IMPACT_WEIGHED,
}
NOT_DEVELOPER = "Quien es de Desarrollo no lo hace."


# -- Who sees -----------------------------------------------------------------------------------------


def may_see(user: User) -> bool:
    """Return True if the person works in /control/ or reads there, and so sees every package and change."""
    return user.works_in_control


def visible_to(user: User) -> QuerySet[PackageChange]:
    """Return the changes that the person may read: all of them, or none."""
    return PackageChange.objects.all() if may_see(user) else PackageChange.objects.none()


def packages_visible_to(user: User) -> QuerySet[SupplierPackage]:
    """Return the packages that the person may read: all of them, or none."""
    return SupplierPackage.objects.all() if may_see(user) else SupplierPackage.objects.none()


def files_visible_to(user: User) -> QuerySet[PackageFile]:
    """Return the stored files that the person may download: all of them, or none."""
    return PackageFile.objects.all() if may_see(user) else PackageFile.objects.none()


# -- Packages and uploads -----------------------------------------------------------------------------


def why_not_register(user: User) -> Refused | None:
    """Return why the person may not register a package of a supplier, or None."""
    return _why_not_hold(user, KEEPERS, "Lo registra un Supervisor, un Implementador o el Área Informática.")


def why_not_end_sale(user: User, package: SupplierPackage) -> Refused | None:
    """Return why the person may not say until when a package is sold, or None; it is said once."""
    if refusal := _why_not_hold(user, KEEPERS, "Lo anota un Supervisor, un Implementador o el Área Informática."):
        return refusal
    if package.valid_until is not None:
        return WrongStatus("Ya está anotado hasta cuándo se vende.")
    return None


def why_not_upload(user: User, kind: str, change: PackageChange | None) -> Refused | None:
    """Return why the person may not upload a file of this kind now, or None; before the authorization none (M28)."""
    if kind == FileKind.ORIGINAL and change is None:
        return why_not_register(user)
    if change is None or kind not in STATUS_OF_KIND:
        return Refused("Ese archivo no corresponde a este paso.")
    if change.status == Status.DRAFT:
        return WrongStatus("Antes de la autorización del Área Informática no se sube nada.")
    if kind == FileKind.LICENCE:
        return why_not_judge_licence(user, change)
    if kind == FileKind.CONSENT:
        return _why_not_hold(user, JUDGES, _JUDGES_TEXT) or _why_wrong(change, Status.AUTHORIZED)
    return why_not_make_copy(user, change)


def why_not_continue_upload(user: User, upload: PackageUpload) -> Refused | None:
    """Return why the person may not add to or take an upload, or None; the right to begin it is asked again."""
    if upload.started_by_id != user.pk:
        return NotAllowed("La continúa quien la empezó.")
    return why_not_upload(user, upload.kind, upload.change)


def why_not_drop_upload(user: User, upload: PackageUpload) -> Refused | None:
    """Return why the person may not delete an upload, or None: who began it may, and the head of IT."""
    if upload.started_by_id == user.pk and user.is_active:
        return None
    return _why_not_hold(user, (IT_HEAD,), "La cancela quien la empezó, o el Área Informática.")


# -- The steps of a change ----------------------------------------------------------------------------


def why_not_request(user: User) -> Refused | None:
    """Return why the person may not ask for a change of a package, or None."""
    return _why_not_hold(user, KEEPERS, "Lo pide un Supervisor, un Implementador o el Área Informática.")


def why_not_authorize(user: User, change: PackageChange) -> Refused | None:
    """Return why the person may not authorize a change, or None: the head of IT who did not ask for it (M28)."""
    text = "Lo autoriza el Responsable del Área Informática."
    if refusal := _why_not_hold(user, (IT_HEAD,), text) or _why_wrong(change, Status.DRAFT):
        return refusal
    if user.pk == change.requester_id:
        return NotAllowed("Quien pide el cambio no lo autoriza.")
    return None


def why_not_refuse(user: User, change: PackageChange) -> Refused | None:
    """Return why the person may not refuse a change that waits for its authorization, or None."""
    text = "Lo decide el Responsable del Área Informática."
    return _why_not_hold(user, (IT_HEAD,), text) or _why_wrong(change, Status.DRAFT)


def why_not_judge_licence(user: User, change: PackageChange) -> Refused | None:
    """Return why the person may not say what the licence allows, or None (M29)."""
    if refusal := _why_not_hold(user, JUDGES, _JUDGES_TEXT) or _why_wrong(change, Status.AUTHORIZED):
        return refusal
    if hasattr(change, "licence_verdict"):
        return WrongStatus("El dictamen de la licencia ya está; falta el consentimiento del proveedor.")
    return None


def why_not_add_consent(user: User, change: PackageChange) -> Refused | None:
    """Return why the person may not add the supplier's consent, or None (M29)."""
    if refusal := _why_not_hold(user, JUDGES, _JUDGES_TEXT) or _why_wrong(change, Status.AUTHORIZED):
        return refusal
    if not hasattr(change, "licence_verdict"):
        return WrongStatus("Primero va el dictamen de la licencia.")
    return None


def why_not_choose_option(user: User, change: PackageChange) -> Refused | None:
    """Return why the person may not choose who modifies the package, or None (M30)."""
    text = "Lo decide el Responsable del Área Informática."
    return _why_not_hold(user, (IT_HEAD,), text) or _why_wrong(change, Status.LICENCE_CHECKED)


def why_not_estimate(user: User, change: PackageChange) -> Refused | None:
    """Return why the person may not estimate the impact, or None (M31)."""
    text = "Lo estima un Supervisor o un Implementador."
    if refusal := _why_not_hold(user, MAKERS, text) or _why_wrong(change, Status.OPTION_CHOSEN):
        return refusal
    if hasattr(change, "impact"):
        return WrongStatus("El impacto ya está estimado; falta la segunda firma.")
    return None


def why_not_sign_impact(user: User, change: PackageChange) -> Refused | None:
    """Return why the person may not sign the estimate, or None: the head of IT, who did not make it (M31)."""
    text = "Lo firma el Responsable del Área Informática."
    if refusal := _why_not_hold(user, (IT_HEAD,), text) or _why_wrong(change, Status.OPTION_CHOSEN):
        return refusal
    if not hasattr(change, "impact"):
        return WrongStatus("Primero se estima el impacto.")
    if change.impact.estimated_by_id == user.pk:
        return NotAllowed("Quien estimó el impacto no lo firma.")
    return None


def why_not_make_copy(user: User, change: PackageChange) -> Refused | None:
    """Return why the person may not bring the identified copy, or None (M32)."""
    text = "La sube un Supervisor o un Implementador."
    return _why_not_hold(user, MAKERS, text) or _why_wrong(change, Status.IMPACT_WEIGHED)


def why_not_test_copy(user: User, change: PackageChange) -> Refused | None:
    """Return why the person may not say how the copy's test went, or None: it is not who made the copy."""
    text = "La prueba un Supervisor, un Implementador o el Área Informática."
    if refusal := _why_not_hold(user, KEEPERS, text) or _why_wrong(change, Status.COPIED):
        return refusal
    copy = find_copy(change)
    if copy is not None and copy.made_by_id == user.pk:
        return NotAllowed("Quien hizo la copia no la prueba.")
    return None


def why_not_release(user: User, change: PackageChange) -> Refused | None:
    """Return why the person may not release the tested copy, or None: not who made it, and not Desarrollo."""
    text = "La libera el Área Informática o un Implementador."
    if refusal := _why_not_hold(user, RELEASERS, text) or _why_wrong(change, Status.TESTED):
        return refusal
    copy = find_copy(change)
    if copy is not None and copy.made_by_id == user.pk:
        return NotAllowed("Quien hizo la copia no la libera.")
    return None


def why_not_revert(user: User, change: PackageChange) -> Refused | None:
    """Return why the person may not put the original in use again, or None; only the copy in use is reverted (M32)."""
    text = "Lo revierte un Supervisor, un Implementador o el Área Informática."
    if refusal := _why_not_hold(user, KEEPERS, text) or _why_wrong(change, Status.RELEASED):
        return refusal
    if change.package.in_use is None or change.package.in_use.change_id != change.pk:
        return WrongStatus("La copia de este cambio ya no está en uso.")
    return None


def why_not_cancel(user: User, change: PackageChange) -> Refused | None:
    """Return why the person may not end a change that is not released, or None: who asked for it, or the head of IT."""
    if not change.is_live:
        return refuse_status(change)
    if user.pk == change.requester_id and not _why_not_hold(user, KEEPERS, ""):
        return None
    return _why_not_hold(user, (IT_HEAD,), "Lo cancela quien lo pidió o el Responsable del Área Informática.")


def why_not_record_port(
    user: User, copy: IdentifiedCopy, package: SupplierPackage, outcome: str = ""
) -> Refused | None:
    """Return why the person may not say what became of a copy in a new version of its package, or None (M32).

    While a change carries the copy into the version, nobody says that the version does not need it.
    """
    text = "Lo anota un Supervisor, un Implementador o el Área Informática."
    if refusal := _why_not_hold(user, KEEPERS, text):
        return refusal
    if copy not in list_copies_to_port(package):
        return WrongStatus("Esa versión no espera nada de esa copia: no la reemplaza, o ya se anotó.")
    if outcome == PackagePort.Outcome.NOT_NEEDED:
        carrier = package.changes.filter(port_of=copy, status__in=PackageChange.LIVE).first()
        if carrier is not None:
            return WrongStatus(f"El cambio {carrier.folio} la lleva; si ya no hace falta, cancélelo antes.")
    return None


_ACTS: dict[str, Callable[[User, PackageChange], Refused | None]] = {
    "authorize": why_not_authorize,
    "refuse": why_not_refuse,
    "judge_licence": why_not_judge_licence,
    "add_consent": why_not_add_consent,
    "choose_option": why_not_choose_option,
    "estimate_impact": why_not_estimate,
    "sign_impact": why_not_sign_impact,
    "make_copy": why_not_make_copy,
    "test_copy": why_not_test_copy,
    "release": why_not_release,
    "revert": why_not_revert,
    "cancel": why_not_cancel,
}


def list_acts(user: User, change: PackageChange) -> list[str]:
    """Return the names of the acts that the person may do with the change now, in the order of its steps."""
    return [act for act, why_not in _ACTS.items() if why_not(user, change) is None]


def why_not_do(act: str, user: User, change: PackageChange) -> Refused | None:
    """Return why the person may not do this act (a name of `list_acts`) with the change now, or None."""
    return _ACTS[act](user, change)


def find_copy(change: PackageChange) -> IdentifiedCopy | None:
    """Return the last identified copy of a change, or None."""
    return max(change.copies.all(), key=lambda copy: copy.number, default=None)


def find_barred(change: PackageChange) -> int | None:
    """Return the key of the person whose part in a change bars him from its next step, or None.

    Who asks does not authorize, who estimates does not sign, who makes a copy neither tests nor releases it.
    """
    if change.status == Status.DRAFT:
        return change.requester_id
    if change.status == Status.OPTION_CHOSEN:
        return change.impact.estimated_by_id if hasattr(change, "impact") else None
    copy = find_copy(change) if change.status in (Status.COPIED, Status.TESTED) else None
    return copy.made_by_id if copy is not None else None


def refuse_status(change: PackageChange) -> WrongStatus:
    """Return the refusal that a change's status gives to an act that does not apply to it."""
    return WrongStatus(f"El cambio {change.folio} está en otro paso: {change.get_status_display().lower()}.")


_JUDGES_TEXT = "Lo dictamina un Supervisor o el Responsable de Seguridad Informática."


def _why_not_hold(user: User, offices: tuple[Office, ...], text: str) -> Refused | None:
    """Return a refusal with this text unless the person is staff, holds one of the offices and is no developer."""
    if not user.is_staff or user.is_emergency or not user.holds(*offices):
        return NotAllowed(text)
    return NotAllowed(NOT_DEVELOPER) if user.holds(Office.DEVELOPER) else None


def _why_wrong(change: PackageChange, status: str) -> Refused | None:
    """Return a refusal unless the change has this status."""
    return None if change.status == status else refuse_status(change)
