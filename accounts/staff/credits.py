"""Serve the pages of the companies' credits: the list, one company's, and the import of a CSV file (M28)."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse

from accounts import operations, policy
from accounts.credits.reading import read_query
from accounts.models import CreditImport, CreditImportRow, Customer
from accounts.operations.credit_rows import COLUMNS
from accounts.operations.credits import name_version, read_values
from accounts.staff.credit_forms import CreditsForm, UploadForm
from accounts.staff.pages import attempt_operation, page_context
from accounts.web import form_memory
from accounts.web.mixins import get_person
from factureya.core import keyset
from factureya.core.forms import STALE_FORM
from factureya.core.keyset import Order
from factureya.core.refusals import Invalid, Refused

LIST, IMPORT, IMPORT_NEW = (f"admin:accounts_creditbalance_{name}" for name in ("changelist", "import", "import_new"))
UPLOAD_FORM = "creditos"  # the name of the form, for its one-time key
LATEST_IMPORTS = 5
BY_LINE = Order(key="line", name="line")
_DECISIONS = {
    "confirm": (operations.confirm_import, "Se están aplicando los cambios."),
    "discard": (operations.discard_import, "Descartó el archivo; no se guardó nada."),
}


def list_credits(request: HttpRequest) -> HttpResponse:
    """Show the companies' credits: low, expired or soon to expire, or all. A search (RFC or name) looks in all."""
    query = read_query(request.GET)
    order = Order(is_descending=True)
    page = keyset.page(order, order.read_from(request.GET), query.select())
    may_enter = policy.may_enter_credits(get_person(request))
    context = page_context(
        request,
        "Créditos de los clientes",
        rows=page.rows,
        query=query,
        may_enter=may_enter,
        imports=CreditImport.objects.order_by("-pk").select_related("uploaded_by")[:LATEST_IMPORTS],
        **page.links(query.parameters),
    )
    return TemplateResponse(request, "admin/accounts/credits.html", context)


def enter_credits(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the form of one company's credits, and store what a supervisor posts."""
    customer = get_object_or_404(Customer.objects.select_related("credit_balance"), pk=pk, verified_at__isnull=False)
    form = CreditsForm(request.POST) if request.method == "POST" else CreditsForm(initial=_make_initial(customer))
    if request.method == "POST" and form.is_valid():
        try:
            is_changed = operations.set_credits(customer.pk, actor=get_person(request), **form.cleaned_data)
        except Invalid as refusal:
            for field, text in refusal.errors.items():
                form.add_error(field, text)
        except Refused as refusal:
            customer = Customer.objects.select_related("credit_balance").get(pk=pk)  # as it is stored now
            form = CreditsForm({**request.POST.dict(), "seen": name_version(customer.credits)})  # what he sees now
            form.add_error(None, str(refusal))
        else:
            done_text = "Guardamos los créditos." if is_changed else "Ya estaban así; no cambió nada."
            messages.success(request, done_text)
            return redirect("admin:accounts_customer_change", pk)
    context = page_context(request, "Anotar créditos", customer=customer, form=form)
    return TemplateResponse(request, "admin/accounts/credit_form.html", context)


def import_credits(request: HttpRequest) -> HttpResponse:
    """Show the form for a CSV file of credits, and store the file that a supervisor posts; a task then checks it."""
    person = get_person(request)
    key = form_memory.new_key(person, UPLOAD_FORM)
    form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
    if request.method == "POST":
        posted = form_memory.read_key(request.POST.get("key", ""), UPLOAD_FORM, person)
        if posted is None:  # the key is forged, or of another person or form
            form.add_error(None, STALE_FORM)
        elif form.is_valid():
            uploaded = form.cleaned_data["file"]
            try:
                credit_import = operations.upload_credits(
                    actor=person, name=uploaded.name, content=uploaded.read(), form_key=posted.key
                )
            except Refused as refusal:
                form.add_error("file", str(refusal))
            else:
                return redirect(IMPORT, credit_import.pk)
    limits = {
        "max_rows": f"{settings.CREDITS_IMPORT_MAX_ROWS:,}",
        "max_megabytes": settings.CREDITS_IMPORT_MAX_BYTES // 1024**2,
    }
    context = page_context(request, "Importar créditos", form=form, key=key, columns=COLUMNS, **limits)
    return TemplateResponse(request, "admin/accounts/credit_import_new.html", context)


def show_import(request: HttpRequest, pk: int) -> HttpResponse:
    """Show an import: its progress, or every bad row by its line, or what it would change and what it changed."""
    credit_import = get_object_or_404(CreditImport.objects.select_related("uploaded_by", "confirmed_by"), pk=pk)
    rows = _choose_rows(credit_import)
    page = keyset.page(BY_LINE, BY_LINE.read_from(request.GET), rows)
    total = credit_import.changes if credit_import.status == CreditImport.Status.APPLYING else credit_import.rows_total
    done = credit_import.rows_checked  # while the file is checked
    if credit_import.status == CreditImport.Status.APPLYING:
        done = credit_import.rows_applied + credit_import.rows_left_out
    context = page_context(
        request,
        f"Importación de {credit_import.name}",
        found=credit_import,
        rows=page.rows,
        done=done,
        total=max(total, done, 1),  # the end of the progress bar, never 0
        may_decide=policy.may_enter_credits(get_person(request)),
        **page.links({}),
    )
    return TemplateResponse(request, "admin/accounts/credit_import.html", context)


def decide_import(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """Confirm or discard an import (POST), as `verb` says, and go back to its page."""
    credit_import = get_object_or_404(CreditImport, pk=pk)
    operation, done_text = _DECISIONS[verb]
    is_double_click = verb == "confirm" and credit_import.confirmed_by_id == get_person(request).pk
    if not is_double_click:
        attempt_operation(request, None, done_text, operation, pk)
    return redirect(IMPORT, pk)


def _choose_rows(credit_import: CreditImport) -> QuerySet[CreditImportRow]:
    """Return the rows that an import's page lists: the bad ones if any, else those left out if any, else all."""
    rows = credit_import.rows.select_related("customer")
    if credit_import.rows_bad:
        return rows.filter(kind=CreditImportRow.Kind.BAD)
    if credit_import.rows_left_out:
        return rows.filter(outcome=CreditImportRow.Outcome.LEFT_OUT)
    return rows.exclude(kind=CreditImportRow.Kind.BAD)


def _make_initial(customer: Customer) -> dict[str, Any]:
    """Return the values with which the form of a company's credits begins."""
    balance = customer.credits
    return {**(read_values(balance) if balance else {}), "seen": name_version(balance)}  # the state that he sees
