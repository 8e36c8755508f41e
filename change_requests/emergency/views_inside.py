"""The pages inside an open emergency: the customer's facts, the change of a field that it names, and its end (M23)."""

from typing import Any
from urllib.parse import urlencode

from django.apps import apps
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.models import Customer, User
from accounts.web import form_memory
from accounts.web.mixins import PrivateView, get_person
from accounts.web.proofs import read_proof
from change_requests.control.pages import choose_status_code
from change_requests.emergency import operations, policy, session, wording
from change_requests.emergency.forms import ChangeForm
from change_requests.emergency.models import EmergencyGrant
from change_requests.emergency.operations.acting import NOT_NAMED
from change_requests.emergency.views_common import NOT_YOURS
from change_requests.kinds.fields import COLUMNS, find_row
from factureya.core.refusals import Refused

APPLY = "aplicar"  # the button that writes the change; any other shows old and new first
Incident = EmergencyGrant.Incident


class InsideView(PrivateView):
    """Serve a page to the session of an open emergency alone; the middleware has asked whether it is open."""

    http_method_names = ["get", "head"]
    grant: EmergencyGrant
    user: User

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Serve the page inside the emergency.

        An anonymous person gets the login; an operator who did not enter yet gets the page of the emergency that waits
        for him; everybody else gets 404.
        """
        if not self.takes(request):
            return self.http_method_not_allowed(request)
        if not request.user.is_authenticated:
            return form_memory.ask_login(request, reverse("emergency:inside"))
        self.user = get_person(request)
        grant = session.find_grant(request) if session.is_elevated(request) else None
        if grant is None:
            return self._send_to_grant()
        self.grant = EmergencyGrant.objects.select_related("account", "customer", "cause", "operator").get(pk=grant.pk)
        return super().dispatch(request, *args, **kwargs)

    def _send_to_grant(self) -> HttpResponse:
        """Redirect an operator to his open emergency. Raises Http404 for everybody else."""
        if policy.may_see(self.user):
            grant = EmergencyGrant.objects.filter(operator=self.user, status=EmergencyGrant.Status.OPEN).first()
            if grant is not None:
                return redirect("emergency:grant", grant.folio)
        raise Http404(NOT_YOURS)


class Inside(InsideView):
    """Show the customer of the emergency, and change a field that it names: first old and new, then the change."""

    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return the page with a form for each field that may be changed."""
        return self.render_inside()

    def post(self, request: HttpRequest) -> HttpResponse:
        """Show a preview of the change; in the step APPLY change the field and redirect; or show the form's errors."""
        field_code = request.POST.get("field", "")
        if field_code not in self.grant.fields:
            messages.error(request, NOT_NAMED)
            return self.render_inside(status=403)
        form = self.make_form(field_code, request.POST)
        if not form.is_valid():
            return self.render_inside(refused=(field_code, form))
        if request.POST.get("step") != APPLY:  # the first POST: show a preview
            return self.render_preview(field_code, form)
        try:
            change = operations.apply_emergency_change(
                self.grant.pk,
                field_code,
                form.cleaned_data["new"],
                form.cleaned_data["reason"],
                actor=self.user,
                proof=read_proof(request),
            )
        except Refused as refusal:
            _show_refusal(form, field_code, refusal)
            return self.render_inside(refused=(field_code, form), status=choose_status_code(refusal))
        messages.success(request, f"Se cambió {find_row(change.field).label.lower()}. El cliente lo sabrá al terminar.")
        return redirect("emergency:inside")

    def make_form(self, code: str, data: Any = None) -> ChangeForm:
        """Return the form of one field."""
        return ChangeForm(data, code=code, customer=self.grant.customer, auto_id=f"id_{code}_%s")

    def render_inside(self, *, refused: tuple[str, ChangeForm] | None = None, status: int = 200) -> HttpResponse:
        """Return the page; `refused`, a field's code and its form, replaces that field's empty form."""
        forms = {code: self.make_form(code) for code in self.grant.fields}
        forms |= dict([refused] if refused else [])
        context = {
            "grant": self.grant,
            "customer": self.grant.customer,
            "forms": [{"label": find_row(code).label, "form": form} for code, form in forms.items()],
            "facts": self.list_facts(),
            "changes": self.list_changes(),
            "labels": wording.list_labels(self.grant.fields),
            "customer_url": reverse("admin:accounts_customer_change", args=[self.grant.customer_id]),
            "ticket_url": self.find_ticket_url(),
            "form": refused[1] if refused else None,  # [1]: the form
        }
        return render(self.request, "emergency/inside.html", context, status=status)

    def render_preview(self, code: str, form: ChangeForm) -> HttpResponse:
        """Return the page that shows the value of this field (`code`) before and after, with a button to write it."""
        data = form.cleaned_data
        row = {
            "label": find_row(code).label,
            "old": wording.show_value(code, getattr(self.grant.customer, code) or ""),
            "new": wording.show_value(code, data["new"]),
        }
        context = {"grant": self.grant, "customer": self.grant.customer, "rows": [row], "data": data, "apply": APPLY}
        return render(self.request, "emergency/preview.html", context)

    def list_facts(self) -> list[dict[str, str]]:
        """Return the customer's registered data that this emergency may only read, not change."""
        customer: Customer = self.grant.customer
        codes = [code for code in COLUMNS if code not in self.grant.fields]
        return [
            {"label": find_row(code).label, "value": wording.show_value(code, getattr(customer, code) or "")}
            for code in codes
        ]

    def list_changes(self) -> list[dict[str, str]]:
        """Return what was changed in this emergency until now, before and after."""
        return [
            {
                "label": find_row(change.field).label,
                "old": wording.show_value(change.field, change.old),
                "new": wording.show_value(change.field, change.new),
            }
            for change in self.grant.changes.order_by("pk")
        ]

    def find_ticket_url(self) -> str:
        """Return the address of the emergency's ticket; "" if it is for a request, or a drill, or has no row."""
        if self.grant.incident_kind != Incident.TICKET:
            return ""
        ticket = apps.get_model("tickets", "Ticket")._base_manager.filter(number=self.grant.incident).first()
        return reverse("admin:tickets_ticket_change", args=[ticket.pk]) if ticket else ""


class Leave(InsideView):
    """End the emergency with one click; its operator goes back to the login (M23)."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        """End the emergency and redirect to the login, which opens the emergency's page next: it shows how it ended."""
        session.leave_emergency(request, proof=read_proof(request))
        after = urlencode({"next": reverse("emergency:grant", args=[self.grant.folio])})
        return redirect(f"{reverse('account_login')}?{after}")


def _show_refusal(form: ChangeForm, code: str, refusal: Refused) -> None:
    """Show in a field's form why its operation refused; an error of the field (`code`) stands at the input `new`."""
    errors = getattr(refusal, "errors", None) or {refusal.field: str(refusal)}
    for name, text in errors.items():
        field = {code: "new"}.get(name, name)  # the operation names the field, the form its input
        form.add_error(field if field in form.fields else None, text)  # None: above all fields
