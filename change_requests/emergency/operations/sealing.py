"""The critical password: two halves, each shown to its custodian once, kept in two envelopes (M22).

Only a slow hash of each half is stored. No function here writes a half into an event, a mail or a log.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.db.models import Max
from django.views.decorators.debug import sensitive_variables

from accounts.models import Proof, User
from change_requests.emergency import notifications, policy
from change_requests.emergency.halves import ALPHABET, GROUP_CHARACTERS, GROUPS
from change_requests.emergency.models import CriticalCredential
from change_requests.emergency.operations._common import (
    describe_person,
    describe_proof,
    lock_account,
    retire_credential,
)
from change_requests.emergency.roles import may_keep_half
from change_requests.emergency.state_checks import hash_stored
from change_requests.operations._common import require_none, reread_person
from factureya.core import audit
from factureya.core.clock import now
from factureya.core.refusals import Invalid


def start_sealing(
    account_pk: int, *, custodian_a: User, custodian_b: User, actor: User, proof: Proof | None = None
) -> CriticalCredential:
    """Begin and return a new seal with two custodians, and retire the old one; each half is made and shown later."""
    with lock_account(account_pk) as account:
        actor, custodian_a, custodian_b = (reread_person(person) for person in (actor, custodian_a, custodian_b))
        require_none(policy.why_not_seal(actor, account))
        _require_custodians(custodian_a, custodian_b)
        if (old_seal := account.find_credential()) is not None:
            retire_credential(old_seal, CriticalCredential.RetiredReason.RESEALED, actor=actor)
        credential = CriticalCredential.objects.create(
            account=account,
            generation=(account.credentials.aggregate(last=Max("generation"))["last"] or 0) + 1,
            custodian_a=custodian_a,
            custodian_b=custodian_b,
            started_by=actor,
            started_at=now(),
        )
        event = audit.record(
            "credential.started",
            account,
            actor=actor,
            generation=credential.generation,
            custodian_a=describe_person(custodian_a),
            custodian_b=describe_person(custodian_b),
            auth=describe_proof(proof),
        )
        notifications.mail_sealing(credential, event)
    return credential


@sensitive_variables()
def reveal_half(credential_pk: int, *, actor: User, proof: Proof | None = None) -> str:
    """Make the actor's half of the password, store its hash, and return the half, which is never shown again.

    The UPDATE is conditional, so two clicks at once show it once. Raises NotAllowed for anybody but its custodian.
    """
    half = make_half()
    half_hash = hash_half(half)  # slow on purpose: before anything is locked
    with _lock_credential(credential_pk) as credential:
        actor = reread_person(actor)
        require_none(policy.why_not_reveal(actor, credential))
        letter = credential.find_half(actor)
        unseen_half = CriticalCredential.objects.filter(
            pk=credential_pk, retired_at=None, **{f"revealed_{letter}_at": None, f"half_{letter}_hash": ""}
        )
        updated_rows = unseen_half.update(**{f"revealed_{letter}_at": now(), f"half_{letter}_hash": half_hash})
        assert updated_rows == 1  # the account is locked, and the policy asked the same just before
        _record("credential.revealed", credential, actor, proof, half=letter, hash_sha256=hash_stored(half_hash))
    return half


def confirm_sealed(credential_pk: int, *, actor: User, proof: Proof | None = None) -> CriticalCredential:
    """Store that the actor's half is in its envelope; when both are, the date to renew the seal is set (M22)."""
    with _lock_credential(credential_pk) as credential:
        actor = reread_person(actor)
        require_none(policy.why_not_confirm_sealed(actor, credential))
        letter = credential.find_half(actor)
        setattr(credential, f"sealed_{letter}_at", now())
        are_both_sealed = credential.sealed_a_at is not None and credential.sealed_b_at is not None
        credential.renew_by = now() + timedelta(days=settings.CREDENTIAL_DAYS) if are_both_sealed else None
        credential.save(update_fields=[f"sealed_{letter}_at", "renew_by"])
        renew_by = credential.renew_by.isoformat() if credential.renew_by else ""
        _record("credential.sealed", credential, actor, proof, half=letter, whole=are_both_sealed, renew_by=renew_by)
    return credential


@sensitive_variables()
def make_half() -> str:
    """Return a new random half of a password: groups of characters, none of which looks like another.

    It has a digit, because `halves.hide_halves` takes letters alone for words and would not hide them.
    """
    while True:
        groups = ["".join(secrets.choice(ALPHABET) for _ in range(GROUP_CHARACTERS)) for _ in range(GROUPS)]
        if any(character.isdigit() for group in groups for character in group):
            return "-".join(groups)


@sensitive_variables()
def hash_half(half: str) -> str:
    """Return the slow hash of a half; upper or lower case, dashes and blanks do not matter."""
    return make_password(_normalize(half))


@sensitive_variables()
def matches_half(half: str, half_hash: str) -> bool:
    """Return True if this is the half with that hash; upper or lower case, dashes and blanks do not matter."""
    return bool(half_hash) and check_password(_normalize(half), half_hash)


@sensitive_variables()
def _normalize(half: str) -> str:
    """Return a half without dashes and blanks, in upper case."""
    return "".join(half.upper().replace("-", " ").split())


@contextmanager
def _lock_credential(pk: int) -> Iterator[CriticalCredential]:
    """Open a transaction and yield the critical password, read again after its account was locked."""
    account_pk = CriticalCredential.objects.values_list("account", flat=True).get(pk=pk)
    with lock_account(account_pk):
        yield CriticalCredential.objects.select_related("account").get(pk=pk)


def _require_custodians(custodian_a: User, custodian_b: User) -> None:
    """Raise Invalid unless these are two different people who may keep a half."""
    for field, person in (("custodian_a", custodian_a), ("custodian_b", custodian_b)):
        if not may_keep_half(person):
            raise Invalid({field: "Un custodio es del personal de mesa de control, activo y no de Desarrollo."})
    if custodian_a.pk == custodian_b.pk:
        raise Invalid({"custodian_b": "Los custodios son dos personas."})


def _record(verb: str, credential: CriticalCredential, actor: User, proof: Proof | None, **data: object) -> None:
    """Record what a custodian did, in the account's chain, with the number of the seal; never half a password."""
    audit.record(
        verb, credential.account, actor=actor, generation=credential.generation, auth=describe_proof(proof), **data
    )
