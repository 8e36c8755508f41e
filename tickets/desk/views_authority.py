"""Serve mesa de control's pages of the requests of an authority: the list, one request, and its document (M2)."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils.module_loading import import_string

from accounts.forms import PlainForm
from accounts.web.mixins import get_person
from factureya.core import keyset
from factureya.core.files import store
from factureya.core.files.sending import stream_stored
from factureya.core.keyset import Order
from factureya.core.models import Event
from factureya.core.refusals import Invalid, Refused
from tickets import policy
from tickets.desk.pages import page_context
from tickets.models.authority import AuthorityRequest
from tickets.operations.authority import MAX_OUTCOME, close_request

NEWEST_FIRST = Order(is_descending=True)
PAGE = "admin:tickets_ticket_authority_request"
_RESULTS = {"respondido": True, "no-procede": False}
MAX_TYPED = f"Escriba qué se hizo en {MAX_OUTCOME:,} caracteres o menos."


class CloseForm(PlainForm):
    """Ask how a request was answered."""

    outcome = forms.CharField(
        max_length=MAX_OUTCOME,
        error_messages={"max_length": MAX_TYPED},
        widget=forms.Textarea(attrs={"rows": 4, "class": "fy-in"}),
    )
    words = {
        "outcome": (
            "Qué se hizo",
            "Cómo se verificó el oficio, qué se entregó y a quién, o por qué no procede.",
            "Escriba qué se hizo.",
        )
    }


def list_requests(request: HttpRequest) -> HttpResponse:
    """Show the requests of authorities: those that wait, or all, the newest first."""
    _require_reader(request)
    shows_all = request.GET.get("ver") == "todos"
    requests = AuthorityRequest.objects.all()
    if not shows_all:
        requests = requests.filter(status=AuthorityRequest.Status.RECEIVED)
    page = keyset.page(NEWEST_FIRST, NEWEST_FIRST.read_from(request.GET), requests)
    links = page.links({"ver": "todos"} if shows_all else {})
    context = page_context(request, "Requerimientos de la autoridad", rows=page.rows, shows_all=shows_all, **links)
    return TemplateResponse(request, "admin/tickets/authority_list.html", context)


def show_request(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one request, and store how it was answered (POST)."""
    _require_reader(request)
    found = get_object_or_404(AuthorityRequest.objects.select_related("document", "closed_by"), pk=pk)
    may_close = policy.may_answer_authority(get_person(request)) and found.is_open
    form = CloseForm(request.POST) if request.method == "POST" else CloseForm()
    if request.method == "POST":
        if not policy.may_answer_authority(get_person(request)):
            raise PermissionDenied
        if form.is_valid() and _close(request, pk, form):
            return redirect(PAGE, pk)
    context = page_context(
        request,
        f"Requerimiento {found.folio}",
        found=found,
        form=form,
        may_close=may_close,
        history=_read_history(found),
    )
    return TemplateResponse(request, "admin/tickets/authority.html", context)


def download_document(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Send the *oficio* of a request as a download."""
    _require_reader(request)
    found = get_object_or_404(AuthorityRequest.objects.select_related("document"), pk=pk)
    try:
        headers, content = store.open_for_download(found.document)
    except FileNotFoundError as error:
        raise Http404("El archivo ya no está.") from error
    return stream_stored(headers, content)


def _read_history(found: AuthorityRequest) -> list[tuple[str, Event]]:
    """Return the events of a request, each in words, the first one first."""
    describe = import_string(settings.EVENT_WORDS)
    return [(describe(event.verb, event.data), event) for event in found.events()]


def _close(request: HttpRequest, pk: int, form: CloseForm) -> bool:
    """Close the request as the pressed button says, and return True; else show why in the form."""
    is_answered = _RESULTS.get(request.POST.get("resultado", ""))
    if is_answered is None:
        form.add_error(None, "Elija si se respondió o si no procede.")
        return False
    try:
        close_request(pk, actor=get_person(request), is_answered=is_answered, outcome=form.cleaned_data["outcome"])
    except Invalid as refusal:
        form.add_error("outcome", str(refusal))
        return False
    except Refused as refusal:
        form.add_error(None, str(refusal))
        return False
    messages.success(request, "Quedó anotado.")
    return True


def _require_reader(request: HttpRequest) -> Any:
    """Return the person. Raises PermissionDenied for who may not read what authorities ask for."""
    person = get_person(request)
    if not policy.may_read_authority(person):
        raise PermissionDenied
    return person
