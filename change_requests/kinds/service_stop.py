"""*Baja* of the service: the company leaves from a day on (M19)."""

from collections.abc import Sequence
from typing import Any

from accounts.models import Customer
from change_requests.kinds.base import Draft
from change_requests.kinds.change import ChangeKind
from change_requests.kinds.fields import STATUS
from change_requests.kinds.inputs import Tick
from change_requests.kinds.values import Errors, Item, make_item
from change_requests.models import FormalRequest
from factureya.core.forms import PortalForm


class ServiceForm(PortalForm):
    """Ask for a tick once the consequences were read, in step 2 of the baja of the service."""

    understood = Tick(
        label="Leí qué pasa con la baja del servicio", missing="Lea qué pasa con la baja y marque que lo leyó"
    )

    def answers(self) -> Draft:
        return {"items": {STATUS.code: str(Customer.Status.SUSPENDED)}}


class ServiceStop(ChangeKind):
    """Suspend the company's service. It may be executed before its day, and takes effect on that day."""

    code = FormalRequest.Kind.BAJA
    choice = "Baja: dejar el servicio a partir de una fecha"
    noun = "la baja del servicio"
    step_label = "Qué pasa"
    step_template = "step_service.html"
    error_places = {"status": "understood"}
    needs_date = True
    date_label = "Desde qué día"
    pdf_value = "Baja"
    pdf_label = "Baja del servicio"
    pdf_hint = "el servicio se suspende en la fecha que indique en la sección 5"
    blocks_all = True
    waits_for_date = False
    suspends_service = True

    def title(self, items: Sequence[Item]) -> str:
        return "Baja del servicio"

    def step_form(self, request: FormalRequest, *args: Any, **options: Any) -> ServiceForm:
        return ServiceForm(*args, **options)

    def step_initial(self, request: FormalRequest) -> dict[str, Any]:
        return {"understood": bool(request.draft.get("items"))}

    def read_pdf(self, person: Draft, items: Draft) -> Draft:
        """Return no items: a PDF form asks for the baja by its kind alone."""
        return {"items": {}}

    def find_items(self, request: FormalRequest, errors: Errors) -> list[Item]:
        """Return the only item (change): the service is suspended. If it is so already, add an error."""
        status = request.customer.status
        if status == Customer.Status.SUSPENDED:
            errors["status"] = "El servicio ya está suspendido."
        return [make_item(STATUS.asset, STATUS.code, status, Customer.Status.SUSPENDED)]
