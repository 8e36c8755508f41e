"""What an act on a request is: a form, whom it is for, and the operation it calls. The acts: `act_list`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from accounts.models import User
from accounts.web import returning
from change_requests.control.forms import ActForm
from change_requests.control.request_page import Dossier
from change_requests.models import FormalRequest


@dataclass(frozen=True)
class Link:
    """A link beside an act's button."""

    url: str
    label: str


@dataclass(frozen=True)
class Offer:
    """An act with its form, as the page shows it."""

    name: str
    url: str
    title: str
    lead: str
    button: str
    form: ActForm
    is_bad: bool = False
    link: Link | None = None
    template: str = "control/partials/act.html"


@dataclass(frozen=True)
class Act:
    """An act. `perform` returns what to tell the person; `has_page` keeps it off the request's own page."""

    name: str
    form: type[ActForm]
    title: str
    button: str
    applies: Callable[[User, Dossier], bool]
    perform: Callable[[FormalRequest, User, Any], str]
    lead: Callable[[Dossier], str] = lambda _seen: ""
    options: Callable[[Dossier, User], dict[str, Any]] = lambda _seen, _user: {}
    has_page: bool = False
    is_bad: bool = False

    def form_for(self, request: HttpRequest, seen: Dossier, data: Any = None) -> ActForm:
        """Return the form as sent, or blank but for what was typed when a session ended (M17)."""
        options = self.options(seen, request.user)
        form = self.form(request, data, auto_id=f"id_{self.name}_%s", **options)
        kept = returning.read_held_fields(request)
        if kept.get("posted_to") == self.url(seen):
            form.initial.update(kept)
        return form

    def url(self, seen: Dossier) -> str:
        """Return the address that the form is sent to."""
        return reverse(f"control:{self.name}", args=[seen.folio])

    def offer(self, seen: Dossier, form: ActForm) -> Offer:
        """The act as the page shows it."""
        return Offer(
            self.name,
            self.url(seen),
            self.title,
            self.lead(seen),
            self.button,
            form,
            self.is_bad,
            self._link(seen),
        )

    def _link(self, seen: Dossier) -> Link | None:
        if self.has_page:
            return Link(reverse("control:request", args=[seen.folio]), "Volver a la solicitud")
        return Link(reverse("control:inbox"), "Decidir después") if self.name == "decide" else None
