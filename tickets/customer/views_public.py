"""Serve the pages that need no login: look-up, the link of a mail, and a file by its ticket's policy (M16, M17)."""

from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render

from accounts.web.mixins import PrivateView
from accounts.web.proofs import read_client_network
from factureya.core.files import store
from factureya.core.files.sending import stream_stored
from factureya.portal.errors import too_many_requests
from tickets import access, policy
from tickets.customer import lookup, timeline, wording
from tickets.forms import LookUpForm
from tickets.models import Ticket, TicketFile
from tickets.providers.hiding import hide_mails

SMALL = "miniatura"
PICTURE_VIEWS = frozenset({SMALL, "completa"})
NEUTRAL = (
    "No encontramos un ticket con ese número y ese correo. Compare el número con el del correo "
    "«Recibimos su ticket» y escriba el correo que registró en Factureya."
)


class LookUp(PrivateView):
    """Show state, verbs and dates by number and registered address; never a text, a subject, a file or a name."""

    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest) -> HttpResponse:
        form = LookUpForm(initial={"number": request.GET.get("n", "")[:40]})
        return render(request, "tickets/lookup.html", {"form": form})

    def post(self, request: HttpRequest) -> HttpResponse:
        """Show the ticket with the typed number to the owner of the typed address; all mistakes get the same answer."""
        form = LookUpForm(request.POST)
        if not form.is_valid():
            return render(request, "tickets/lookup.html", {"form": form})
        if not lookup.count_try(read_client_network(request)):
            return too_many_requests(request, lookup.WINDOW.total_seconds())
        ticket = lookup.find_ticket(form.cleaned_data["number"], form.cleaned_data["email"])
        if ticket is None:
            form.add_error(None, NEUTRAL)
            return render(request, "tickets/lookup.html", {"form": form})
        return self.show_ticket(form, lookup.follow_merge(ticket, form.cleaned_data["email"]))

    def show_ticket(self, form: LookUpForm, ticket: Ticket) -> HttpResponse:
        """Show the look-up page with the ticket's state and history; if a contact asked for its link, mail it.

        The number of a merged ticket shows the ticket to which it leads (M11).
        """
        person = lookup.find_contact(ticket, form.cleaned_data["email"])
        is_sent = person is not None and "enlace" in self.request.POST
        if person is not None and is_sent:
            lookup.send_link(ticket, person)
        context = {
            "form": form,
            "ticket": ticket,
            "state": wording.describe_state(ticket),
            "turn": wording.describe_turn_without_names(ticket),
            "entries": timeline.read_actions(ticket),
            "merged_number": form.cleaned_data["number"] if form.cleaned_data["number"] != ticket.number else "",
            "has_contact": person is not None,
            "is_sent": is_sent,
        }
        return render(self.request, "tickets/lookup.html", context)


class OpenLink(PrivateView):
    """Exchange the link of a mail for a grant in the session, and go to the clean address (M15, M16).

    A bad link, and another person's while logged in, get a page that says what to do: 404, to tell nothing.
    """

    http_method_names = ["get", "head"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Serve the address in a mail's link; the browser must not tell it to other sites, as it holds a secret."""
        response = super().dispatch(request, *args, **kwargs)
        response["Referrer-Policy"] = "no-referrer"
        return response

    def go_to_ticket(self, number: str) -> HttpResponse:
        """Redirect to the page that the link is for."""
        return redirect("tickets:detail", number=number)

    def get(self, request: HttpRequest, token: str, **_place: int) -> HttpResponse:
        """Open a mail's signed link: give this session access to the ticket and go there. A void link gets a 404.

        A person who is logged in gets no access by the link, only by his account.
        """
        try:
            grant = access.read_token(token)
            if request.user.is_authenticated:
                return self.answer_signed_in(grant)
            access.find_holder(grant)  # only a check here: raises BadLink
        except access.BadLink:
            return render(request, "tickets/bad_link.html", {"is_other": False}, status=404)
        request.session.cycle_key()  # whoever knew the session's old key gains nothing
        access.grant_access(request.session, grant)
        return self.go_to_ticket(grant.number)

    def answer_signed_in(self, grant: access.Grant) -> HttpResponse:
        """Return the answer to a person who opens a mail's link while logged in: a redirect to the link's ticket.

        If his account may not see it, a 404 page says that the link is another person's. Raises BadLink if it is void.
        """
        if Ticket.objects.visible_to(self.request.user).filter(number=grant.number).exists():
            return self.go_to_ticket(grant.number)
        access.find_holder(grant)  # only a check here: raises BadLink
        return render(self.request, "tickets/bad_link.html", {"is_other": True}, status=404)


class Download(PrivateView):
    """Send a file by the policy of its ticket, sandboxed (M17); a picture also to be shown in a page or a tab."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, token: str) -> HttpResponseBase:
        """Return a ticket's file if the person may see it, else answer 404; a visitor is sent to the login."""
        files = TicketFile.objects.select_related("attachment", "ticket")
        file = files.filter(attachment__token=token).first()
        if file is None:
            actor = access.find_actor(request.user, request.session, "")
        else:
            actor = access.find_actor_of_file(request.user, request.session, file)
        if actor is None:
            return redirect_to_login(request.get_full_path())
        if file is None or not TicketFile.objects.visible_to(actor.user).filter(pk=file.pk).exists():
            raise Http404("No hay un archivo con esa dirección para usted.")
        if not policy.may_read_mail(actor.user, file.ticket):  # a third party's agent (M3)
            file.attachment.name = hide_mails(file.attachment.name)
        view = request.GET.get("ver", "")  # the size of a picture that is shown; "" downloads the file
        try:
            if file.attachment.is_picture and view in PICTURE_VIEWS:
                headers, content = store.open_picture(file.attachment, small=view == SMALL)
            else:
                headers, content = store.open_for_download(file.attachment)
        except FileNotFoundError as error:
            raise Http404("El archivo ya no está.") from error
        return stream_stored(headers, content)
