"""What the customer's pages share: who may come in, the form that outlives its session, the files of a form."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from accounts.models import Customer, User
from accounts.web.mixins import PrivateView, login_keeping_draft
from tickets import access, policy
from tickets.models import Ticket, TicketQuerySet

NEW = "nuevo"  # the form of a new ticket; the form of a ticket carries its number
# A ticket's page shows the whole ticket but few columns of what it belongs to; half the cost of the query is columns.
_SHOWN = (
    *(field.name for field in Ticket._meta.concrete_fields),
    "customer__legal_name",
    "customer__rfc",
    "customer__suspended_at",
    "requester__full_name",
    "requester__email",
    "assignee__full_name",
    "assignee__email",
    "follows__number",
    "follows__customer",
    "follows__requester",
)


class PersonView(PrivateView):
    """A page of a person of a company. Anonymous: to the login. Staff: a page that says where their work is."""

    user: User
    writes = False  # whether it is for writing, which a company whose service ended does no more

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Let in who is logged in and belongs to a company."""
        if not self.takes(request):
            return self.http_method_not_allowed(request)
        if not request.user.is_authenticated:
            return login_keeping_draft(request, NEW, request.get_full_path())
        self.user = request.user
        if self.user.is_staff or self.user.membership is None:
            return render(request, "tickets/staff_only.html", status=403)
        if self.writes and self.user.membership.customer.is_suspended:
            return suspended(request, self.user.membership.customer)
        return super().dispatch(request, *args, **kwargs)


class TicketView(PrivateView):
    """A page of one ticket, for who may see it by login or by a signed link; everybody else's is 404 (M16)."""

    url_name = ""
    writes = False  # as in PersonView; a POST always is
    actor: access.Actor
    user: User  # the actor's
    ticket: Ticket

    def dispatch(self, request: HttpRequest, *args: Any, number: str, **kwargs: Any) -> HttpResponseBase:
        """Find who acts and the ticket; a GET of a number typed otherwise goes to its canonical address."""
        canonical = reverse(f"tickets:{self.url_name}", args=[number])
        if request.method in {"GET", "HEAD"} and request.path != canonical:
            return HttpResponseRedirect(canonical)
        if not self.takes(request):
            return self.http_method_not_allowed(request)
        actor = access.find_actor(request.user, request.session, number)
        if actor is None:
            return login_keeping_draft(request, number, self.after_login(number))
        self.actor, self.user = actor, actor.user
        self.ticket = self.find(number)
        is_write = self.writes or request.method == "POST"
        if is_write and self.may_write(self.ticket) and self.ticket.customer.is_suspended:
            return suspended(request, self.ticket.customer)
        return super().dispatch(request, *args, **kwargs)

    def tickets(self) -> TicketQuerySet:
        """Select the tickets this person may see, with what the page shows."""
        visible = Ticket.objects.visible_to(self.user)
        return visible.select_related("customer", "requester", "assignee", "follows").only(*_SHOWN)

    def find(self, number: str) -> Ticket:
        """Return the ticket, or answer 404; who came by a link must still be able to write in it."""
        ticket = self.tickets().filter(number=number).first()
        if ticket is None or (self.actor.grant and not self.may_write(ticket)):
            raise Http404("No hay un ticket con ese número para usted.")
        return ticket

    def may_write(self, ticket: Ticket) -> bool:
        """Return whether the person writes here as the customer; staff only read."""
        return policy.may_write_as_customer(self.user, ticket)

    def require_writer(self) -> None:
        """Answer 404 to who only reads; staff answer in the admin."""
        if not self.may_write(self.ticket):
            raise Http404("Aquí solo escribe el cliente.")

    def after_login(self, number: str) -> str:
        """Return the address that the person goes to after logging in again."""
        return reverse("tickets:detail", args=[number])

    def context(self, **more: Any) -> dict[str, Any]:
        """Return what the template of every page of a ticket needs."""
        return {
            "ticket": self.ticket,
            "reader": self.user,
            "by_link": self.actor.grant is not None,
            **more,
        }


def suspended(request: HttpRequest, customer: Customer) -> HttpResponse:
    """Answer 403 with how to come back: the portal is read-only for a company whose service ended by its BAJA."""
    return render(request, "accounts/suspended.html", {"customer": customer}, status=403)
