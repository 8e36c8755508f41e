"""Open an emergency with two halves, let its operator in, and end it; the window is never longer than granted (M23)."""

import hashlib
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import Q
from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_variables

from accounts.models import Proof, User
from change_requests.emergency import notifications, policy
from change_requests.emergency.models import CriticalCredential, EmergencyGrant, GrantReview
from change_requests.emergency.operations._common import describe_proof, lock_grant, retire_credential
from change_requests.emergency.operations.sealing import matches_half
from change_requests.operations._common import Recorded, add_business_days, require_none, reread_person
from factureya.core import audit
from factureya.core.clock import now
from factureya.core.models import Event
from factureya.core.refusals import Invalid, WrongStatus

Status, EndReason = EmergencyGrant.Status, EmergencyGrant.EndReason
MAX_TRIES = 3


class WrongHalf(Recorded, Invalid):
    """Say that a half is wrong, and how many tries are left; the try is counted all the same."""


@sensitive_variables("half")
def give_half(grant_pk: int, half: str, *, actor: User, proof: Proof | None = None) -> EmergencyGrant:
    """Give the actor's half of the critical password; the second of two, in time, opens the window (M22, M23).

    Each half has a hash of its own, so the whole password never exists here. Raises WrongHalf for a wrong half;
    the third wrong one retires the seal.
    """
    if not half.strip():
        raise Invalid({"half": "Escriba la mitad de su sobre."})
    matched_hash = _check_half(grant_pk, half, actor)  # slow on purpose: before anything is locked
    with lock_grant(grant_pk) as grant:
        actor = reread_person(actor)
        require_none(policy.why_not_give_half(actor, grant))
        credential = grant.account.find_credential()
        assert credential is not None  # `why_not_give_half` asked for it
        letter = credential.find_half(actor)
        if matched_hash != getattr(credential, f"half_{letter}_hash"):  # "" (wrong), or of an older seal
            raise _count_wrong_half(grant, credential, actor, letter)
        given_at = now()
        setattr(grant, f"half_{letter}_at", given_at)
        setattr(grant, f"half_{letter}_by", actor)
        grant.save(update_fields=[f"half_{letter}_at", f"half_{letter}_by"])
        other = {"a": "b", "b": "a"}[letter]
        if policy.is_in_time(getattr(grant, f"half_{other}_at"), given_at, credential):
            _open(grant, credential, actor, letter, given_at, proof)
        else:
            event = _record_half(grant, credential, actor, letter, proof)
            notifications.mail_half_given(grant, event, credential)
    return grant


def enter_grant(grant_pk: int, *, actor: User, session_key: str, proof: Proof | None = None) -> str:
    """Bind the open emergency to the operator's session, and return the token that the session keeps.

    The caller gave the session a new key just before. A session that was bound earlier is deleted: there is only one.
    """
    with lock_grant(grant_pk) as grant:
        actor = reread_person(actor)
        require_none(policy.why_not_enter(actor, grant))
        token, old_token = hash_session_key(session_key), grant.session_key_hash
        if old_token and old_token != token:
            delete_session(old_token)
        grant.session_key_hash, grant.last_seen_at = token, now()
        grant.entered_at = grant.entered_at or now()
        grant.save(update_fields=["session_key_hash", "entered_at", "last_seen_at"])
        audit.record("grant.entered", grant, actor=actor, replaces=bool(old_token), auth=describe_proof(proof))
    return token


def mark_seen(grant_pk: int) -> bool:
    """Store that the emergency is in use now; return False, and store nothing, if it is over or the clock went back."""
    instant = now()
    is_open = Q(pk=grant_pk, status=Status.OPEN, ends_at__gt=instant)
    not_seen_later = Q(last_seen_at__isnull=True) | Q(last_seen_at__lte=instant)  # a later use: the clock went back
    return EmergencyGrant.objects.filter(is_open, not_seen_later).update(last_seen_at=instant) == 1


def end_grant(pk: int, reason: str = "", *, actor: User | None = None, proof: Proof | None = None) -> EmergencyGrant:
    """End an open emergency: for its operator at any time, for the system (no `actor`) when its window is over.

    The system may give a `reason` (the session was replaced, the clock went back); a reason of the policy replaces it.
    Raises WrongStatus if it is not open, or if the system has no reason to end it.
    """
    with lock_grant(pk) as grant:
        if grant.status != Status.OPEN:
            raise policy.refuse_status(grant)
        policy_reason = policy.find_end_reason(grant)
        if actor is None:
            end_reason = policy_reason or reason
            if not end_reason:
                raise WrongStatus("La emergencia sigue abierta.")
            return end_locked(grant, end_reason, actor=None)
        actor = reread_person(actor)
        if actor.pk != grant.operator_id:
            require_none(policy.why_not_enter(actor, grant))  # raises NotAllowed
        return end_locked(grant, policy_reason or EndReason.USED, actor=actor, proof=proof)


def end_over(instant: datetime | None = None) -> int:
    """End the open emergencies whose window is over; return how many. `instant` is unused: it asks the clocks."""
    count = 0
    for pk in list(EmergencyGrant.objects.filter(status=Status.OPEN).order_by("pk").values_list("pk", flat=True)):
        with lock_grant(pk) as grant:
            reason = policy.find_end_reason(grant) if grant.status == Status.OPEN else None
            if reason is not None:
                end_locked(grant, reason, actor=None)
                count += 1
    return count


def end_locked(
    grant: EmergencyGrant, reason: str, *, actor: User | None, note: str = "", proof: Proof | None = None
) -> EmergencyGrant:
    """End a locked, open emergency: delete its session, retire its seal, begin its review, tell the customer (M23).

    Its stored end is never after the end of its window, even if the system notices later.
    """
    assert grant.opened_at is not None
    assert grant.ends_at is not None
    assert grant.credential is not None
    grant.status, grant.ended_at = Status.ENDED, min(max(now(), grant.opened_at), grant.ends_at)  # in its window
    grant.end_reason, grant.end_note, grant.ended_by = reason, note, actor
    grant.save(update_fields=["status", "ended_at", "end_reason", "end_note", "ended_by"])
    if grant.session_key_hash:
        delete_session(grant.session_key_hash)
    retire_credential(grant.credential, CriticalCredential.RetiredReason.USED, actor=actor)
    due_at = add_business_days(settings.EMERGENCY_REVIEW_BUSINESS_DAYS, now())
    review, _is_new = GrantReview.objects.get_or_create(grant=grant, defaults={"opened_at": now(), "due_at": due_at})
    event = audit.record(
        "grant.ended",
        grant,
        actor=actor,
        reason=str(reason),
        note=note,
        ended_at=grant.ended_at.isoformat(),
        changes=[change.field for change in grant.changes.order_by("pk")],
        review_due=review.due_at.isoformat(),
        auth=describe_proof(proof),
    )
    notifications.mail_ended(grant, event, review)
    notifications.mail_customer(grant, event)
    return grant


def hash_session_key(session_key: str) -> str:
    """Return what an emergency stores of the session to which it is bound."""
    return hashlib.sha256(f"emergency:{session_key}".encode()).hexdigest()


def delete_session(key_hash: str) -> None:
    """Delete the session whose key has this hash; the emergency stores no key, so all sessions are tried (M23)."""
    for key in Session.objects.filter(expire_date__gt=now()).values_list("session_key", flat=True).iterator():
        if constant_time_compare(hash_session_key(key), key_hash):
            Session.objects.filter(session_key=key).delete()


@sensitive_variables("half")
def _check_half(grant_pk: int, half: str, actor: User) -> str:
    """Return the stored hash of the actor's half if what he typed matches it, else ""; slow, so it locks nothing."""
    grant = EmergencyGrant.objects.select_related("account").get(pk=grant_pk)
    require_none(policy.why_not_give_half(reread_person(actor), grant))
    credential = grant.account.find_credential()
    assert credential is not None  # `why_not_give_half` asked for it
    half_hash: str = getattr(credential, f"half_{credential.find_half(actor)}_hash")
    return half_hash if matches_half(half, half_hash) else ""


def _count_wrong_half(grant: EmergencyGrant, credential: CriticalCredential, actor: User, letter: str) -> WrongHalf:
    """Count a wrong half, retire the seal at the third one, and return the refusal; what was typed is not kept."""
    credential.tries += 1
    tries_left = MAX_TRIES - credential.tries
    if tries_left == 0:
        credential.retired_at, credential.retired_reason = now(), CriticalCredential.RetiredReason.TRIES
    credential.save(update_fields=["tries", "retired_at", "retired_reason"])
    event = audit.record(
        "grant.wrong_half", grant, actor=actor, half=letter, generation=credential.generation, tries_left=tries_left
    )
    if tries_left == 0:
        audit.record("credential.retired", grant.account, actor=actor, generation=credential.generation, reason="tries")
        notifications.mail_seal_lost(grant, event, credential)
        return WrongHalf({"half": "Es la tercera mitad equivocada: el sello se retiró. Hay que sellar de nuevo."})
    tries_text = "Le quedan 2 intentos" if tries_left > 1 else "Le queda 1 intento"
    return WrongHalf({"half": f"No es la mitad de su sobre. {tries_text}."})


def _open(
    grant: EmergencyGrant, credential: CriticalCredential, actor: User, letter: str, at: datetime, proof: Proof | None
) -> None:
    """Open a locked emergency at `at`, when the actor gave the second half (`letter`); its seal is then used up."""
    assert grant.minutes is not None
    credential.used_at = at
    credential.save(update_fields=["used_at"])
    grant.status, grant.credential, grant.opened_at = Status.OPEN, credential, at
    grant.ends_at = at + timedelta(minutes=grant.minutes)
    grant.save(update_fields=["status", "credential", "opened_at", "ends_at"])
    event = audit.record(
        "grant.opened",
        grant,
        actor=actor,
        half=letter,
        generation=credential.generation,
        custodians=[credential.custodian_a.get_full_name(), credential.custodian_b.get_full_name()],
        opened_at=at.isoformat(),
        ends_at=grant.ends_at.isoformat(),
        auth=describe_proof(proof),
    )
    notifications.mail_opened(grant, event)


def _record_half(
    grant: EmergencyGrant, credential: CriticalCredential, actor: User, letter: str, proof: Proof | None
) -> Event:
    """Record and return the event of the first half that was given, without the half itself."""
    return audit.record(
        "grant.half_given",
        grant,
        actor=actor,
        half=letter,
        generation=credential.generation,
        auth=describe_proof(proof),
    )
