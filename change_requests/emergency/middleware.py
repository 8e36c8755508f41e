"""Bind every request of an emergency's session to its open window, and write down what it does (M23, M26).

`core.middleware.RecordedSessionMiddleware` sends only these requests here. Nothing runs that is not written down first,
in a transaction of its own; if it cannot be written, the view is not called and everybody else works on.
"""

import logging
import time
from collections.abc import Iterable, Iterator
from typing import IO, Any

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_protect

from accounts.models import User
from accounts.web.mixins import get_person
from change_requests.emergency import acts, operations, session
from change_requests.emergency.acts import INSIDE, LOGOUT, Target
from change_requests.emergency.models import ActivityRecord, EmergencyGrant
from factureya.core.middleware import Middleware
from factureya.core.refusals import Refused
from factureya.core.running.task_limits import starting_none
from factureya.portal import errors

logger = logging.getLogger(__name__)


class EmergencyMiddleware(Middleware):
    """Ask whether the emergency is open, write the intent, call the view, and write the outcome."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        bound_to = request.session.get(session.GRANT_KEY)  # a session with another hash is emptied when it is asked
        grant = session.find_grant(request)
        if grant is None:
            session.tidy_ended(bound_to)
            return session.drop_session(request)
        return self._respond(request, grant)

    def _respond(self, request: HttpRequest, grant: EmergencyGrant) -> HttpResponse:
        """Return the response to a request inside the open emergency, recorded before (intent) and after (outcome)."""
        started = time.monotonic()
        try:
            target = acts.find_target(request, grant)
            sent = acts.read_sent(request)
            intent = operations.record_intent(grant.pk, acts.describe_act(request, target, sent))
        except Refused:  # it ended after `find_grant` found it open
            session.tidy_ended(grant.pk)
            return session.drop_session(request)
        except DatabaseError:
            return _refuse_unrecorded(request, "intent")
        response = self._call_view(request, grant, target) if sent.is_clear else errors.bad_request(request)  # 400
        return _finish(request, response, intent, round((time.monotonic() - started) * 1000))

    def _call_view(self, request: HttpRequest, grant: EmergencyGrant, target: Target) -> HttpResponse:
        """Return the response of the page, or 403 for a page that the emergency may not use: its view is not called."""
        if not target.is_allowed:
            return render(request, "emergency/not_allowed.html", {"grant": grant, "inside": INSIDE}, status=403)
        if target.verb == LOGOUT and request.method == "POST":
            return csrf_protect(session.leave_emergency)(request)  # no view is called, so Django checks no token
        with starting_none():  # no background task may start: it would go on after the end
            return self.get_response(request)


def _finish(request: HttpRequest, response: HttpResponse, intent: ActivityRecord, ms: int) -> HttpResponse:
    """Record the outcome of a request and return its response.

    Instead of it, return 503 if the outcome cannot be recorded, and a redirect to the login if the emergency is over;
    the file of the response that is not sent is closed.
    """
    try:
        goes_on = operations.record_outcome(intent, status=response.status_code, ms=ms)
    except (DatabaseError, Refused):
        _close_file(response)
        return _refuse_unrecorded(request, "outcome")
    if not session.is_elevated(request):  # the request itself ended it
        return response
    if not goes_on:  # the emergency is over by now
        _close_file(response)
        session.tidy_ended(intent.grant_id)
        return session.drop_session(request)
    if response.streaming:  # a file or an export, which must stop at the end, too
        file_response: Any = response  # a StreamingHttpResponse
        file_response.streaming_content = _stop_at_the_end(file_response.streaming_content, get_person(request), intent)
    return response


def _close_file(response: HttpResponse) -> None:
    """Close the file of a response that is not sent, if it has one.

    The response itself is not closed, because Django would take that for the end of the request.
    """
    file: IO[Any] | None = getattr(response, "file_to_stream", None)
    if file is not None:
        file.close()


def _stop_at_the_end(parts: Iterable[bytes], user: User, intent: ActivityRecord) -> Iterator[bytes]:
    """Yield the parts of a file or an export while its session is valid, and no more after the emergency's end."""
    for part in parts:
        if not session.is_still_valid(user):
            logger.warning("An answer of emergency %s was cut at its end", intent.grant_id)
            return
        yield part


def _refuse_unrecorded(request: HttpRequest, record_kind: str) -> HttpResponse:
    """Return the response 503 and log which record (intent or outcome) could not be written (AU-5)."""
    logger.critical("The %s of an emergency could not be recorded: its request was refused", record_kind, exc_info=True)
    return errors.unavailable(request)
