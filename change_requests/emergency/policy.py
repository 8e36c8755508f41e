"""Who may do what with emergency accounts, and whether an emergency is open at this instant (M22, M23).

Each `why_not_…` returns the refusal that a person would get, or None when nothing speaks against it; operations ask
again under the lock. Nobody is alone: the operator, the two custodians and the two authorizers are five people.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q, QuerySet

from accounts.models import Office, User
from change_requests.emergency.models import (
    CriticalCredential,
    Delegation,
    EmergencyAccount,
    EmergencyGrant,
    GrantAuthorization,
)
from change_requests.emergency.roles import (
    OPERATOR_OFFICES,
    Mandate,
    find_mandate,
    find_missing_authorizer,
    may_keep_half,
)
from factureya.core import clock
from factureya.core.refusals import NotAllowed, Refused, WrongStatus

Slot, Status, EndReason = GrantAuthorization.Slot, EmergencyGrant.Status, EmergencyGrant.EndReason
SEES_ALL = (Office.SECURITY_OFFICER, Office.INFORMATION_OWNER, Office.IT_HEAD, Office.AUDITOR)
ONLY_SECURITY = "Lo hace el Responsable de Seguridad Informática."
CLOCKS_DIFFER = "El reloj del portal y el de la base de datos no coinciden; avise al Área Informática."


# -- Who sees, and who keeps accounts, causes, seals and delegations ---------------------------------


def visible_to(user: User) -> QuerySet[EmergencyGrant]:
    """Return which emergencies a person may read: officers, alternates, Auditoría all; others those of their own."""
    grants = EmergencyGrant.objects.all()
    if user.is_staff and user.holds(*SEES_ALL):
        return grants
    if not (user.is_active and user.is_staff):
        return grants.none()
    instant = clock.now()
    stands_in = Delegation.objects.filter(alternate=user, starts_at__lte=instant, ends_at__gt=instant, ended_at=None)
    if stands_in.exists() and may_keep_half(user):  # still fit to be an alternate
        return grants
    custodies = CriticalCredential.objects.filter(Q(custodian_a=user) | Q(custodian_b=user))
    mine = Q(operator=user) | Q(authorizations__authorizer=user) | Q(credential__in=custodies)
    # Of an emergency in course, the custodians of the present seal give the halves that open it.
    waits_for_me = Q(account__in=custodies.filter(retired_at=None).values("account"), status__in=EmergencyGrant.LIVE)
    return grants.filter(pk__in=EmergencyGrant.objects.filter(mine | waits_for_me).values("pk"))


def may_see(user: User) -> bool:
    """Return True if the person works in /control/ or reads there, and so may open the pages of emergencies."""
    return user.works_in_control


def may_keep(user: User) -> bool:
    """Return True if the person keeps accounts, seals and causes: the security officer."""
    return user.holds(Office.SECURITY_OFFICER)


def why_not_keep(user: User) -> Refused | None:
    """Return why the person may not add or end accounts, causes and seals, or None."""
    return None if may_keep(user) else NotAllowed(ONLY_SECURITY)


def why_not_retire(user: User, account: EmergencyAccount) -> Refused | None:
    """Return why the person may not retire the account now, or None; it must have no emergency in course."""
    if refusal := why_not_keep(user):
        return refusal
    if account.retired_at:
        return WrongStatus("La cuenta ya está retirada.")
    if account.state in (EmergencyAccount.State.GRANTED, EmergencyAccount.State.OPEN):
        return WrongStatus("La cuenta tiene una emergencia en curso.")
    return None


def why_not_seal(user: User, account: EmergencyAccount) -> Refused | None:
    """Return why the person may not begin a new seal of the account, or None."""
    if refusal := why_not_keep(user):
        return refusal
    if account.retired_at:
        return WrongStatus("La cuenta está retirada.")
    if account.grants.filter(status=Status.OPEN).exists():
        return WrongStatus("La cuenta está abierta: termine la emergencia antes de sellar otra vez.")
    return None


def find_own_half(user: User, credential: CriticalCredential) -> str:
    """Return which half ("a" or "b") the person keeps and may act on today, or "".

    A custodian who left mesa de control, or is now of Desarrollo or Auditoría, acts on none.
    """
    letter = credential.find_half(user)
    return letter if letter and may_keep_half(user) else ""


def why_not_reveal(user: User, credential: CriticalCredential) -> Refused | None:
    """Return why the person may not see a half of this critical password, or None; each custodian sees his once."""
    letter = find_own_half(user, credential)
    if not letter:
        return NotAllowed("Solo su custodio ve cada mitad.")
    if credential.retired_at:
        return WrongStatus("Este sello ya no vale; pida a Seguridad uno nuevo.")
    if getattr(credential, f"revealed_{letter}_at"):
        return WrongStatus("Su mitad ya se mostró una vez. Si la perdió, pida a Seguridad un sello nuevo.")
    return None


def why_not_confirm_sealed(user: User, credential: CriticalCredential) -> Refused | None:
    """Return why the person may not say that his half is in its envelope, or None."""
    letter = find_own_half(user, credential)
    if not letter:
        return NotAllowed("Solo su custodio sella cada mitad.")
    if credential.retired_at:
        return WrongStatus("Este sello ya no vale; pida a Seguridad uno nuevo.")
    if not getattr(credential, f"revealed_{letter}_at"):
        return WrongStatus("Primero vea su mitad y guárdela en el sobre.")
    if getattr(credential, f"sealed_{letter}_at"):
        return WrongStatus("Su mitad ya está sellada.")
    return None


def why_not_delegate(user: User, office: str, absent: User, alternate: User) -> Refused | None:
    """Return why the person may not name this alternate for an absent officer, or None.

    The officer himself, the security officer or a superuser may name him; the alternate may not name himself.
    """
    if office not in Delegation.OFFICES:
        return Refused("Ese cargo no tiene suplencia.", "office")
    may_grant = user.is_active and (user.pk == absent.pk or user.is_superuser or may_keep(user))
    if not may_grant or user.pk == alternate.pk:
        return NotAllowed("La otorga el titular, el Responsable de Seguridad Informática o un superusuario.")
    if not absent.holds(office):
        return Refused("Esa persona no tiene el cargo.", "absent")
    if alternate.pk == absent.pk or not may_keep_half(alternate):
        return Refused("El suplente es otra persona, del personal de mesa de control y no de Desarrollo.", "alternate")
    return None


def why_not_end_delegation(user: User, delegation: Delegation) -> Refused | None:
    """Return why the person may not end the delegation before its date, or None."""
    if not user.is_active or not (user.pk == delegation.absent_id or user.is_superuser or may_keep(user)):
        return NotAllowed("La termina el titular, el Responsable de Seguridad Informática o un superusuario.")
    if delegation.ended_at or delegation.ends_at <= clock.now():
        return WrongStatus("La suplencia ya terminó.")
    return None


# -- Asking for an emergency -------------------------------------------------------------------------


def why_not_operate(user: User) -> Refused | None:
    """Return why the person may not use any emergency account, or None; operators may, but no developer."""
    if not user.is_staff or user.is_emergency or not user.holds(*OPERATOR_OFFICES):
        return NotAllowed("La pide un Implementador o un Supervisor.")
    if user.holds(Office.DEVELOPER):
        return NotAllowed("Quien es de Desarrollo no usa cuentas de emergencia.")
    return None


def why_not_request_grant(user: User, account: EmergencyAccount) -> Refused | None:
    """Return why the person may not ask for this account now, or None.

    The account must be free and sealed, the clocks agree, and two others be able to authorize. The person may keep no
    half of its password, nor have another emergency in course.
    """
    if refusal := why_not_operate(user):
        return refusal
    if text := blocks_next_grant(account):
        return WrongStatus(text)
    credential = account.find_credential()
    if credential is None or not credential.is_sealed:
        return WrongStatus("La cuenta está por sellar.")
    if user.pk in credential.custodian_ids:
        return NotAllowed("Usted guarda una mitad de esta cuenta: no puede usarla.")
    if EmergencyGrant.objects.filter(operator=user, status__in=EmergencyGrant.LIVE).exists():
        return WrongStatus("Usted ya tiene una emergencia en curso.")
    if missing := find_missing_authorizer(without={user.pk, *credential.custodian_ids}):
        return Refused(f"Nadie podría autorizarla: falta {missing}.")
    return why_clocks_differ()


def blocks_next_grant(account: EmergencyAccount) -> str:
    """Return why nobody can ask for the account (retired, in course, or a missing review), or "" if it is free."""
    state = account.state
    return {
        EmergencyAccount.State.RETIRED: "La cuenta está retirada.",
        EmergencyAccount.State.GRANTED: "La cuenta ya tiene una emergencia en curso.",
        EmergencyAccount.State.OPEN: "La cuenta ya tiene una emergencia en curso.",
        EmergencyAccount.State.REVIEW: "Falta la revisión de su última emergencia.",
        EmergencyAccount.State.OVERDUE: "Está vencida la revisión de su última emergencia.",
    }.get(state, "")


def why_clocks_differ() -> Refused | None:
    """Return a refusal if the web's clock and the database's differ by more than CLOCK_SKEW_SECONDS, or None."""
    return None if clock.clocks_agree() else Refused(CLOCKS_DIFFER)


def is_over(deadline: datetime) -> bool:
    """Return True if the web's clock or the database's has reached the deadline (M23)."""
    return max(clock.now(), clock.database_now()) >= deadline


# -- Authorizing it ----------------------------------------------------------------------------------


def find_slots(user: User, grant: EmergencyGrant) -> list[str]:
    """Return the authorizations (slots) that are still to be given and that the person may give now."""
    if grant.status != Status.REQUESTED or is_over(grant.decide_before):
        return []
    return [slot for slot in Slot.values if why_not_fill(user, grant, slot) is None]


def may_authorize(user: User, grant: EmergencyGrant) -> str | None:
    """Return the place in which the person may decide about this emergency now, or None."""
    return next(iter(find_slots(user, grant)), None)


def why_not_decide(user: User, grant: EmergencyGrant, slot: str) -> Refused | None:
    """Return why the person may not decide now about this authorization (`slot`) of the emergency, or None."""
    if grant.status != Status.REQUESTED:
        return refuse_status(grant)
    if is_over(grant.decide_before):
        return WrongStatus("Ya pasó el tiempo para autorizarla; se puede pedir otra.")
    if slot not in Slot.values:
        return NotAllowed("La autorizan el Propietario o el Área Informática, y Seguridad; o sus suplentes.")
    return why_not_fill(user, grant, slot)


def why_not_fill(user: User, grant: EmergencyGrant, slot: str) -> Refused | None:
    """Return why the person may not give this authorization (`slot`), or None.

    Nobody has two parts in an emergency: not himself, nor through an alternate who stands in for him or whom he named.
    """
    mandate = find_mandate(user, slot)
    if mandate is None:
        return NotAllowed("La autorizan el Propietario o el Área Informática, y Seguridad; o sus suplentes.")
    user_and_officer = {user.pk, mandate.holder_id}  # two, if the user stands in for an officer
    if grant.operator_id in user_and_officer | mandate.people_behind:
        return NotAllowed("Quien la usa no la autoriza, ni elige quién lo hace.")
    credential = grant.account.find_credential()
    if credential is not None and user.pk in credential.custodian_ids:
        return NotAllowed("Usted guarda una mitad de esta cuenta: no la autoriza.")
    for decision in grant.authorizations.select_related("assignment", "delegation"):
        other_mandate = Mandate(decision.assignment, decision.delegation)
        if user_and_officer & {decision.authorizer_id, other_mandate.holder_id}:  # he or his officer decided
            return NotAllowed("Esa persona ya decidió sobre esta emergencia.")
        # One person would be behind both authorizations: as officer, or as the one who named an alternate.
        if (user_and_officer | mandate.people_behind) & ({decision.authorizer_id} | other_mandate.people_behind):
            return NotAllowed("Quien da una autorización no elige a quien da la otra.")
        if decision.slot == slot:
            return WrongStatus("Ese cargo ya decidió sobre esta emergencia.")
    return None


def why_not_revoke(user: User, grant: EmergencyGrant) -> Refused | None:
    """Return why the person may not stop this emergency, or None; its operator may, and those who can authorize it."""
    if not grant.is_live:
        return refuse_status(grant)
    has_mandate = any(find_mandate(user, slot) for slot in Slot.values)
    if not user.is_active or not (has_mandate or user.pk == grant.operator_id):
        return NotAllowed("La revocan quien la pidió y quienes la autorizan.")
    return None


def refuse_status(grant: EmergencyGrant) -> WrongStatus:
    """Return the refusal that an emergency's status gives to an act that does not apply to it."""
    return WrongStatus(f"La emergencia {grant.folio} está {grant.get_status_display().lower()}.")


# -- Opening it, and asking whether it is open -------------------------------------------------------


def why_not_open(grant: EmergencyGrant) -> Refused | None:
    """Return why nobody can open this emergency now, or None; it does not look at the two halves of the password."""
    if grant.status != Status.AUTHORIZED:
        return refuse_status(grant)
    assert grant.start_before is not None
    if is_over(grant.start_before):
        return WrongStatus("Ya pasó el tiempo para abrirla; se puede pedir otra.")
    if refusal := why_clocks_differ():
        return refusal
    credential = grant.account.find_credential()
    if credential is None or not credential.is_sealed:
        return WrongStatus("La cuenta está por sellar.")
    decisions = grant.authorizations.select_related("authorizer", "assignment", "delegation")
    if not all(_is_still_in_office(decision) for decision in decisions):
        return WrongStatus("Quien la autorizó ya no tiene el cargo; pida otra.")
    people = {grant.operator_id, *(decision.authorizer_id for decision in decisions)}
    if people & credential.custodian_ids:
        return WrongStatus("Un custodio también la usa o la autorizó; pida un sello con otros custodios.")
    return why_not_operate(grant.operator)


def _is_still_in_office(decision: GrantAuthorization) -> bool:
    """Return True if the authorizer is active, and the office and any delegation that he used are still in force."""
    assignment, delegation = decision.assignment, decision.delegation
    is_held = assignment.ended_by_id is None and not assignment.has_ended
    stands_in = delegation is None or (delegation.is_in_force() and may_keep_half(decision.authorizer))
    return decision.authorizer.is_active and is_held and stands_in


def why_not_give_half(user: User, grant: EmergencyGrant) -> Refused | None:
    """Return why the person may not give a half to open this emergency, or None."""
    if refusal := why_not_open(grant):
        return refusal
    credential = grant.account.find_credential()
    assert credential is not None  # `why_not_open` asked for it
    if not find_own_half(user, credential):
        return NotAllowed("Cada mitad la pone su custodio, en su propia sesión.")
    if not all(may_keep_half(custodian) for custodian in (credential.custodian_a, credential.custodian_b)):
        return WrongStatus("Un custodio ya no puede serlo; pida un sello con otros custodios.")
    return None


def why_not_enter(user: User, grant: EmergencyGrant) -> Refused | None:
    """Return why the person may not work inside the emergency, or None for its operator while the window is open."""
    if user.pk != grant.operator_id:
        return NotAllowed("Solo la usa quien la pidió.")
    if grant.status != Status.OPEN or find_end_reason(grant) is not None:
        return WrongStatus("La emergencia no está abierta.")
    return why_not_operate(user)


def find_end_reason(grant: EmergencyGrant) -> str | None:
    """Return why the window of an opened emergency is over now (time, clock or no use), or None while it is open.

    Both clocks, the web's and the database's, must be inside the window, and neither may have gone back (M23).
    """
    assert grant.opened_at is not None
    assert grant.ends_at is not None
    instants = (clock.now(), clock.database_now())
    last_use = max(filter(None, (grant.opened_at, grant.entered_at, grant.last_seen_at)))
    if max(instants) >= grant.ends_at:
        return EndReason.TIME
    if min(instants) < last_use - timedelta(seconds=settings.CLOCK_SKEW_SECONDS):
        return EndReason.CLOCK  # a clock went back
    if max(instants) >= last_use + timedelta(minutes=settings.EMERGENCY_IDLE_MINUTES):  # not in use
        return EndReason.IDLE
    return None


def find_open_grant(account_user: User) -> EmergencyGrant | None:
    """Return the emergency in whose window this account may act at this instant, or None. Called at every request."""
    grants = EmergencyGrant.objects.filter(account__user=account_user, status=Status.OPEN)
    grant = grants.select_related("account", "operator").first()
    if grant is None or not grant.operator.is_active or find_end_reason(grant) is not None:
        return None
    return grant


def is_in_time(half_at: datetime | None, at: datetime, credential: CriticalCredential) -> bool:
    """Return True if a half given at `half_at` (None: not given) counts at `at`: it does for EMERGENCY_HALVES_MINUTES.

    It must be given after this seal was begun: a half of an older seal opens nothing together with one of this (M22).
    """
    if half_at is None or half_at < credential.started_at:
        return False
    return timedelta() <= at - half_at <= timedelta(minutes=settings.EMERGENCY_HALVES_MINUTES)


# -- Reviewing what was done -------------------------------------------------------------------------


def why_not_review(user: User, grant: EmergencyGrant) -> Refused | None:
    """Return why the person may not review this emergency now, or None (M27).

    The security officer or his alternate reviews it; never the operator, nor his alternate, nor one whom he named.
    """
    if grant.status != Status.ENDED:
        return refuse_status(grant)
    mandate = find_mandate(user, Slot.SECURITY)
    if mandate is None:
        return NotAllowed("La revisa el Responsable de Seguridad Informática, o quien lo suple.")
    if grant.operator_id in {user.pk} | mandate.people_behind:
        return NotAllowed("Quien la usó no la revisa, ni elige quién lo hace.")
    return None
