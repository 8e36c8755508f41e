"""Levantar ticket (M11, M17): the guided form, and the open tickets that look like what is being typed."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.web import drafts
from accounts.web.mixins import posted_text
from factureya.core import numbers
from factureya.core.files import store
from factureya.core.forms import STALE_FORM
from tickets import formkeys, message_text, operations
from tickets.customer import similar_tickets, wording
from tickets.customer.views_common import REFUSALS, PersonView
from tickets.formkeys import FormKey, FormWithFiles
from tickets.forms import TicketForm
from tickets.models import NUMBER_PREFIX, Message, Ticket


class NewTicket(FormWithFiles, PersonView):
    """The form of a new ticket. What was typed and uploaded is never lost."""

    http_method_names = ["get", "head", "post"]
    writes = True

    def get(self, request: HttpRequest) -> HttpResponse:
        """A fresh form, or the draft of one that could not be sent."""
        found = drafts.find(request.session, self.user, formkeys.NEW)
        if found is None:
            return self.page(TicketForm(), formkeys.new(self.user, formkeys.NEW))
        key, fields, _ = found
        return self.page(TicketForm(initial=fields), key, is_recovered=True)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Open the ticket; or show again, complete, what cannot be sent yet."""
        key, is_ours = self.posted_key(self.user, formkeys.NEW)
        kept, refusals = self.posted_files(key)
        if "quitar" in request.POST:
            return self.page(TicketForm(initial=posted_text(request)), key)
        if chosen := request.POST.get("agregar_a"):
            return self.carry_to(chosen, key)
        form = TicketForm(request.POST)
        form.take_files(kept, refusals)
        if not is_ours:
            form.add_error(None, STALE_FORM)
        return self.open(form, key) if form.is_valid() else self.page(form, key)

    def open(self, form: TicketForm, key: FormKey) -> HttpResponse:
        """Ask once about similar tickets, then open (M11)."""
        if alike := self.alike(form, key):
            return self.page(form, key, similar=alike, asks=True)
        wanted = {"author": self.user, "customer": self.user.contact.customer, **form.opening()}
        try:
            ticket = operations.open_ticket(form_key=key.key, **wanted)
        except REFUSALS as refusal:
            form.add_error(None, str(refusal))
            return self.page(form, self.key_after(refusal, key, self.user))
        drafts.forget(self.request.session, key)
        return redirect("tickets:created", number=ticket.number)

    def alike(self, form: TicketForm, key: FormKey) -> list[Ticket]:
        """Similar tickets the person was not asked about yet. A double click finds what its first click opened."""
        if "otro" in self.request.POST:
            return []
        found = similar_tickets.find(self.user, form.cleaned_data["subject"])
        return [] if found and Message.objects.filter(form_key=key.key).exists() else found

    def carry_to(self, chosen: str, key: FormKey) -> HttpResponse:
        """«Agregar a este»: to that ticket's composer, with the text and the files (M11)."""
        ticket = _visible(self.user, chosen)
        if ticket is None:
            return self.page(TicketForm(initial=posted_text(self.request)), key)
        carried = formkeys.adopt(key.key, self.user, ticket.number)
        text = _as_message(posted_text(self.request))
        drafts.keep(self.request.session, carried, {"body": text}, why=drafts.CARRIED)
        return redirect(reverse("tickets:detail", args=[ticket.number]) + "#responder")

    def page(self, form: TicketForm, key: FormKey, **more: Any) -> HttpResponse:
        """The form with its kept files."""
        context = {"similar": [], "asks": False, "is_recovered": False, **more}
        may_have_files = self.request.method == "POST" or context["is_recovered"]
        context |= {"form": form, "key": key, "person": self.user}
        context["kept"] = store.list_draft_files(key.key) if may_have_files else []
        context["first_reply"] = wording.first_reply()
        return render(self.request, "tickets/new.html", context)


class Similar(PersonView):
    """The suggestion under the subject, fetched by the script when the field is left (M11)."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """A fragment of HTML; empty when nothing is alike."""
        found = similar_tickets.find(self.user, request.GET.get("asunto", "")[:200])
        return render(request, "tickets/partials/similar.html", {"similar": found, "asks": False})


def _visible(user: Any, text: str) -> Ticket | None:
    try:
        number = numbers.parse_number(NUMBER_PREFIX, text)
    except numbers.InvalidNumber:
        return None
    return Ticket.objects.visible_to(user).filter(number=number).first()


def _as_message(fields: dict[str, str]) -> str:
    """All that was written in the guided form, as the text of a message; nothing is left behind (M11)."""
    told = [fields.get(name, "").strip() for name in ("subject", "description", "steps")]
    expected, folio = fields.get("expected", "").strip(), fields.get("cfdi_uuid", "").strip()
    told += [f"{message_text.EXPECTED}:\n{expected}"] if expected else []
    told += [f"Folio fiscal: {folio}"] if folio else []
    return "\n\n".join(part for part in told if part)
