"""Serve «Horario y días inhábiles»: what counts, what a change would move, and what waits for a second person (M2)."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone

from accounts.staff.calendar_forms import HolidayForm, HoursForm
from accounts.staff.pages import page_context
from accounts.web import form_memory
from accounts.web.form_memory import FormKey
from accounts.web.mixins import get_person
from factureya.core import clock
from factureya.core.calendar import load_attention_hours
from factureya.core.forms import STALE_FORM
from factureya.core.hours import changes, moving
from factureya.core.hours.changes import Draft, Kind
from factureya.core.hours.deadlines import Move, name_moves
from factureya.core.hours.week import describe_week, parse_week
from factureya.core.models import AttentionWeek, CalendarChange, Holiday
from factureya.core.refusals import Invalid, Refused, Stale

LIST = "admin:core_holiday_changelist"
FORM = "calendario"  # the name of all these forms, for their one-time keys
NEXT_ROWS, SHOWN_MOVES = 6, 100
REVIEW = "admin:core_holiday_review"


@dataclass(frozen=True)
class Preview:
    """Hold what a change would move, and whether it needs a second person."""

    moves: list[Move]

    @property
    def shown(self) -> list[Move]:
        """Return the moves that a page lists."""
        return self.moves[:SHOWN_MOVES]

    @property
    def name(self) -> str:
        """Return what the form of who approves sends back, so that nobody approves other moves than he saw."""
        return name_moves(self.moves)

    @property
    def shortens(self) -> bool:
        """Return True if a deadline would come earlier."""
        return any(move.is_earlier for move in self.moves)

    @property
    def headline(self) -> str:
        """Return in a sentence how many reply goals and other deadlines move: «Mueve 3 metas y 1 plazo más»."""
        goals = sum(move.deadline.column == "reply_due_at" for move in self.moves)
        others = len(self.moves) - goals
        goals_text = "1 meta" if goals == 1 else f"{goals} metas" if goals else "ninguna meta"
        others_text = "1 plazo más" if others == 1 else f"{others} plazos más" if others else "ningún otro plazo"
        return f"Mueve {goals_text} y {others_text}." if self.moves else "No mueve ningún plazo."


def show_calendar(request: HttpRequest) -> HttpResponse:
    """Show hours and holidays; with a day and a name in the address also which deadlines that holiday would move."""
    if "day" not in request.GET:
        return _render_list(request, HolidayForm())
    form = HolidayForm(request.GET)
    return _render_list(request, form, _preview(form))


def add_holiday(request: HttpRequest) -> HttpResponse:
    """Add the posted holiday, or store it as a proposal that a second person must approve (POST)."""
    form = HolidayForm(request.POST)
    if form.is_valid() and _propose(request, form, form.make_draft()):
        return redirect(LIST)
    return _render_list(request, form)


def remove_holiday(request: HttpRequest, pk: int) -> HttpResponse:
    """Show which deadlines move if this holiday is removed; on POST remove it, or propose that to a second person."""
    if request.method == "POST" and (made := _find_made(request)):  # a second click finds the holiday gone
        messages.success(request, _describe_result(made))
        return redirect(LIST)
    holiday = get_object_or_404(Holiday, pk=pk, day__gte=timezone.localdate(clock.now()))  # a past one stays
    draft = Draft(Kind.REMOVE_HOLIDAY, holiday.day)
    if request.method == "POST" and _propose(request, None, draft):
        return redirect(LIST)
    try:
        preview = Preview(changes.preview_change(draft))
    except Invalid as refusal:  # another person removed it meanwhile
        messages.error(request, str(refusal))
        return redirect(LIST)
    context = _page_context(request, f"Quitar {holiday.name}", holiday=holiday, preview=preview)
    return TemplateResponse(request, "admin/calendar/remove.html", context)


def change_hours(request: HttpRequest) -> HttpResponse:
    """Show the form of the hours, and which deadlines the typed ones would move; on POST store or propose them."""
    today = timezone.localdate(clock.now())
    preview = None
    if request.method == "POST":
        form = HoursForm(request.POST)
        if form.is_valid() and _propose(request, form, form.make_draft()):
            return redirect(LIST)
    elif "day" in request.GET:
        form = HoursForm(request.GET)  # he asks what these hours would move
        preview = _preview(form)
    else:  # a first visit: begin with the hours of today
        week = load_attention_hours().find_week(today)
        form = HoursForm(initial=HoursForm.make_initial(week, today + timedelta(days=1)))
    context = _page_context(request, "Cambiar el horario", form=form, preview=preview)
    return TemplateResponse(request, "admin/calendar/hours.html", context)


def review_change(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a change that waits for a second person, and each deadline that it would move now, to approve it or not."""
    change = get_object_or_404(CalendarChange.objects.select_related("proposed_by"), pk=pk, status="proposed")
    try:
        preview = Preview(changes.preview_proposal(change))
    except Invalid as refusal:
        messages.error(request, str(refusal))
        return redirect(LIST)
    context = _page_context(request, change.get_kind_display(), change=change, preview=preview)
    return TemplateResponse(request, "admin/calendar/review.html", context)


def approve_change(request: HttpRequest, pk: int) -> HttpResponse:
    """Approve a change that waits for a second person, if it moves what that person was shown (POST)."""
    seen = request.POST.get("seen", "")
    try:
        change = changes.approve_change(_require_change(pk), actor=get_person(request), seen=seen)
    except Stale as refusal:
        messages.error(request, str(refusal))
        return redirect(REVIEW, pk)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"Aprobó el cambio; ya cuenta.{_describe_later(change)}")
    return redirect(LIST)


def decline_change(request: HttpRequest, pk: int) -> HttpResponse:
    """Put a change aside that waits for a second person (POST), and go back to the page."""
    try:
        changes.decline_change(_require_change(pk), actor=get_person(request))
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, "El cambio no se hizo.")
    return redirect(LIST)


def _require_change(pk: int) -> int:
    """Return the key of a change. Raises Http404 if there is none."""
    if not CalendarChange.objects.filter(pk=pk).exists():
        raise Http404
    return pk


def _find_made(request: HttpRequest) -> CalendarChange | None:
    """Return the change that the posted form made before, of a second click; None if it made none."""
    person = get_person(request)
    key = form_memory.read_key(request.POST.get("key", ""), FORM, person)
    return CalendarChange.objects.filter(form_key=key.key, proposed_by=person).first() if key else None


def _propose(request: HttpRequest, form: Any, draft: Draft) -> bool:
    """Make the change, or store it as a proposal for a second person to approve, and return True.

    If it is refused, return False; the form shows the reasons, or without a form the next page.
    """
    person = get_person(request)
    key = form_memory.read_key(request.POST.get("key", ""), FORM, person)
    errors = {"": STALE_FORM} if key is None else {}  # "": an error of the whole form
    if key is not None:
        try:
            change = changes.propose_change(draft, actor=person, form_key=key.key)
        except Invalid as refusal:
            errors = dict(refusal.errors)
        except Refused as refusal:
            errors = {"": str(refusal)}
        else:
            messages.success(request, _describe_result(change))
            return True
    for field, text in errors.items():
        if form is None:
            messages.error(request, text)
        else:
            form.add_error(field if field in form.fields else None, text)
    return False


def _describe_result(change: CalendarChange) -> str:
    """Return what the person reads after a change: it counts, some deadlines move later, or another must approve it."""
    if change.status == CalendarChange.Status.PROPOSED:
        return "Adelanta un plazo: otra persona debe aprobarlo antes de que cuente."
    return f"Listo; ya cuenta.{_describe_later(change)}"


def _describe_later(change: CalendarChange) -> str:
    """Return the sentence that deadlines of this change are still to be moved; "" if all have moved."""
    return " Mueve muchos plazos: los últimos tardan unos minutos." if change.pending_moves.exists() else ""


def _preview(form: Any) -> Preview | None:
    """Return what the change of a valid form would move; None, with the error in the form, if it cannot be made."""
    if not form.is_valid():
        return None
    try:
        return Preview(changes.preview_change(form.make_draft()))
    except Invalid as refusal:
        for field, text in refusal.errors.items():
            form.add_error(field if field in form.fields else None, text)
        return None


def _render_list(request: HttpRequest, form: HolidayForm, preview: Preview | None = None) -> HttpResponse:
    """Return the page of hours and holidays, with the form of a new holiday and what it would move."""
    today = timezone.localdate(clock.now())
    holidays = list(Holiday.objects.order_by("day"))
    # Each coming holiday with its days from today. `others` are the later ones, then the past ones, newest first.
    coming = [(holiday, (holiday.day - today).days) for holiday in holidays if holiday.day >= today]
    week = load_attention_hours().find_week(today)
    context = _page_context(
        request,
        "Horario y días inhábiles",
        form=form,
        preview=preview,
        lines=describe_week(week),
        future_weeks=_list_future_weeks(today),
        coming=coming[:NEXT_ROWS],
        others=[*[holiday for holiday, _days in coming[NEXT_ROWS:]], *[h for h in reversed(holidays) if h.day < today]],
        moving=moving.read_progress(),
        proposals=CalendarChange.objects.filter(status="proposed").select_related("proposed_by").order_by("pk"),
    )
    return TemplateResponse(request, "admin/calendar/calendar.html", context)


def _list_future_weeks(today: date) -> list[tuple[date, Any]]:
    """Return the hours that begin after today, with their first day; of two on one day the later row counts."""
    rows = AttentionWeek.objects.filter(starts_on__gt=today).order_by("starts_on", "pk")
    weeks = dict(rows.values_list("starts_on", "hours"))  # the last one of a day stays
    return [(day, describe_week(parse_week(hours))) for day, hours in weeks.items()]


def _page_context(request: HttpRequest, title: str, **more: Any) -> dict[str, Any]:
    """Return the context of a page of the calendar, with a new one-time key and whether the person may change it."""
    person = get_person(request)
    key: FormKey = form_memory.new_key(person, FORM)
    return page_context(request, title, key=key, may_change=person.has_perm(changes.MAY_CHANGE), **more)
