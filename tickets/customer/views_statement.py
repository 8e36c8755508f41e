"""Serve a company's monthly statement to who represents it: as a page, as PDF and as CSV (M18)."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from accounts.models import Customer
from factureya.core import clock
from factureya.core.files.sending import send_document
from tickets.charges import policy
from tickets.charges.months import Month
from tickets.charges.pdf import draw_pdf
from tickets.charges.statement import Statement, read_statement
from tickets.charges.tables import write_csv
from tickets.customer.views_person import PersonView


class StatementView(PersonView):
    """Show a statement of the person's own company; who does not represent it today gets 403."""

    http_method_names = ["get", "head"]
    customer: Customer

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Admit a representative with powers; `PersonView` sends strangers to the login and tells staff."""
        person = request.user
        if self.takes(request) and person.is_authenticated and not person.is_staff and person.membership is not None:
            self.customer = person.membership.customer
            if policy.find_representation(person, self.customer) is None:
                raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    def read(self, month: str) -> Statement:
        """Return the statement of the month in the address, by default of this month. Raises Http404."""
        present = Month.of(clock.now())
        try:
            asked = Month.parse(month) if month else present
        except ValueError as error:
            raise Http404("No es un mes.") from error
        if asked > present:
            raise Http404("Ese mes todavía no empieza.")
        return read_statement(self.customer, asked)

    def get(self, request: HttpRequest, month: str = "") -> HttpResponse:
        """Show the statement as a page."""
        statement = self.read(month)
        following = statement.month.following if statement.is_finished else None
        return render(request, "tickets/statement.html", {"statement": statement, "following": following})


class StatementPdf(StatementView):
    """Send the statement as PDF."""

    def get(self, request: HttpRequest, month: str = "") -> HttpResponse:
        """Return the PDF of the month's statement."""
        return send_document(
            draw_pdf(self.read(month)), name=f"estado-de-cuenta-{month}.pdf", content_type="application/pdf"
        )


class StatementCsv(StatementView):
    """Send the statement as CSV."""

    def get(self, request: HttpRequest, month: str = "") -> HttpResponse:
        """Return the CSV of the month's statement."""
        return send_document(
            write_csv(self.read(month)), name=f"estado-de-cuenta-{month}.csv", content_type="text/csv; charset=utf-8"
        )
