"""Correct the one field that an emergency names, inside its window: the second and last source of M1."""

from typing import Any

from accounts import operations as accounts
from accounts.models import Customer, Proof, User
from change_requests.emergency.marking import writing
from change_requests.emergency.models import EmergencyChange, EmergencyGrant
from change_requests.emergency.operations._common import describe_proof, lock_grant
from change_requests.emergency.operations.recording import take_instant
from change_requests.emergency.record_checks import hash_differences
from change_requests.kinds import fields as sensitive_fields
from change_requests.kinds.fields import SensitiveField
from change_requests.kinds.values import WrongValue, clean_line
from change_requests.operations._common import clean_text, reread_person
from factureya.core import audit
from factureya.core.refusals import Invalid, NotAllowed

NOT_NAMED = "La autorización no nombra ese dato; no se cambió nada."
_ROWS = {row.code: row for row in sensitive_fields.CHANGE_FIELDS if row.is_column}


def apply_emergency_change(
    grant_pk: int, field: str, new: str, reason: str, *, actor: User, proof: Proof | None = None
) -> EmergencyChange:
    """Give a field of the emergency's customer a new value, and return the change (M1, M23).

    `field` is a code of `kinds.fields.COLUMNS` that the emergency names. Both clocks are asked under the lock, so
    nothing is written after the window. A mail tells the customer at its end. Raises NotAllowed, WrongStatus, Invalid.
    """
    with lock_grant(grant_pk) as grant:
        operator = reread_person(actor.real_operator or actor)  # inside, the actor is the account's user
        at = take_instant(grant, operator)
        if field not in grant.fields:
            raise NotAllowed(NOT_NAMED)
        field_spec = _ROWS[field]
        reason = clean_text(reason, field="reason", text_name="el motivo de este cambio", at_most=4000)
        customer = Customer.objects.select_for_update(no_key=True).get(pk=grant.customer_id)
        change = EmergencyChange.objects.create(
            grant=grant,
            customer=customer,
            field=field,
            old=str(getattr(customer, field)),
            new=_clean_value(field_spec, customer, new),
            reason=reason,
            operator=operator,
            at=at,
        )
        _write(grant, change, field_spec)
        _record(grant, change, customer, proof)
    return change


def _clean_value(field_spec: SensitiveField, customer: Customer, text: str) -> str:
    """Return the new value, cleaned and checked as in a formal request. Raises Invalid, keyed by the field's code."""
    value, problem = clean_line(text), ""
    try:
        value = field_spec.clean(value)
    except WrongValue as wrong:
        problem = str(wrong)
    if not value:
        problem = "Escriba el dato nuevo."
    elif len(value) > field_spec.max_length:
        problem = f"Tiene más de {field_spec.max_length} caracteres; acórtelo."
    elif value == str(getattr(customer, field_spec.code)):
        problem = "Es igual al dato de hoy."
    elif field_spec is sensitive_fields.STATUS and value not in Customer.Status.values:
        problem = "Elija el estado del servicio."
    elif field_spec.is_taken and field_spec.is_taken(customer, value):
        problem = "Ese RFC ya es de una empresa verificada."
    if problem:
        raise Invalid({field_spec.code: problem})
    return value


def _write(grant: EmergencyGrant, change: EmergencyChange, field_spec: SensitiveField) -> None:
    """Write the new value, and the columns that change with it, while the emergency is marked as writing."""
    columns: dict[str, Any] = {field_spec.code: change.new}
    if field_spec.more_columns:  # the status has one: since when the service is suspended
        columns |= field_spec.more_columns(change.new, "")  # "": no effective date
    with writing(grant):
        Customer.objects.filter(pk=change.customer_id).update(**columns)


def _record(grant: EmergencyGrant, change: EmergencyChange, customer: Customer, proof: Proof | None) -> None:
    """Record the change in the chain of the emergency, with the hash of the row that it wrote, and in the customer's.

    This is in the transaction of the change, so it is kept even if the outcome of the request is never recorded.
    """
    facts = {"field": change.field, "old": change.old, "new": change.new, "reason": change.reason}
    last_rows = list(
        grant.differences.filter(table_name=Customer._meta.db_table, row_pk=str(customer.pk)).order_by("-pk")[:1]
    )  # only the row that `_write` has just changed
    audit.record(
        "grant.changed",
        grant,
        actor=change.operator,
        change=change.pk,
        customer=customer.pk,
        difference=last_rows[0].pk,
        difference_sha256=hash_differences(last_rows),
        auth=describe_proof(proof),
        **facts,
    )
    accounts.record_company_change(customer, actor=change.operator, folio=grant.folio, **facts)
