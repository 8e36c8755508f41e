"""Show the outgoing mails and the log of events in Django's own admin.

Superusers open these pages, and whoever has the model's permission. A superuser sees no ticket by that alone (M16), so
these pages show neither the text nor the subject of a mail, nor what happened inside a ticket.
"""

import re
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.functional import cached_property

from factureya.core import numbers
from factureya.core.mail import outbox
from factureya.core.models import Event, OutboxMessage

TICKET_PREFIX = "FY"
_KEY = re.compile(r"[0-9]{1,18}")  # fits every integer column
MOST_ROWS = 1000  # of one list; who looks for an older one searches


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # not a generic at run time
    """Count the rows of a list, but no further than MOST_ROWS, so that a large table stays fast."""

    @cached_property
    def count(self) -> int:
        """Return how many rows the list of the admin has, MOST_ROWS at most, so that counting stays fast."""
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]  # in our admin it is a queryset
        return len(rows.values_list("pk")[:MOST_ROWS])


class ClosedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not a generic at run time
    """Close two side doors of Django's admin: the history page, and filters that a visitor writes into the address."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Return True only for a filter that this admin list offers: any other could be used to guess hidden text."""
        offered = {f"{name}__exact" for name in self.list_filter}
        return lookup in offered and "\0" not in value  # PostgreSQL refuses NUL

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *location: Any) -> HttpResponse | None:
        """Run an action of the admin, for example a retry, on the selected rows.

        Posted keys that are no numbers are dropped first, because the database would refuse to search for them.
        """
        posted = request.POST.copy()
        keys = [key for key in posted.getlist(ACTION_CHECKBOX_NAME) if _KEY.fullmatch(key)]
        posted.setlist(ACTION_CHECKBOX_NAME, keys)
        request.POST = posted  # type: ignore[assignment]  # from here on it is only read
        return super().response_action(request, queryset, *location)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Answer 404: the history page shows the admin's own log, which is no evidence; the chains of events are."""
        raise Http404


class ReadOnlyAdmin(ClosedAdmin):
    """Show a list and a page for each row, without any form that adds, changes or deletes."""

    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    ordering = ("-pk",)
    sortable_by = ()

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: nobody adds, changes or deletes a row here."""
        return False

    has_change_permission = has_delete_permission = has_add_permission


@admin.register(OutboxMessage)
class OutboxMessageAdmin(ReadOnlyAdmin):
    """Show which mails were sent, wait or failed; a failed mail can be tried again."""

    list_display = ("created_at", "status", "to", "kind", "about", "last_error")
    list_filter = ("status",)
    search_fields = ("to", "about")
    search_help_text = "El correo completo, o el número de seguimiento."
    fields = (*list_display, "attempts", "due_at", "claimed_at", "sent_at", "is_secret")
    actions = ("retry",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[OutboxMessage], search_term: str
    ) -> tuple[QuerySet[OutboxMessage], bool]:
        """Return the mails to this exact address or about this ticket (all for no term), and False."""
        term = search_term.strip()
        if term:
            queryset = queryset.filter(to=term.lower()) if "@" in term else queryset.filter(about=_parse_chain(term))
        return queryset, False  # False: the result has no duplicate rows

    @admin.action(description="Reintentar los que no se enviaron", permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: QuerySet[OutboxMessage]) -> None:
        """Queue again the selected mails that failed, but not wiped ones, MOST_ROWS at most; tell the user how many."""
        failed = queryset.filter(status=OutboxMessage.Status.FAILED)
        pks = list(failed.order_by("pk").values_list("pk", flat=True)[:MOST_ROWS])
        queued = sum(outbox.retry_by(request.user, pk) for pk in pks)
        if queued:
            self.message_user(request, f"Correos en cola de nuevo: {queued}.", messages.SUCCESS)
        else:
            text = "Ninguno de los seleccionados se puede reintentar: solo los «No enviado» que no llevan código."
            self.message_user(request, text, messages.WARNING)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Return True for whoever could change a mail if mails were not read-only."""
        return bool(request.user.has_perm("core.change_outboxmessage"))


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    """Show the log (bitácora) to superusers; the command `verify_audit` checks that the log is whole."""

    list_display = ("at", "chain", "seq", "verb", "actor_name")
    search_fields = ("chain",)
    search_help_text = "La cadena completa (customer:12), o el número de seguimiento."
    fields = (*list_display, "what", "prev", "hash")
    readonly_fields = ("what",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Event], search_term: str
    ) -> tuple[QuerySet[Event], bool]:
        """Return the events of the chain that was typed (all events for no term), and False."""
        term = search_term.strip()
        events = queryset.filter(chain=_parse_chain(term)) if term else queryset
        return events, False  # False: the result has no duplicate rows

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return True for an active superuser: nobody else reads the log of events."""
        return bool(request.user.is_active and request.user.is_superuser)

    has_module_permission = has_view_permission

    @admin.display(description="datos")
    def what(self, event: Event) -> str:
        """Return the event's data as text for the row «datos»; of a ticket it tells only who may see it (M16)."""
        if event.chain.startswith("ticket:"):
            return "Los ve quien atiende el ticket."
        return "; ".join(f"{name}: {value}" for name, value in event.data.items()) or "—"


def _parse_chain(term: str) -> str:
    """Return the name of the event chain that a person searches for; `term` is a ticket's number or that name."""
    try:
        return f"ticket:{numbers.parse_number(TICKET_PREFIX, term)}"
    except numbers.InvalidNumber:
        return term
