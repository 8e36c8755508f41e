"""What the operations of emergencies share: the locks, the proof of an act, the texts, the customer of drills."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.models import Customer, Proof, User
from change_requests.emergency.models import CriticalCredential, EmergencyAccount, EmergencyGrant
from change_requests.operations._common import Recorded, clean_text
from factureya.core import audit
from factureya.core.clock import now
from factureya.core.locking import lock
from factureya.core.refusals import Invalid

_JOINED = ("account__user", "operator", "cause", "customer", "credential")


@contextmanager
def lock_account(pk: int | None) -> Iterator[EmergencyAccount]:
    """Open a transaction and yield the account, locked and read again. Raises EmergencyAccount.DoesNotExist."""
    with transaction.atomic():
        yield lock(EmergencyAccount.objects.select_related("user"), pk)


@contextmanager
def lock_grant(pk: int) -> Iterator[EmergencyGrant]:
    """Open a transaction and yield the emergency, locked after its account and read again.

    If the block raises, what it wrote is undone. A `Recorded` refusal is raised after the commit: what it wrote stays.
    """
    recorded = None
    with transaction.atomic():
        account_pk = EmergencyGrant.objects.values_list("account", flat=True).get(pk=pk)
        lock(EmergencyAccount.objects.all(), account_pk)
        grant = lock(EmergencyGrant.objects.select_related(*_JOINED), pk)
        try:
            yield grant
        except Recorded as refusal:
            recorded = refusal
    if recorded is not None:
        raise recorded


def describe_proof(proof: Proof | None) -> dict[str, Any] | None:
    """Return how the act was authenticated, for its event; None for the system."""
    return proof.as_data() if proof else None


def describe_person(person: User) -> dict[str, Any]:
    """Return a person for an event: the key, and the name as it is today."""
    return {"pk": person.pk, "name": person.get_full_name()}


def clean_line(text: str, *, field: str, text_name: str, at_least: int, at_most: int) -> str:
    """Return a text of one line that a person wrote. Raises Invalid at `field` if it is too short or too long."""
    return " ".join(clean_text(text, field=field, text_name=text_name, at_least=at_least, at_most=at_most).split())


def find_limit(model: Any, field: str) -> int:
    """Return how many characters a column of the model takes."""
    return int(model._meta.get_field(field).max_length)


def require_minutes(minutes: int, at_most: int) -> None:
    """Raise Invalid unless the emergency would last at least a minute and no longer than allowed (M23)."""
    if not 1 <= minutes <= at_most:
        raise Invalid({"minutes": f"Indique entre 1 y {at_most} minutos."})


def retire_credential(credential: CriticalCredential, reason: str, *, actor: User | None) -> None:
    """Retire a critical password (seal) for ever, and record why in the account's chain; the caller holds the lock."""
    credential.retired_at, credential.retired_reason = now(), reason
    credential.save(update_fields=["retired_at", "retired_reason"])
    audit.record(
        "credential.retired", credential.account, actor=actor, generation=credential.generation, reason=str(reason)
    )


def find_drill_customer(actor: User) -> Customer:
    """Return the invented customer that drills use; the first drill inserts its row (M23)."""
    customer = Customer.objects.filter(is_drill=True, verified_at__isnull=False).order_by("pk").first()
    if customer is not None:
        return customer
    customer = Customer.objects.create(
        rfc="SIM010101SI9",
        legal_name="Cliente de simulacro (no existe)",
        fiscal_address="Calle del Simulacro 1, Centro, 72000 Puebla, Pue.",
        phone="222 000 0000",
        registered_email=settings.CONTROL_DESK_EMAIL,
        is_drill=True,
        verified_at=now(),
        verified_by=actor,
    )
    audit.record("customer.made_for_drills", customer, actor=actor)
    return customer
