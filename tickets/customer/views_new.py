"""Levantar ticket (M11, M17): the guided form, and the open tickets that look like what is being typed."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.web import form_memory
from accounts.web.form_memory import FormKey
from accounts.web.mixins import posted_text
from accounts.web.posting import PostingForm
from factureya.core import numbers
from factureya.core.files import store
from factureya.core.models import Attachment
from tickets import message_text, operations
from tickets.customer import similar_tickets, wording
from tickets.customer.views_common import NEW, PersonView
from tickets.forms import TicketForm
from tickets.models import NUMBER_PREFIX, Message, Ticket


class NewTicket(PostingForm, PersonView):
    """The form of a new ticket. What was typed and uploaded is never lost."""

    http_method_names = ["get", "head", "post"]
    writes = True

    def form_name(self) -> str:
        """Return the name of the form of a new ticket."""
        return NEW

    def form(self, *args: Any, **options: Any) -> TicketForm:
        """Return the guided form."""
        return TicketForm(*args, **options)

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show a blank form, or the draft of one that could not be sent."""
        return self.show_form()

    def post(self, request: HttpRequest) -> HttpResponse:
        """Open the ticket, or carry the text to the ticket that was chosen."""
        chosen = request.POST.get("agregar_a")
        return self.carry_to(chosen) if chosen else self.receive_form()

    def perform(self, form: TicketForm, key: FormKey) -> str | HttpResponse:
        """Ask once about similar tickets, then open the ticket (M11)."""
        if alike := self.find_alike(form, key):
            return self.page(form, key, kept=store.drafts(key.key), similar=alike, asks=True)
        customer = self.user.contact.customer
        ticket = operations.open_ticket(author=self.user, customer=customer, form_key=key.key, **form.opening())
        return reverse("tickets:created", args=[ticket.number])

    def find_alike(self, form: TicketForm, key: FormKey) -> list[Ticket]:
        """Return similar tickets that were not asked about yet; none for the second click of a double click."""
        if "otro" in self.request.POST:
            return []
        found = similar_tickets.find_similar(self.user, form.cleaned_data["subject"])
        return [] if found and Message.objects.filter(form_key=key.key).exists() else found

    def carry_to(self, chosen: str) -> HttpResponse:
        """Go to the composer of the chosen ticket, with the text and the files: «Agregar a este» (M11)."""
        key, _ = self.posted_key()
        kept, _ = self.posted_files(key)
        fields = posted_text(self.request)
        ticket = _find_visible(self.user, chosen)
        if ticket is None:
            return self.page(TicketForm(initial=fields), key, kept=kept)
        carried = form_memory.adopt_key(key.key, self.user, ticket.number)
        form_memory.keep_draft(self.request.session, carried, {"body": _join_answers(fields)}, why=form_memory.CARRIED)
        return redirect(reverse("tickets:detail", args=[ticket.number]) + "#responder")

    def page(
        self, form: TicketForm, key: FormKey, *, kept: Sequence[Attachment] = (), why: str = "", **more: Any
    ) -> HttpResponse:
        """Return the page with the form, its kept files, and the similar tickets it asks about."""
        context = {"form": form, "key": key, "kept": kept, "is_recovered": bool(why), "person": self.user}
        context |= {"similar": [], "asks": False, "first_reply": wording.describe_first_reply(), **more}
        return render(self.request, "tickets/new.html", context)


class Similar(PersonView):
    """The suggestion under the subject, fetched by the script when the field is left (M11)."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return a fragment of HTML; it is empty when nothing is similar."""
        found = similar_tickets.find_similar(self.user, request.GET.get("asunto", "")[:200])
        return render(request, "tickets/partials/similar.html", {"similar": found, "asks": False})


def _find_visible(user: Any, text: str) -> Ticket | None:
    """Return the visible ticket whose number is written in `text`, or None."""
    try:
        number = numbers.parse(NUMBER_PREFIX, text)
    except numbers.InvalidNumber:
        return None
    return Ticket.objects.visible_to(user).filter(number=number).first()


def _join_answers(fields: dict[str, str]) -> str:
    """Return all that was written in the guided form as the text of a message (M11)."""
    told = [fields.get(name, "").strip() for name in ("subject", "description", "steps")]
    expected, folio = fields.get("expected", "").strip(), fields.get("cfdi_uuid", "").strip()
    told += [f"{message_text.EXPECTED}:\n{expected}"] if expected else []
    told += [f"Folio fiscal: {folio}"] if folio else []
    return "\n\n".join(part for part in told if part)
