"""Serve the page where a supervisor edits categories, the explanations of M9, and the sales team (M4, M9)."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts.models import Provider, User
from accounts.web import form_memory
from factureya.core.forms import PortalForm, Text
from factureya.core.refusals import Refused, Stale
from tickets import policy
from tickets.catalogue import operations, reading
from tickets.catalogue.models import SalesMember, Team
from tickets.desk.pages import page_context, require_agent, require_reader
from tickets.desk.queue import find_colleagues, may_be_key

TITLE = "Categorías, alcance y Ventas"
FORM = "catalogo"


class CategoryForm(PortalForm):
    """Ask for a new category."""

    label = forms.CharField(
        label="Nombre",
        help_text="Como la lee el cliente. Los tickets que ya existen conservan el nombre que tenían.",
        max_length=operations.MAX_LABEL,
        error_messages={
            "required": "Escriba el nombre de la categoría",
            "max_length": "El nombre tiene hasta %(limit_value)d caracteres; escribió %(show_value)d",
            "null_characters_not_allowed": "El nombre trae un carácter que no se puede guardar",
        },
    )
    team = forms.ChoiceField(
        label="¿Qué equipo la atiende?",
        choices=Team.choices,
        widget=forms.RadioSelect,
        error_messages={"required": "Elija el equipo", "invalid_choice": "Elija el equipo: Soporte o Ventas"},
    )


class NameForm(CategoryForm):
    """Ask for another name of a category."""

    team = None  # type: ignore[assignment]


class ExplanationForm(PortalForm):
    """Ask for the text that we send about a problem that is not of our service."""

    text = Text(label="Explicación que se envía", missing="Escriba la explicación: el cliente la lee", rows=6)
    is_stale = False  # another supervisor changed it meanwhile: the page shows the text of now too


class MemberForm(PortalForm):
    """Ask who joins the sales team: somebody of our own desk who is not in it.

    A posted form takes members too: the operation knows a double click, and says why it refuses others.
    """

    person = forms.ChoiceField(
        label="Agregar a",
        error_messages={"required": "Elija a la persona", "invalid_choice": "Elija a la persona, de la lista"},
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        members = reading.find_sales_pks()
        own = list(Provider.objects.filter(is_own=True).values_list("pk", flat=True))
        people = [(str(pk), name) for pk, name in find_colleagues(own) if self.is_bound or pk not in members]
        self.fields["person"].choices = [("", "Elija…"), *people]  # type: ignore[attr-defined]


def catalogue_page(request: HttpRequest) -> HttpResponse:
    """Show the catalogue to a supervisor, and do what he posts; Auditoría only reads it, others get 404 (M26)."""
    person = require_reader(request)
    if not policy.may_see_catalogue(person):
        raise Http404
    if request.method != "POST":
        return _show_page(request, person, {})
    if not policy.may_edit_catalogue(require_agent(request)):
        raise Http404
    action, _, target = request.POST.get("hacer", "").partition(":")
    if action not in ACTS:
        raise Http404
    form, act = ACTS[action](request, person, target)
    if form.is_valid():
        try:
            messages.success(request, act(form.cleaned_data))
            return redirect("admin:tickets_ticket_catalogue")
        except Refused as refusal:
            if isinstance(form, ExplanationForm):
                form.is_stale = isinstance(refusal, Stale)
            form.add_error(next(iter(form.fields), None), str(refusal))
    return _show_page(request, person, {f"{action}:{target}" if target else action: form})


Act = tuple[PortalForm, Callable[[dict[str, Any]], str]]


def _add(request: HttpRequest, supervisor: User, _target: str) -> Act:
    """Return the form of a new category, and the function that adds it."""

    def add(data: dict[str, Any]) -> str:
        category = operations.add_category(supervisor=supervisor, form_key=_read_once(request, supervisor), **data)
        return f"«{category.label}» ya se puede elegir."

    return CategoryForm(request.POST, auto_id="add_%s"), add


def _rename(request: HttpRequest, supervisor: User, target: str) -> Act:
    """Return the form with another name for a category, and the function that gives it."""

    def rename(data: dict[str, Any]) -> str:
        once = _read_once(request, supervisor)
        pk, label = _read_key(target), data["label"]
        category = operations.rename_category(pk, supervisor=supervisor, label=label, form_key=once)
        return f"La categoría se llama desde ahora «{category.label}»."

    return NameForm(request.POST, auto_id=f"name_{target}_%s"), rename


def _end(request: HttpRequest, supervisor: User, target: str) -> Act:
    """Return an empty form, and the function that ends a category."""

    def end(_data: dict[str, Any]) -> str:
        category = operations.end_category(_read_key(target), supervisor=supervisor)
        return f"«{category.label}» ya no se ofrece; los tickets que la tienen la conservan."

    return PortalForm(request.POST), end


def _explain(request: HttpRequest, supervisor: User, target: str) -> Act:
    """Return the form of an explanation, and the function that replaces it."""

    def explain(data: dict[str, Any]) -> str:
        text = request.POST.get("seen", "")
        seen = int(text) if may_be_key(text) else 0
        operations.change_explanation(target, supervisor=supervisor, text=data["text"], seen=seen)
        return "La explicación nueva se envía desde ahora; lo ya enviado no cambia."

    return ExplanationForm(request.POST, auto_id=f"text_{target}_%s"), explain


def _join(request: HttpRequest, supervisor: User, _target: str) -> Act:
    """Return the form that names a person, and the function that adds him to the sales team."""

    def join(data: dict[str, Any]) -> str:
        once = _read_once(request, supervisor)
        member = operations.join_sales(int(data["person"]), supervisor=supervisor, form_key=once)
        return f"{member.user.get_full_name()} ya es de Ventas."

    return MemberForm(request.POST, auto_id="join_%s"), join


def _leave(request: HttpRequest, supervisor: User, target: str) -> Act:
    """Return an empty form, and the function that takes a person out of the sales team."""

    def leave(_data: dict[str, Any]) -> str:
        member = operations.leave_sales(_read_key(target), supervisor=supervisor)
        return f"{member.user.get_full_name()} ya no es de Ventas; conserva los tickets que tiene."

    return PortalForm(request.POST), leave


ACTS: dict[str, Callable[[HttpRequest, User, str], Act]] = {
    "agregar": _add,
    "nombrar": _rename,
    "terminar": _end,
    "explicar": _explain,
    "sumar": _join,
    "quitar": _leave,
}


def _read_once(request: HttpRequest, supervisor: User) -> str | None:
    """Return the one-time key with which the form came, by which a double click adds nothing twice; None without."""
    key = form_memory.read_key(request.POST.get("once", ""), FORM, supervisor)
    return key.key if key else None


def _read_key(text: str) -> int:
    """Return a row's key as it came with a button; 404 for what is none of a row."""
    if not may_be_key(text):
        raise Http404
    return int(text)


def _show_page(request: HttpRequest, person: User, posted: dict[str, PortalForm]) -> HttpResponse:
    """Show the page; `posted` holds the form that was refused, under the name of its button, with its errors."""
    categories = [
        (row, posted.get(f"nombrar:{row.pk}") or NameForm(initial={"label": row.label}, auto_id=f"name_{row.pk}_%s"))
        for row in reading.select_in_use()
    ]
    explanations = [
        (
            row,
            posted.get(f"explicar:{row.scope}")
            or ExplanationForm(initial={"text": row.text}, auto_id=f"text_{row.scope}_%s"),
        )
        for row in reading.list_explanations()
    ]
    members = SalesMember.objects.filter(ended_at__isnull=True).select_related("user").order_by("user__full_name")
    context = page_context(
        request,
        TITLE,
        categories=categories,
        fixed=operations.FIXED,
        explanations=explanations,
        members=members,
        once=form_memory.new_key(person, FORM).token,
        add_form=posted.get("agregar") or CategoryForm(initial={"team": Team.SUPPORT}, auto_id="add_%s"),
        member_form=posted.get("sumar") or MemberForm(auto_id="join_%s"),
        form=next(iter(posted.values()), None),
        may_edit=policy.may_edit_catalogue(person),
        list_url=reverse("admin:tickets_ticket_changelist"),
    )
    return TemplateResponse(request, "admin/tickets/catalogue.html", context)
