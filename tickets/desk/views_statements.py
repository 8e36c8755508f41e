"""Serve the statements of every company to our supervisors and Auditoría: what is to be billed of a month (M18)."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts.models import Customer, User
from factureya.core import clock
from factureya.core.files.sending import send_document
from tickets.charges import policy
from tickets.charges.months import Month
from tickets.charges.pdf import draw_pdf
from tickets.charges.statement import Statement, read_statement, read_statements
from tickets.charges.tables import write_csv
from tickets.desk.pages import page_context


def list_page(request: HttpRequest) -> HttpResponse:
    """Show the companies that have charges in a month, which the address names with `mes`."""
    _require_reader(request)
    month = _read_month(request.GET.get("mes", ""))
    context = page_context(request, f"Cargos de {month.label}", **_build_neighbours(month), rows=_list_rows(month))
    return TemplateResponse(request, "admin/tickets/statements.html", context)


def statement_page(request: HttpRequest, customer: int, month: str) -> HttpResponse:
    """Show the statement of a company for a month."""
    statement = _find_statement(request, customer, month)
    title = f"Estado de cuenta, {statement.month.label}"
    context = page_context(request, title, statement=statement, **_build_neighbours(statement.month))
    return TemplateResponse(request, "admin/tickets/statement.html", context)


def statement_pdf(request: HttpRequest, customer: int, month: str) -> HttpResponse:
    """Send the statement of a company for a month as PDF."""
    statement = _find_statement(request, customer, month)
    return send_document(draw_pdf(statement), name=_name_file(statement, "pdf"), content_type="application/pdf")


def statement_csv(request: HttpRequest, customer: int, month: str) -> HttpResponse:
    """Send the statement of a company for a month as CSV."""
    statement = _find_statement(request, customer, month)
    return send_document(
        write_csv(statement), name=_name_file(statement, "csv"), content_type="text/csv; charset=utf-8"
    )


def _require_reader(request: HttpRequest) -> User:
    """Return the supervisor or the person of Auditoría who asks. Raises PermissionDenied for anybody else."""
    person = request.user
    if not isinstance(person, User) or not policy.may_read_statements(person):
        raise PermissionDenied
    return person


def _find_statement(request: HttpRequest, customer: int, month: str) -> Statement:
    """Return the statement that an address names. Raises Http404, or PermissionDenied."""
    _require_reader(request)
    return read_statement(get_object_or_404(Customer, pk=customer), _read_month(month))


def _read_month(text: str) -> Month:
    """Return the month in an address, by default this one. Raises Http404 for what is no month, or comes later."""
    present = Month.of(clock.now())
    try:
        month = Month.parse(text) if text else present
    except ValueError as error:
        raise Http404 from error
    if month > present:
        raise Http404
    return month


def _build_neighbours(month: Month) -> dict[str, Any]:
    """Return the month, the one before, and the next one if it has begun."""
    following = month.following if month < Month.of(clock.now()) else None
    return {"month": month, "previous": month.previous, "following": following}


def _list_rows(month: Month) -> list[tuple[Statement, str]]:
    """Return the statement of each company with charges in the month, and its address."""
    return [
        (statement, reverse("admin:tickets_ticket_statement", args=[statement.customer.pk, month]))
        for statement in read_statements(month)
    ]


def _name_file(statement: Statement, ending: str) -> str:
    """Return the name of a downloaded statement: the RFC and the month, in characters that a header allows."""
    rfc = "".join(char for char in statement.customer.rfc if char.isascii() and char.isalnum())
    return f"cargos-{rfc}-{statement.month}.{ending}"
