"""Record who looked at a customer's values before an emergency was asked for (M3, M26)."""

from datetime import timedelta

from django.db import transaction

from accounts.models import Customer, Proof, User
from change_requests.emergency import policy
from change_requests.emergency.operations._common import describe_proof
from change_requests.operations._common import require_none, reread_person
from factureya.core import audit
from factureya.core.clock import now
from factureya.core.models import Event

SAME_LOOK = timedelta(minutes=10)  # the form shown again with its errors is the same look
LOOKED_AT = "customer.looked_at"


def record_look(customer: Customer, *, actor: User, incident: str, proof: Proof | None = None) -> Event | None:
    """Record that an operator sees a customer's present values because of this incident, and return the event.

    The event stands in the customer's chain. Return None if the same look was recorded within SAME_LOOK. Raises
    NotAllowed for a person who may not use emergency accounts.
    """
    with transaction.atomic():
        actor = reread_person(actor)
        require_none(policy.why_not_operate(actor))
        recent = Event.objects.filter(chain=customer.chain, verb=LOOKED_AT, actor=actor, at__gt=now() - SAME_LOOK)
        if incident in recent.values_list("data__incident", flat=True):
            return None
        return audit.record(LOOKED_AT, customer, actor=actor, incident=incident, auth=describe_proof(proof))
