"""Accounts, causes and delegations: the security officer keeps them (M22, M23)."""

from datetime import datetime

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.utils.text import slugify

from accounts.models import Office, Proof, User
from change_requests.emergency import notifications, policy
from change_requests.emergency.models import CriticalCredential, Delegation, EmergencyAccount, EmergencyCause
from change_requests.emergency.operations._common import (
    clean_line,
    describe_person,
    describe_proof,
    find_limit,
    lock_account,
    retire_credential,
)
from change_requests.operations._common import clean_text, require_none, reread_person
from factureya.core import audit
from factureya.core.clock import now
from factureya.core.locking import locked
from factureya.core.models import Event
from factureya.core.refusals import Invalid, WrongStatus

GROUP = "Cuentas de emergencia"
DOMAIN = "emergencia.invalid"  # nobody receives mail there, and nobody signs in with it


def add_account(*, alias: str, purpose: str, scope: str, actor: User, proof: Proof | None = None) -> EmergencyAccount:
    """Insert an emergency account, not in use and without a seal yet, and return it (M22).

    Its user is not active and has no password that works, no office (*cargo*) and no permission: nobody signs in as it.
    """
    require_none(policy.why_not_keep(reread_person(actor)))
    alias = slugify(alias)[: find_limit(EmergencyAccount, "alias")]
    purpose = clean_line(purpose, field="purpose", text_name="para qué es la cuenta", at_least=10, at_most=200)
    if not alias:
        raise Invalid({"alias": "Escriba el alias, como emergencia-01."})
    if scope not in EmergencyAccount.Scope.values:
        raise Invalid({"scope": "Elija el alcance de la cuenta."})
    try:
        with transaction.atomic():
            account = EmergencyAccount.objects.create(
                alias=alias, user=_make_user(alias, actor), purpose=purpose, scope=scope, created_by=actor
            )
            audit.record(
                "account.added",
                account,
                actor=actor,
                user=account.user_id,
                purpose=purpose,
                scope=str(scope),
                auth=describe_proof(proof),
            )
    except IntegrityError as error:
        raise Invalid({"alias": "Ya hay una cuenta con ese alias."}) from error
    return account


def retire_account(pk: int, *, actor: User, proof: Proof | None = None) -> EmergencyAccount:
    """Retire an emergency account and its seal for ever; it must have no emergency in course."""
    with lock_account(pk) as account:
        actor = reread_person(actor)
        require_none(policy.why_not_retire(actor, account))
        if (credential := account.find_credential()) is not None:
            retire_credential(credential, CriticalCredential.RetiredReason.ACCOUNT, actor=actor)
        account.retired_at, account.retired_by = now(), actor
        account.save(update_fields=["retired_at", "retired_by"])
        audit.record("account.retired", account, actor=actor, auth=describe_proof(proof))
    return account


def add_cause(*, title: str, procedure: str, actor: User, proof: Proof | None = None) -> EmergencyCause:
    """Add a cause (each emergency names one) and return it; `procedure` says how somebody confirms such a cause."""
    actor = reread_person(actor)
    require_none(policy.why_not_keep(actor))
    title = clean_line(title, field="title", text_name="la causa", at_least=5, at_most=120)
    procedure = clean_text(procedure, field="procedure", text_name="cómo se confirma", at_least=20, at_most=2000)
    code = slugify(title)[: find_limit(EmergencyCause, "code")]
    if not code or EmergencyCause.objects.filter(code=code).exists():
        raise Invalid({"title": "Ya hay una causa con ese nombre."})
    with transaction.atomic():
        cause = EmergencyCause.objects.create(code=code, title=title, procedure=procedure, kept_by=actor)
        audit.record("cause.added", cause, actor=actor, title=title, procedure=procedure, auth=describe_proof(proof))
    return cause


def end_cause(pk: int, *, actor: User, proof: Proof | None = None) -> EmergencyCause:
    """End a cause, so that no new emergency can name it; emergencies that already name it keep it."""
    with locked(EmergencyCause.objects.all(), pk) as cause:
        actor = reread_person(actor)
        require_none(policy.why_not_keep(actor))
        if not cause.active:
            raise WrongStatus("Esa causa ya terminó.")
        cause.active, cause.ended_at, cause.ended_by = False, now(), actor
        cause.save(update_fields=["active", "ended_at", "ended_by"])
        audit.record("cause.ended", cause, actor=actor, auth=describe_proof(proof))
    return cause


def delegate_office(
    *,
    office: str,
    absent: User,
    alternate: User,
    starts_at: datetime,
    ends_at: datetime,
    reason: str,
    actor: User,
    proof: Proof | None = None,
) -> Delegation:
    """Let the alternate stand in for an absent officer between two instants, and return the delegation (M23)."""
    actor, absent, alternate = (reread_person(person) for person in (actor, absent, alternate))
    require_none(policy.why_not_delegate(actor, office, absent, alternate))
    reason = clean_line(reason, field="reason", text_name="el motivo", at_least=10, at_most=300)
    if ends_at <= max(starts_at, now()):
        raise Invalid({"ends_at": "La suplencia termina después de empezar, y después de hoy."})
    with transaction.atomic():
        delegation = Delegation.objects.create(
            office=office,
            absent=absent,
            alternate=alternate,
            starts_at=starts_at,
            ends_at=ends_at,
            reason=reason,
            granted_by=actor,
            granted_at=now(),
        )
        notifications.mail_delegated(delegation, _record_delegation(delegation, proof))
    return delegation


def end_delegation(pk: int, *, actor: User, proof: Proof | None = None) -> Delegation:
    """End a delegation before its last day; what the alternate decided until now remains valid."""
    with locked(Delegation.objects.all(), pk) as delegation:
        actor = reread_person(actor)
        require_none(policy.why_not_end_delegation(actor, delegation))
        delegation.ended_at, delegation.ended_by = now(), actor
        delegation.save(update_fields=["ended_at", "ended_by"])
        event = audit.record(
            "delegation.ended", delegation, actor=actor, delegation=delegation.pk, auth=describe_proof(proof)
        )
        notifications.mail_delegated(delegation, event)
    return delegation


def _record_delegation(delegation: Delegation, proof: Proof | None) -> Event:
    """Record a new delegation in the chain of the absent officer, and return the event."""
    return audit.record(
        "delegation.granted",
        delegation,
        actor=delegation.granted_by,
        delegation=delegation.pk,
        office=str(Office(delegation.office)),
        alternate=describe_person(delegation.alternate),
        starts_at=delegation.starts_at.isoformat(),
        ends_at=delegation.ends_at.isoformat(),
        reason=delegation.reason,
        auth=describe_proof(proof),
    )


def _make_user(alias: str, actor: User) -> User:
    """Make and return the user of an emergency account: not active, no password that works, in a group of its own."""
    user = User(
        email=f"{alias}@{DOMAIN}",
        full_name=f"Cuenta de emergencia {alias}",
        password=make_password(None),
        is_active=False,
        is_emergency=True,
    )
    User.objects.insert_person(user, actor=actor)
    user.groups.set([Group.objects.get_or_create(name=GROUP)[0]])
    return user
