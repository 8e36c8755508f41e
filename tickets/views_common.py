"""What the customer's pages share: who may come in, the form that outlives its session, the files of a form."""

from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views import View

from accounts.mixins import ask_factor, factor_passed
from accounts.models import User
from factureya.core import attachments
from factureya.core.models import Attachment
from tickets import access, drafts, formkeys, operations, policy
from tickets.formkeys import FormKey
from tickets.models import Ticket, TicketQuerySet

# What an operation may answer to a form that was filled in well; the page shows it again with the reason. Not being
# allowed happens here only when something changed since the page was asked for.
REFUSALS = (operations.WrongStatus, operations.FilesGone, policy.NotAllowed)
# Fields of a post that are not of the person's text.
_NOT_TEXT = frozenset({"csrfmiddlewaretoken", "key", "quitar", "agregar_a", "otro", "resolved"})


# A ticket's page shows the whole ticket but few columns of what it belongs to; half the cost of the query is columns.
_SHOWN = (
    *(field.name for field in Ticket._meta.concrete_fields),
    "customer__legal_name", "customer__rfc", "requester__full_name", "requester__email", "assignee__full_name",
    "assignee__email", "follows__number", "follows__customer", "follows__requester",
)  # fmt: skip


class PrivateView(View):
    """A page that no cache may keep."""

    request: HttpRequest

    def takes(self, request: HttpRequest) -> bool:
        """Whether this address answers to the method: asked before who comes, so that 405 is 405 for everybody."""
        return (request.method or "").lower() in self.http_method_names

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer, and tell caches to forget it. Staff needs its second factor here as in the admin."""
        if request.user.is_authenticated and request.user.is_staff and not factor_passed(request):
            return ask_factor(request)
        response = super().dispatch(request, *args, **kwargs)
        response["Cache-Control"] = "private, no-store"
        return response


class PersonView(PrivateView):
    """A page of a person of a company. Anonymous: to the login. Staff: a page that says where their work is."""

    user: User

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Let in who is logged in and belongs to a company."""
        if not self.takes(request):
            return self.http_method_not_allowed(request)
        if not request.user.is_authenticated:
            return login_keeping_draft(request, formkeys.NEW, request.get_full_path())
        self.user = request.user
        if self.user.is_staff or self.user.membership is None:
            return render(request, "tickets/staff_only.html", status=403)
        return super().dispatch(request, *args, **kwargs)


class TicketView(PrivateView):
    """A page of one ticket, for who may see it by login or by a signed link; everybody else's is 404 (M16)."""

    url_name = ""
    actor: access.Actor
    ticket: Ticket

    def dispatch(
        self, request: HttpRequest, *args: Any, number: str, **kwargs: Any
    ) -> HttpResponseBase:
        """Find who acts and the ticket; a GET of a number typed otherwise goes to its canonical address."""
        canonical = reverse(f"tickets:{self.url_name}", args=[number])
        if request.method in {"GET", "HEAD"} and request.path != canonical:
            return HttpResponseRedirect(canonical)
        if not self.takes(request):
            return self.http_method_not_allowed(request)
        actor = access.actor(request.user, request.session, number)
        if actor is None:
            return login_keeping_draft(request, number, self.after_login(number))
        self.actor = actor
        self.ticket = self.find(number)
        return super().dispatch(request, *args, **kwargs)

    def tickets(self) -> TicketQuerySet:
        """The tickets this person may see, with what the page shows."""
        visible = Ticket.objects.visible_to(self.actor.user)
        return visible.select_related("customer", "requester", "assignee", "follows").only(*_SHOWN)

    def find(self, number: str) -> Ticket:
        """The ticket, or 404. By a link only as long as its person may still write in it."""
        ticket = self.tickets().filter(number=number).first()
        if ticket is None or (self.actor.grant and not self.may_write(ticket)):
            raise Http404("No hay un ticket con ese número para usted.")
        return ticket

    def may_write(self, ticket: Ticket) -> bool:
        """Whether the person writes here as the customer: staff read only."""
        return policy.may_write_as_customer(self.actor.user, ticket)

    def require_writer(self) -> None:
        """404 for who only reads: staff answer in the admin."""
        if not self.may_write(self.ticket):
            raise Http404("Aquí solo escribe el cliente.")

    def after_login(self, number: str) -> str:
        """Where the person goes after logging in again."""
        return reverse("tickets:detail", args=[number])

    def context(self, **more: Any) -> dict[str, Any]:
        """What every page of a ticket needs."""
        return {
            "ticket": self.ticket,
            "reader": self.actor.user,
            "by_link": self.actor.grant is not None,
            **more,
        }


class FormWithFiles:
    """The part of a view that receives a form with a one-time key and files."""

    request: HttpRequest

    def posted_key(self, user: User, form: str) -> tuple[FormKey, bool]:
        """The key of the posted form, and whether it was good; a bad one is replaced by a fresh one."""
        key = formkeys.read(self.request.POST.get("key", ""), form, user)
        return (key, True) if key else (formkeys.new(user, form), False)

    def posted_files(self, key: FormKey) -> tuple[list[Attachment], list[attachments.Refused]]:
        """Take away what «Quitar» names, keep what came, and tell what was refused."""
        if token := self.request.POST.get("quitar"):
            attachments.discard(key.key, token)
        uploads = self.request.FILES.getlist("files") + self.request.FILES.getlist("photo")
        refusals = attachments.store_all(uploads, key.key)[1] if uploads else []
        return attachments.drafts(key.key), refusals

    def key_after(self, refusal: Exception, key: FormKey, user: User) -> FormKey:
        """As `formkeys.after`."""
        return formkeys.after(refusal, key, user)


def posted_text(request: HttpRequest) -> dict[str, str]:
    """What the person wrote in a posted form."""
    return {name: str(text) for name, text in request.POST.items() if name not in _NOT_TEXT}


def login_keeping_draft(request: HttpRequest, form: str, after: str) -> HttpResponse:
    """To the login; a form that arrives after its session expired is kept for its owner, with its files (M17)."""
    key = (
        formkeys.read(request.POST.get("key", ""), form, None) if request.method == "POST" else None
    )
    if key is not None:
        uploads = request.FILES.getlist("files") + request.FILES.getlist("photo")
        attachments.store_all(uploads, key.key)
        drafts.keep(request.session, key, posted_text(request), why=drafts.RECOVERED)
    return redirect_to_login(after)
