"""The log of events: its list, and one event with all its data (M26). Whoever reads is recorded."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views import View

from accounts.web.mixins import ControlMixin, get_person
from factureya.oversight import log_page, policy, reading
from factureya.oversight.search import LogQuery


class LogMixin(ControlMixin):
    """Admit to the pages of the log who may read it; the others of mesa de control get 403."""

    request: HttpRequest

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Serve the page to people who may read the log; others who are signed in get 403, strangers the login."""
        person: Any = request.user
        if person.is_authenticated and not policy.may_read_log(person):
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)


class Log(LogMixin, View):
    """Show the events that the reader searches for, the newest first, and the anchors of the last days."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return a page of the log. The search is recorded first, so that the page shows it as the newest event."""
        reader, query = get_person(request), LogQuery.parse(request.GET.dict())
        reading.record_reading(reader, **query.filters)
        context = {
            "page": log_page.read_log(reader, query),
            "strip": log_page.make_strip(),
            "anchors": log_page.list_anchors(),
            "may_export": policy.may_export(reader),
        }
        return render(request, "oversight/log.html", context)


class OneEvent(LogMixin, View):
    """Show one event whole: its data, its place in its chain, and whether its hash is right."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Return the page of one event; opening it is recorded as a reading of the log too."""
        reader, event = get_person(request), log_page.find_event(pk)
        if event is None:
            raise Http404("No hay un renglón con esa dirección.")
        reading.record_reading(reader, event=f"{event.chain}, renglón {event.seq}")
        context = {
            "event": event,
            "row": log_page.make_rows(reader, [event])[0],
            "data": log_page.list_data(event),
            "is_as_written": log_page.is_as_written(event),
        }
        return render(request, "oversight/event.html", context)
