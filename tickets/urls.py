"""Name the addresses of the customer's tickets (spec: interfaces.md). A ticket is named by its number alone (M10)."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from factureya.core import numbers
from tickets.customer import (
    views_authority,
    views_charges,
    views_ending,
    views_person,
    views_public,
    views_statement,
    views_ticket,
)
from tickets.models import NUMBER_PREFIX


class NumberConverter(StringConverter):
    """Read the tracking number in an address however it was typed; what cannot be one is no address of ours (404)."""

    regex = "[^/]{8,24}"

    def to_python(self, value: str) -> str:
        return numbers.parse_number(NUMBER_PREFIX, value)


register_converter(NumberConverter, "ticket_number")

app_name = "tickets"
urlpatterns = [
    path("tickets/", views_person.MyTickets.as_view(), name="list"),
    path("tickets/nuevo/", views_person.NewTicket.as_view(), name="new"),
    path("tickets/folios/", views_person.FolioOffers.as_view(), name="folio_offers"),
    path("tickets/parecidos/", views_person.Similar.as_view(), name="similar"),
    path("tickets/consultar/", views_public.LookUp.as_view(), name="lookup"),
    path("tickets/<ticket_number:number>/", views_ticket.Detail.as_view(), name="detail"),
    path("tickets/<ticket_number:number>/creado/", views_ticket.Created.as_view(), name="created"),
    path("tickets/<ticket_number:number>/informacion/", views_ticket.AddInformation.as_view(), name="add_information"),
    path("tickets/<ticket_number:number>/autorizar/", views_ticket.Authorize.as_view(), name="authorize"),
    path("tickets/<ticket_number:number>/confirmar/", views_ending.Confirm.as_view(), name="confirm"),
    path("tickets/<ticket_number:number>/continuar/", views_ending.FollowUp.as_view(), name="follow_up"),
    path("tickets/<ticket_number:number>/cobro/<int:seq>/", views_charges.ChargePage.as_view(), name="charge"),
    path("cargos/", views_statement.StatementView.as_view(), name="statement"),
    path("cargos/<str:month>/", views_statement.StatementView.as_view(), name="statement_month"),
    path("cargos/<str:month>/estado.pdf", views_statement.StatementPdf.as_view(), name="statement_pdf"),
    path("cargos/<str:month>/estado.csv", views_statement.StatementCsv.as_view(), name="statement_csv"),
    path("enlace/<str:token>/cobro/<int:seq>/", views_charges.OpenChargeLink.as_view(), name="charge_link"),
    path("portal-sat/requerimiento/", views_authority.Authority.as_view(), name="authority"),
    path("portal-sat/requerimiento/enviado/", views_authority.AuthoritySent.as_view(), name="authority_sent"),
    path("enlace/<str:token>/", views_public.OpenLink.as_view(), name="link"),
    path("archivos/<slug:token>/", views_public.Download.as_view(), name="file"),
]
