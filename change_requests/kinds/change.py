"""What the kinds of the *Solicitud de Baja o Cambio de Información Sensible* share (M19)."""

from typing import Any

from accounts import operations as accounts
from accounts.models import Customer, User
from change_requests.kinds import representative
from change_requests.kinds.base import RequestKind
from change_requests.kinds.fields import REPRESENTATIVE, find_row
from change_requests.kinds.values import Item
from change_requests.models import FormalRequest


class ChangeKind(RequestKind):
    """A request about the company's own data, field by field."""

    form = FormalRequest.Form.CHANGE
    step_label = "Datos que cambian"
    changes_heading = "Qué cambia"
    min_reason = 20
    has_date = True

    def find_value_today(self, customer: Customer, item: Item) -> str:
        """Return today's value of the item's field. For a representative it is the data of the one who is replaced."""
        if item["field"] == REPRESENTATIVE.code:
            return representative.find_value_today(customer, item)
        return str(getattr(customer, item["field"]))

    def find_executable_value(self, customer: Customer, item: Item) -> str:
        """Return today's value of the item's field. If it is not the item's old value, nothing is executed.

        So it is «(es de otra empresa)», which is no old value, if another company has the new value already.
        """
        is_taken = find_row(item["field"]).is_taken
        if is_taken and is_taken(customer, item["new"]):
            return "(es de otra empresa)"
        return self.find_value_today(customer, item)

    def apply(self, request: FormalRequest, payload: dict[str, Any], actor: User) -> None:
        """Write the approved values: the company's columns in one statement, then the representatives."""
        columns: dict[str, Any] = {}
        changes = [(find_row(item["field"]), item) for item in payload["items"]]
        for field, item in changes:
            if field.is_column:
                columns[field.code] = item["new"]
            if field.more_columns:  # only the service's status has one: the start of its suspension
                columns |= field.more_columns(item["new"], payload["effective_date"])
        if columns:
            Customer.objects.filter(pk=request.customer_id).update(**columns)
            # This reads the company again, as the database has it now.
            accounts.record_company_change(request.customer, folio=request.folio, actor=actor)
        for field, item in changes:
            if field.replace:  # only the representative has it
                field.replace(request, item["old"], item["new"], actor)
                request.customer.refresh_from_db()
