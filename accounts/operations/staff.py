"""Change staff: offices that somebody else grants, invitations, deactivation, and lost second factors (M3)."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.utils import timezone

from accounts import notifications, offices, policy
from accounts.models import (
    CONTROL_OFFICES,
    DESK_OFFICES,
    READING_OFFICES,
    Contact,
    FactorReset,
    Invitation,
    Office,
    Provider,
    RoleAssignment,
    User,
    state,
)
from accounts.operations import factor_keys, people
from accounts.operations.common import (
    end_sessions,
    insert_assignment,
    lock_user,
    reload_person,
    require_fit,
    require_superuser,
)
from factureya.core import audit
from factureya.core.clock import now
from factureya.core.refusals import Refused, require


def invite_staff(*, email: str, office: str, provider: Provider | None = None, actor: User) -> Invitation:
    """Let a superuser invite a person without an account to an office (cargo). Return the new or renewed invitation."""
    email = require_fit(Invitation, "email", email.lower())
    with transaction.atomic():
        require_superuser(actor)
        _check_provider(office, provider)
        require(
            not User.objects.filter(email=email).exists(), "Ese correo ya tiene cuenta; otórguele el cargo en su ficha."
        )
        pending = Invitation.objects.select_for_update().filter(
            email=email, accepted_at__isnull=True, cancelled_at__isnull=True, customer__isnull=True
        )
        invitation = pending.first() or Invitation(email=email)
        invitation.invited_by, invitation.office, invitation.provider = actor, office, provider
        people.send_link(
            invitation, "staff.invited", actor=actor, office=office, provider=provider.name if provider else None
        )
    return invitation


def grant_office(
    pk: int,
    *,
    office: str,
    provider: Provider | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    reason: str = "",
    actor: User,
) -> RoleAssignment:
    """Let a superuser give somebody else an office from `starts_at` (default: now) to `ends_at` (default: no end, M3).

    Raises Refused for a closed account, a customer's contact, a start in the past, and an office that the person has
    already or that does not go together with another one. The event keeps the reason.
    """
    reason = require_fit(FactorReset, "reason", reason)  # only for its limit of length: the event keeps the reason
    with transaction.atomic():
        require_superuser(actor)
        person = lock_user(pk)
        require(person.pk != actor.pk, "Nadie se otorga un cargo a sí mismo.")
        require(person.is_active, "La cuenta está desactivada.")
        _require_no_contact(person)
        _check_provider(office, provider)
        _check_held_offices(person, office)
        start = _find_start(starts_at, present := now())
        require(ends_at is None or ends_at > start, "El cargo termina después de empezar.")
        assignment = insert_assignment(
            person,
            "office.granted",
            office=office,
            provider=provider,
            granted_by=actor,
            actor=actor,
            granted_at=present,
            starts_at=start,
            ends_at=ends_at,
            reason=reason,
        )
        offices.sync_groups(person, actor=actor)
    return assignment


def end_office(pk: int, *, reason: str = "", actor: User) -> RoleAssignment:
    """Let a superuser end somebody else's office (cargo) now, and return it; the event keeps the reason.

    An office that has not begun will never begin.
    """
    reason = require_fit(FactorReset, "reason", reason)  # only for its limit of length: the event keeps the reason
    with transaction.atomic():
        require_superuser(actor)
        assignment = RoleAssignment.objects.select_for_update().get(pk=pk)
        person = lock_user(assignment.user_id)  # it may wait: «now» comes after it, since a guard asks for a fresh end
        require(assignment.user_id != actor.pk, "Nadie termina su propio cargo.")
        require(not assignment.has_ended, "Ese cargo ya terminó.")
        assignment.ends_at = max(now(), assignment.starts_at)
        assignment.ended_by = actor
        rows = {state.OFFICE: state.describe_office(assignment)}  # the event first: the guard looks for it
        audit.record("office.ended", person, actor=actor, office=assignment.office, reason=reason, rows=rows)
        assignment.save(update_fields=["ends_at", "ended_by"])
        offices.sync_groups(person, actor=actor)
    return assignment


def deactivate_user(pk: int, *, reason: str, actor: User) -> User:
    """Let a superuser deactivate somebody's account, and return the person. Open sessions end with the next request."""
    reason = require_fit(FactorReset, "reason", reason)  # only for its limit of length: the event keeps the reason
    require(bool(reason), "Escriba el motivo.")
    with transaction.atomic():
        require_superuser(actor)
        person = lock_user(pk)
        require(person.pk != actor.pk, "Nadie desactiva su propia cuenta.")
        require(person.is_active, "La cuenta ya está desactivada.")
        person.is_active = False
        end_sessions(person, "is_active")
        audit.record(
            "person.deactivated", person, actor=actor, reason=reason, rows={state.PERSON: state.describe_person(person)}
        )
    return person


def reactivate_user(pk: int, *, reason: str, actor: User) -> User:
    """Let a superuser activate a deactivated account again, and return the person. The old sessions stay ended."""
    reason = require_fit(FactorReset, "reason", reason)  # only for its limit of length: the event keeps the reason
    require(bool(reason), "Escriba el motivo.")
    with transaction.atomic():
        require_superuser(actor)
        person = lock_user(pk)
        require(not person.is_active, "La cuenta está activa.")
        person.is_active = True
        person.save(update_fields=["is_active"])
        audit.record(
            "person.reactivated", person, actor=actor, reason=reason, rows={state.PERSON: state.describe_person(person)}
        )
    return person


def record_enrolled_factor(person: User) -> None:
    """End all sessions of a person who enrolled a second factor, and record it.

    The sessions end because one opened with the password alone could read the recovery codes. `person` gets the
    new `session_epoch`, so that the caller can keep the current session alive.
    """
    with transaction.atomic():
        locked = lock_user(person.pk)
        end_sessions(locked)
        audit.record("factor.enrolled", locked, actor=locked)
    person.session_epoch = locked.session_epoch


def request_factor_reset(pk: int, *, reason: str, actor: User) -> FactorReset:
    """Ask another superuser or security officer to remove a person's lost second factor; mail that person.

    Return the request, which somebody else approves or declines.
    """
    reason = require_fit(FactorReset, "reason", reason)
    require(bool(reason), "Escriba cómo comprobó que es esa persona.")
    with transaction.atomic():
        person = lock_user(pk)
        require(policy.may_decide_factor_reset(reload_person(actor)), "No puede pedirlo con sus cargos de hoy.")
        require(person.pk != actor.pk, "Nadie restablece su propio segundo factor.")
        require(Authenticator.objects.filter(user=person).exists(), "Esa persona no tiene segundo factor.")
        undecided = FactorReset.objects.filter(user=person, decided_at__isnull=True)
        require(not undecided.exists(), "Ya está pedido; falta que otra persona lo apruebe.")
        reset = FactorReset.objects.create(user=person, reason=reason, requested_by=actor)
        event = audit.record("factor.reset_requested", person, actor=actor, reason=reason)
        notifications.tell_factor_reset("requested", reset, event)
    return reset


def approve_factor_reset(pk: int, *, actor: User) -> FactorReset:
    """Approve, as the second person, the removal of a lost second factor; remove it and end its owner's sessions."""
    with _lock_undecided(pk, actor) as reset:
        person = lock_user(reset.user_id)
        _store_decision(reset, actor, approved=True)
        Authenticator.objects.filter(user=person).delete()
        end_sessions(person)
        event = audit.record("factor.reset", person, actor=actor, requested_by=reset.requested_by_id)
        notifications.tell_factor_reset("done", reset, event)
    return reset


def decline_factor_reset(pk: int, *, actor: User) -> FactorReset:
    """Decline, as the second person, a request to remove a lost second factor, and return it; the factor stays."""
    with _lock_undecided(pk, actor) as reset:
        _store_decision(reset, actor, approved=False)
        audit.record("factor.reset_declined", reset.user, actor=actor, requested_by=reset.requested_by_id)
    return reset


def reencrypt_factors() -> tuple[int, list[str]]:
    """Encrypt all second factors with the first key, so that older keys can be removed (M3).

    Return how many changed, and the addresses of the people whose factor no key decrypts.
    """
    changed, unreadable = 0, []
    for pk in Authenticator.objects.order_by("pk").values_list("pk", flat=True):
        with transaction.atomic():
            factors = Authenticator.objects.select_for_update(of=("self",)).select_related("user")
            factor = factors.filter(pk=pk).first()
            if factor is None or factor_keys.is_current(factor):
                continue
            if not factor_keys.is_readable(factor):
                unreadable.append(f"{factor.user.email} ({factor.type})")
                continue
            factor.data = factor_keys.reencrypt_data(factor.data)
            factor.save(update_fields=["data"])
            audit.record("factor.reencrypted", factor.user, actor=None, type=factor.type)
            changed += 1
    return changed, unreadable


def add_provider(*, name: str, actor: User) -> Provider:
    """Let a superuser add a third party that gives the service, and return it (M3)."""
    name = require_fit(Provider, "name", name)
    with transaction.atomic():
        require_superuser(actor)
        require(bool(name), "Escriba el nombre del prestador.")
        taken = Provider.objects.filter(name__iexact=name).exists()
        require(not taken, "Ya hay un prestador con ese nombre.")
        provider = Provider.objects.create(name=name)
        audit.record("provider.added", actor, actor=actor, provider=name)
    return provider


def _check_provider(office: str, provider: Provider | None) -> None:
    """Raise Refused if the provider does not fit the office: ticket work needs one, other offices have none (M3)."""
    require(office in Office.values, "Elija el cargo.")
    if office not in DESK_OFFICES:
        return require(provider is None, "Ese cargo no lleva prestador.")
    if provider is None:
        raise Refused("Indique el prestador.")
    if office == Office.AGENT:
        require(provider.is_own, "El agente propio trabaja en Factureya.")
    if office == Office.SUPERVISOR:  # works in mesa de control; third parties take no part in approvals
        require(provider.is_own, "El supervisor trabaja en Factureya.")
    if office == Office.THIRD_PARTY_AGENT:
        require(not provider.is_own, "El agente de un tercero trabaja en otro prestador.")
    return None


def _require_no_contact(person: User) -> None:
    """Raise Refused if the person is a customer's contact."""
    is_contact = Contact.objects.filter(user=person).exists()
    require(not is_contact, "Es contacto de un cliente; el personal usa otra cuenta.")


def _check_held_offices(person: User, office: str) -> None:
    """Raise Refused if the person has this office, or one that does not go together with it.

    A third party takes no part in approvals (M3). Auditoría has no other office and is no superuser (M26).
    """
    held_offices = set(RoleAssignment.objects.filter(user=person).not_ended().values_list("office", flat=True))
    require(office not in held_offices, "Ya tiene ese cargo.")
    offices = held_offices | {office}
    is_both = Office.THIRD_PARTY_AGENT in offices and offices & CONTROL_OFFICES
    require(not is_both, "Quien trabaja para un tercero no tiene cargos de mesa de control.")
    is_auditor_too = bool(offices & READING_OFFICES) and len(offices) > 1
    require(not is_auditor_too, "Auditoría no se reúne con otro cargo: revisa el trabajo de los demás.")
    is_root_too = bool(offices & READING_OFFICES) and person.is_superuser
    require(not is_root_too, "Auditoría no se otorga a un superusuario: lee todo y no cambia nada.")


def _find_start(starts_at: datetime | None, present: datetime) -> datetime:
    """Return when an office begins: at the given instant, or now if none is given or it was earlier today.

    Raises Refused for an earlier day: an office is granted from now on.
    """
    if starts_at is None or starts_at >= present:
        return starts_at or present
    is_today = timezone.localdate(starts_at) == timezone.localdate(present)
    require(is_today, "Un cargo no se otorga hacia atrás: el primer día es hoy o después.")
    return present


@contextmanager
def _lock_undecided(pk: int, actor: User) -> Iterator[FactorReset]:
    """Lock an undecided request to remove a second factor, and yield it. Raises Refused if the actor may not decide."""
    with transaction.atomic():
        reset = FactorReset.objects.select_for_update().get(pk=pk)
        require(policy.may_decide_factor_reset(reload_person(actor)), "No puede decidirlo con sus cargos de hoy.")
        require(reset.decided_at is None, "Ya se decidió.")
        require(reset.requested_by_id != actor.pk, "Quien lo pide no lo aprueba.")
        require(reset.user_id != actor.pk, "Nadie restablece su propio segundo factor.")
        yield reset


def _store_decision(reset: FactorReset, actor: User, *, approved: bool) -> None:
    """Store who approved or declined the request to remove a second factor, and when."""
    reset.decided_by, reset.decided_at, reset.approved = actor, now(), approved
    reset.save(update_fields=["decided_by", "decided_at", "approved"])
