"""The list of emergencies, and the form that asks for one or for a drill (M22, M23)."""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.models import Customer
from accounts.rfc import BadRFC, parse_rfc
from accounts.web.form_memory import FormKey
from accounts.web.mixins import PostingForm
from change_requests.control.pages import choose_status_code
from change_requests.emergency import list_page, operations, policy
from change_requests.emergency.forms import GrantForm
from change_requests.emergency.grant_page import find_incident
from change_requests.emergency.list_page import may_keep_delegations
from change_requests.emergency.models import EmergencyAccount, EmergencyCause, EmergencyGrant
from change_requests.emergency.views_common import EmergencyView
from factureya.core.models import Attachment
from factureya.core.refusals import FormUsed, Refused

COMMON_WORDS = frozenset("sa de cv srl rl sc ac sapi sab sas s a c v r l y e el la los las del".split())
LOOK = "ver"  # the button that shows the customer's values of today and asks for nothing


class EmergencyList(EmergencyView):
    """List the accounts with their seals, and the latest emergencies that the reader may see."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return the lists of accounts and emergencies; above them everybody sees all overdue reviews (M27)."""
        page = list_page.read_grants(self.user, list_page.NEWEST_FIRST.read_from(request.GET))
        context = {
            "accounts": list_page.list_accounts(self.user),
            "rows": list_page.make_grant_rows(page.rows),
            "overdue": list_page.list_overdue(self.user),
            "may_ask": policy.why_not_operate(self.user) is None,  # for an emergency
            "may_keep": policy.may_keep(self.user),  # accounts, seals and causes
            "may_delegate": may_keep_delegations(self.user),
            **page.links({}),
        }
        return render(request, "emergency/list.html", context)


class AskForGrant(PostingForm, EmergencyView):
    """Let an operator ask for an emergency, or for a drill with `?simulacro=1` (M23)."""

    http_method_names = ["get", "head", "post"]
    customer: Customer | None = None  # whose values of today are shown: the typed one, if it is the incident's
    is_other_customer = False

    @property
    def is_drill(self) -> bool:
        """Return True if the address asks for a drill."""
        return self.request.GET.get("simulacro") == "1"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return the form, with what was typed before a login; who cannot ask reads why."""
        return self.show_form()

    def post(self, request: HttpRequest) -> HttpResponse:
        """Ask for the emergency and redirect to it; or show the form with errors or (LOOK) a customer's values."""
        key, is_good_key = self.posted_key()
        if is_good_key and (earlier := EmergencyGrant.objects.filter(form_key=key.key, operator=self.user).first()):
            return redirect("emergency:grant", earlier.folio)  # a double click: the first one took the account
        if not self.is_drill:
            self.find_customer(request.POST.get("incident", ""), request.POST.get("customer", ""))  # sets self.customer
        if LOOK in request.POST:
            form = self.form(initial={**request.POST.dict(), "fields_asked": request.POST.getlist("fields_asked")})
            if self.customer is None and not self.is_drill:
                messages.info(request, "No hay un ticket ni una solicitud de ese cliente con ese número.")
            return self.render_page(form, key)
        return self.receive_form()

    def form_name(self) -> str:
        return "emergency-drill" if self.is_drill else "emergency"

    def form(self, *args: Any, **options: Any) -> GrantForm:
        """Return the form, with the causes and the sealed accounts to choose from, and the values of `customer`."""
        return GrantForm(
            *args,
            causes=list(EmergencyCause.objects.filter(active=True).order_by("pk")),
            accounts=self.list_choices(),
            customer=self.customer,
            drill=self.is_drill,
            **options,
        )

    def list_choices(self) -> Sequence[tuple[str, str]]:
        """Return the accounts to choose from: those that are sealed and have no emergency in course or to review."""
        rows = list_page.list_accounts(self.user)
        sealed = [row.account for row in rows if list_page.find_state(row.account) == EmergencyAccount.State.SEALED]
        return [(str(account.pk), f"{account.alias} · {account.get_scope_display().lower()}") for account in sealed]

    def find_customer(self, incident: str, typed: str) -> None:
        """Set `customer` to the customer of this incident if `typed` is its RFC or name, else to None.

        So nobody learns from a number alone whose it is. `is_other_customer`: the incident is of another customer (M3).
        """
        found = find_incident(_clean_incident(incident))
        customer = Customer.objects.filter(pk=found.customer_pk).first() if found else None
        is_named = customer is not None and _is_name_of(customer, typed)
        self.customer, self.is_other_customer = (customer if is_named else None), customer is not None and not is_named

    def perform(self, form: Any, key: FormKey) -> str | HttpResponse:
        """Ask for the emergency and return its address; or return the page with the refusal at its field."""
        data = form.cleaned_data
        if self.is_other_customer:
            form.add_error("customer", f"{data['incident']} no es de ese cliente; revíselo")
            return self.render_page(form, key)
        try:
            grant = self.ask(data, key)
        except FormUsed:  # `receive_form` gives a new key
            raise
        except Refused as refusal:
            form.show_refusal(refusal)
            return self.render_page(form, key, code=choose_status_code(refusal))
        messages.success(self.request, "Se pidió la emergencia; avisamos a quienes la autorizan.")
        return reverse("emergency:grant", args=[grant.folio])

    def ask(self, data: dict[str, Any], key: FormKey) -> EmergencyGrant:
        """Call the operation with what the form holds, and return the new emergency. Raises its refusals."""
        return operations.request_grant(
            int(data["account"]),
            actor=self.user,
            incident=data.get("incident", ""),
            cause=data["cause"],
            fields=data["fields_asked"],
            reason=data["reason"],
            minutes=int(data["minutes"]),
            drill=self.is_drill,
            form_key=key.key,
            proof=self.make_proof(),
        )

    def render_page(
        self, form: Any, key: FormKey, *, kept: Sequence[Attachment] = (), draft_reason: str = "", code: int = 200
    ) -> HttpResponse:
        """Return the page with this form; a person who may not ask for emergencies goes to the list, with the reason.

        If it shows a customer's present values, the look is recorded first (M26). `kept` is unused: no files are sent.
        """
        if refusal := policy.why_not_operate(self.user):
            messages.error(self.request, str(refusal))
            return redirect("emergency:list")
        if self.customer is not None:
            incident = _clean_incident(self.request.POST.get("incident", "")).upper()
            operations.record_look(self.customer, actor=self.user, incident=incident, proof=self.make_proof())
        context = {
            "form": form,
            "key": key.token,
            "is_drill": self.is_drill,
            "customer": self.customer,
            "has_accounts": len(form.fields["account"].choices) > 1,
            "draft_reason": draft_reason,
        }
        return render(self.request, "emergency/ask.html", context, status=code)


def _clean_incident(typed: str) -> str:
    """Return the typed number of a ticket or request, not longer than one can be."""
    return typed.strip()[:20].replace("\0", "")


def _is_name_of(customer: Customer, typed: str) -> bool:
    """Return True if what was typed has the customer's RFC, or is a part of its name with three letters or more.

    Words that many companies have in their names, «SA de CV», do not count.
    """
    try:
        return parse_rfc(typed).value == customer.rfc
    except BadRFC:
        words = " ".join(typed.casefold().split())
    own_letters = "".join(word for word in words.replace(".", "").split() if word not in COMMON_WORDS)
    is_part = len(own_letters) > 2 and words in customer.legal_name.casefold()
    return is_part or customer.rfc.casefold() in words
