"""Decide about sign-ups (*Clientes por verificar*), and show companies (*Clientes*), read-only."""

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils.module_loading import import_string

from accounts import operations, policy
from accounts.models import Contact, Customer
from accounts.staff.forms import RefuseForm
from accounts.staff.pages import ROWS, attempt_operation, get_search_text, page_context
from accounts.web.mixins import get_person
from factureya.core.models import Event

VIEWED = "customer.viewed"
TO_VERIFY = "admin:accounts_customertoverify_changelist"

_DECISIONS = {
    "verify": (operations.verify_company, "Verificó a {}."),
    "join": (operations.join_company, "Unió a las personas y los tickets de {}."),
}


def list_to_verify(request: HttpRequest) -> HttpResponse:
    """Show the companies that wait for staff, the oldest first, and mark those with the RFC of a verified company."""
    same_rfc = Customer.objects.verified_with(OuterRef("rfc"))
    rows = Customer.objects.to_verify().annotate(has_known=Exists(same_rfc)).order_by("created_at")
    context = page_context(request, "Clientes por verificar", rows=rows[:ROWS])
    return TemplateResponse(request, "admin/accounts/to_verify.html", context)


def show_decision(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one company that waits for staff, the verified company with its RFC, and the three decisions."""
    customer = get_object_or_404(Customer.objects.to_verify(), pk=pk)
    return _render_decide_page(request, customer, RefuseForm())


def decide_at_once(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """Verify a company, or join it to the verified one, as `verb` says. If refused, show the company's page again."""
    customer = get_object_or_404(Customer, pk=pk)
    operation, done_text = _DECISIONS[verb]
    if attempt_operation(request, None, done_text.format(customer.legal_name), operation, customer.pk):
        return redirect(TO_VERIFY)
    return redirect("admin:accounts_customertoverify_change", customer.pk)


def refuse(request: HttpRequest, pk: int) -> HttpResponse:
    """Refuse a company that signed up, with the posted reason (POST), and go to the list of those that wait."""
    customer, form = get_object_or_404(Customer, pk=pk), RefuseForm(request.POST)
    done_text = f"No aceptó a {customer.legal_name}."
    if form.is_valid() and attempt_operation(
        request, form, done_text, operations.refuse_company, customer.pk, **form.cleaned_data
    ):
        return redirect(TO_VERIFY)
    return _render_decide_page(request, customer, form)


def list_customers(request: HttpRequest) -> HttpResponse:
    """Show the list of companies: the newest, or those found by RFC, name or registered mail."""
    words = get_search_text(request)
    customers = Customer.objects.order_by("-pk")
    if words:
        customers = customers.filter(
            Q(rfc__startswith=words.upper()) | Q(legal_name__icontains=words) | Q(registered_email__iexact=words)
        )
    context = page_context(request, "Clientes", rows=customers[:ROWS], words=words, shown=ROWS)
    return TemplateResponse(request, "admin/accounts/customers.html", context)


def show_customer(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one company: registered data, read-only (M1), its people, and what was decided about it.

    Who looked is recorded (M5, M26).
    """
    related = Customer.objects.select_related("joined_to", "verified_by", "credit_balance__recorded_by")
    customer = get_object_or_404(related, pk=pk)
    reader = get_person(request)
    if not reader.reads_all:  # for a person with `reads_all` the middleware records it
        operations.record_view(customer, actor=reader)
    context = page_context(
        request,
        customer.legal_name,
        customer=customer,
        representatives=customer.representatives.order_by("-pk")[:ROWS],
        contacts=_list_people(customer)[:ROWS],
        history=_read_history(customer),
        cards=[import_string(name)(request, customer) for name in settings.CUSTOMER_CARDS],  # of other apps
        may_verify=policy.may_verify(reader) and customer.waits_for_staff,
        may_take_calls=policy.may_verify(reader),
        may_enter=policy.may_enter_credits(reader),
    )
    return TemplateResponse(request, "admin/accounts/customer.html", context)


def _read_history(customer: Customer) -> list[tuple[str, Event]]:
    """Return the last events of the company, each in words; who looked at its page is left out."""
    describe = import_string(settings.EVENT_WORDS)
    events = customer.events().exclude(verb=VIEWED).reverse()[:ROWS]
    return [(describe(event.verb, event.data), event) for event in events]


def _list_people(customer: Customer) -> QuerySet[Contact]:
    """Return the contacts of the company with their powers of today, its representatives first."""
    people = policy.add_powers(customer.contacts.select_related("user"))
    return people.order_by("-role", "user__full_name")  # by alphabet, descending: "representative", "contact"


def _render_decide_page(request: HttpRequest, customer: Customer, form: RefuseForm) -> HttpResponse:
    """Return the page on which staff verifies, joins or refuses a company; `form` takes the reason of a refusal."""
    context = page_context(
        request,
        customer.legal_name,
        customer=customer,
        known=Customer.objects.verified_with(customer.rfc).first(),  # the company to join this one to, or None
        contacts=_list_people(customer),
        form=form,
        may_decide=policy.may_verify(get_person(request)),
    )
    return TemplateResponse(request, "admin/accounts/decide.html", context)
