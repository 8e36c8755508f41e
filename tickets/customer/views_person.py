"""Serve the pages of a person of a company: «Mis tickets» and «Levantar ticket» (M11, M16, M17)."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.models import User
from accounts.web import form_memory
from accounts.web.form_memory import FormKey
from accounts.web.mixins import PostingForm, PrivateView, login_keeping_draft
from factureya.core import numbers
from factureya.core.files import types
from factureya.core.forms import choose_kept_fields
from factureya.core.invoices import readings
from factureya.core.models import Attachment
from factureya.core.refusals import Refused
from tickets import message_text, operations, similar_tickets
from tickets.customer import my_tickets, wording
from tickets.forms import TicketForm
from tickets.models import Message, Ticket

USE_FOLIO = "usar_folio"  # the button beside a folio that a file says
NEW = "nuevo"  # the form of a new ticket; the form of a ticket carries its number


class PersonView(PrivateView):
    """Serve a page to a person of a company; send strangers to the login, and tell staff where their work is."""

    user: User
    writes = False  # whether it is for writing, which a company whose service ended does no more

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Serve the page to a company's contact, but no page for writing if the company is suspended. Refuse others.

        A visitor must log in first; what he typed is kept.
        """
        if not self.takes(request):  # this page has no such HTTP method
            return self.http_method_not_allowed(request)
        if not request.user.is_authenticated:
            return login_keeping_draft(request, NEW, request.get_full_path())
        self.user = request.user
        if self.user.is_staff or self.user.membership is None:
            return render(request, "tickets/staff_only.html", status=403)
        if self.writes and self.user.membership.customer.is_suspended:
            return render(request, "accounts/suspended.html", {"customer": self.user.membership.customer}, status=403)
        return super().dispatch(request, *args, **kwargs)


class MyTickets(PersonView):
    """Show the customer's list; five queries, whatever he owns."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the customer's list: what he searched for, or else the tickets of the tab in the address."""
        query = request.GET.get("q", "").strip()[: my_tickets.MAX_QUERY].replace("\0", "")
        view = self.read_view()
        cursor = my_tickets.NEWEST_FIRST.read_from(request.GET)
        if query:
            page = my_tickets.search(self.user, query, cursor)
            groups = [my_tickets.Group(f"Resultados de «{query}»", page.rows)]
        else:
            groups, page = my_tickets.read_groups(self.user, view, cursor)
        tabs, has_any, low_credits = my_tickets.read_tabs(self.user, "" if query else view)
        context = {
            "tabs": tabs,
            "is_empty": not has_any,
            "view": view,
            "query": query,
            "reader": self.user,
            "groups": [group for group in groups if group.tickets],
            "is_limited": my_tickets.is_limited(self.user),
            "is_company": not query and view.startswith(my_tickets.COMPANY),
            "low_credits": low_credits,
            "wrong_number": my_tickets.has_wrong_number(query),
            **page.links({"q": query} if query else {"vista": view}),
        }
        return render(request, "tickets/list.html", context)

    def read_view(self) -> str:
        """Return the view of the list that the address names; the first view if it names none that this person has."""
        view = self.request.GET.get("vista", "")
        is_denied = view.startswith(my_tickets.COMPANY) and my_tickets.is_limited(self.user)
        return view if view in my_tickets.VIEWS and not is_denied else my_tickets.ACTIVE


class NewTicket(PostingForm, PersonView):
    """Show the form of a new ticket and open it."""

    http_method_names = ["get", "head", "post"]
    writes = True

    def form_name(self) -> str:
        return NEW

    def form(self, *args: Any, **options: Any) -> TicketForm:
        return TicketForm(*args, **options)

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.show_form()

    def post(self, request: HttpRequest) -> HttpResponse:
        """Open the ticket that the form describes, unless another of its buttons was pressed.

        «Agregar a este» carries the text to an existing ticket; «Usar este folio» puts a file's folio into the form.
        """
        if chosen_number := request.POST.get("agregar_a"):
            return self.carry_to(chosen_number)
        return self.use_folio(request.POST[USE_FOLIO]) if USE_FOLIO in request.POST else self.receive_form()

    def perform(self, form: TicketForm, key: FormKey) -> str | HttpResponse:
        """Open the ticket and return the address to go to; or return the page that asks about similar tickets (M11)."""
        if alike := self.find_alike(form, key):
            return self.render_page(form, key, kept=form_memory.list_files(key.key), similar=alike, asks=True)
        customer = self.user.contact.customer
        ticket = operations.open_ticket(author=self.user, customer=customer, form_key=key.key, **form.build_arguments())
        return reverse("tickets:created", args=[ticket.number])

    def find_refused_field(self, refusal: Refused) -> str | None:
        return refusal.field or None  # the category may have ended since the form was shown

    def find_alike(self, form: TicketForm, key: FormKey) -> list[Ticket]:
        """Return similar tickets to ask about; none if he saw them already, or if this form has opened its ticket."""
        if "otro" in self.request.POST:  # hidden beside the tickets shown: he saw them and goes on
            return []
        similar = similar_tickets.find_similar(self.user, form.cleaned_data["subject"])
        is_double_click = bool(similar) and Message.objects.filter(form_key=key.key).exists()
        return [] if is_double_click else similar

    def carry_to(self, chosen_number: str) -> HttpResponse:
        """Put text and files of the new-ticket form into the answer form of an existing ticket: «Agregar a este» (M11).

        The answer form gets the same one-time key, because the files are stored under it. The text goes to where the
        ticket's number leads by now. If the person may not see that one, the new-ticket form is shown again.
        """
        key, _ = self.posted_key()
        stored_files, _ = self.update_draft_files(key)
        fields = choose_kept_fields(self.request.POST)
        visible = Ticket.objects.visible_to(self.user)
        ticket = visible.find_by_number(chosen_number)
        if ticket is not None and ticket.is_merged:
            ticket = visible.filter(pk=Ticket.objects.find_survivor_pk(ticket.pk)).first()
        if ticket is None:
            return self.render_page(TicketForm(initial=fields), key, kept=stored_files)
        answer_key = FormKey(key.key, ticket.number, key.owner)
        answer = {"body": _join_answers(fields)}
        form_memory.keep_draft(self.request.session, answer_key, answer, reason=form_memory.CARRIED)
        return redirect(reverse("tickets:detail", args=[ticket.number]) + "#responder")

    def use_folio(self, folio: str) -> HttpResponse:
        """Show the form again with this *folio fiscal* in its field, if one of the form's files says it (M17)."""
        key, _ = self.posted_key()
        kept, _ = self.update_draft_files(key)
        fields = choose_kept_fields(self.request.POST)
        if folio in {found for found, _name in readings.find_folios(kept)}:
            fields["cfdi_uuid"] = folio
        return self.render_page(TicketForm(initial=fields), key, kept=kept)

    def render_page(
        self, form: TicketForm, key: FormKey, *, kept: Sequence[Attachment] = (), draft_reason: str = "", **more: Any
    ) -> HttpResponse:
        """Return the page «Levantar ticket» with its form and stored files (`kept`); `more` may bring similar tickets.

        `draft_reason` says why an unsent draft is shown, or is "".
        """
        context = {"form": form, "key": key, "kept": kept, "is_recovered": bool(draft_reason), "person": self.user}
        context |= {"offers": find_offers(kept, form["cfdi_uuid"].value()), "has_xml": has_xml(kept)}
        context |= {"similar": [], "asks": False, "first_reply": wording.describe_first_reply(), **more}
        return render(self.request, "tickets/new.html", context)


class FolioOffers(PersonView):
    """Offer the *folios fiscales* of the files of a form that is on the screen; the script asks after they were read.

    The form's one-time key comes in a header, because addresses are logged.
    """

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return as HTML the *folios fiscales* found in the form's files; none if the key is not this person's."""
        key = form_memory.read_key(request.headers.get("X-Form-Key", ""), NEW, self.user)
        kept = form_memory.list_files(key.key) if key else []
        return render(request, "tickets/partials/folio_offers.html", {"offers": find_offers(kept, "")})


class Similar(PersonView):
    """Suggest similar tickets under the subject; the script fetches it when the field is left (M11)."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return as HTML the tickets like the typed subject, which a script shows under the form of a new ticket."""
        similar = similar_tickets.find_similar(self.user, request.GET.get("asunto", "")[:200])
        return render(request, "tickets/partials/similar.html", {"similar": similar, "asks": False})


def find_offers(kept: Sequence[Attachment], typed: str | None) -> list[tuple[str, str]]:
    """Return each *folio fiscal* found in the form's files, with the file's name; not the one that is typed already."""
    chosen = numbers.parse_fiscal_folio(typed or "")
    return [(folio, name) for folio, name in readings.find_folios(kept) if folio != chosen]


def has_xml(kept: Sequence[Attachment]) -> bool:
    """Return whether one of the form's files is an XML, which may be an invoice."""
    return any(file.content_type == types.XML.content_type for file in kept)


def _join_answers(fields: dict[str, str]) -> str:
    """Return all that was typed in the form of a new ticket as one message, to add it to an open ticket (M11)."""
    answers = {name: text.strip() for name, text in fields.items()}
    parts = [answers.get(name, "") for name in ("subject", "description", "steps")]
    if expected := answers.get("expected"):
        parts.append(f"{message_text.EXPECTED}:\n{expected}")
    unsaved_ticket = Ticket(**{name: answers.get(name, "") for name in Ticket.FACTS})  # only for their labels
    parts += [f"{label}: {value}" for label, value in unsaved_ticket.facts]
    return "\n\n".join(filter(None, parts))
