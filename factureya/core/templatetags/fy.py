"""Write dates, durations, sizes, names and states as the pages show them, in local time."""

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, TypedDict, cast

from django import template
from django.forms import BaseForm, BoundField, CheckboxInput, Select
from django.template.base import Parser, TextNode, Token
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import localize
from django.utils.html import format_html, linebreaks
from django.utils.safestring import SafeString

from factureya.core import clock
from factureya.core.icons import ICONS
from factureya.core.models import Attachment
from factureya.core.words import MONTHS, WEEKDAYS

register = template.Library()

PICTURE_WIDTH = 256  # pixels of a page
BREAKABLE = "\0"  # stands for white space of a template inside {% line %}; no value can hold this character
DAYS = {0: "hoy", -1: "ayer", 1: "mañana"}
STATE_CLASSES = {"open": "open", "waiting": "wait", "closed": "closed", "ok": "ok", "bad": "bad"}


@register.simple_tag
def icon(name: str) -> SafeString:
    """Return the inline SVG of an icon of `core.icons`, hidden from assistive technology."""
    return ICONS[name]


@register.simple_tag
def file_type(file: Attachment) -> SafeString:
    """Return the type of a file as a word on a badge, hidden from assistive technology: the name says it too."""
    word = file.name.rpartition(".")[2].upper()[:4]
    css = f" fy-ft--{word.lower()}" if word in {"PDF", "XML"} else ""
    return format_html('<span class="fy-ft{}" aria-hidden="true">{}</span>', css, word or "–")


@register.simple_tag
def picked(files: Iterable[Attachment]) -> dict[str, list[Attachment]]:
    """Return the files in two lists: `pictures` are shown in place, `others` by their type."""
    every = list(files)
    return {
        "pictures": [file for file in every if file.is_picture],
        "others": [file for file in every if not file.is_picture],
    }


@register.simple_tag
def picture(file: Attachment, url: str) -> SafeString:
    """Return an <img> of the small copy of a picture, with its size if that is known."""
    room = SafeString("")
    if file.width and file.height:
        scale = min(1, PICTURE_WIDTH / file.width)
        width, height = max(1, round(file.width * scale)), max(1, round(file.height * scale))
        room = format_html(' width="{}" height="{}"', width, height)
    return format_html(
        '<img src="{}?ver=miniatura"{} alt="Imagen: {}" loading="lazy" decoding="async">', url, room, file.name
    )


@register.simple_tag
@cache
def asset(path: str) -> str:
    """Return what {% static %} gives, computed once in a process, because every page names the same few files."""
    return static(path)


@register.simple_tag
@cache
def address(name: str) -> str:
    """Return what {% url %} gives for a page without arguments, computed once in a process."""
    return reverse(name)


@register.filter
def when(instant: datetime | None) -> str:
    """Return «hoy, 10:05», «ayer, 17:20», «mañana, 9:00» or «20 nov, 11:45», with the year if it is another one."""
    if instant is None:
        return ""
    local, today = _get_local_and_today(instant)
    day = DAYS.get((local.date() - today).days) or _format_day(local, today.year)
    return f"{day}, {_format_time(local)}"


@register.filter
def when_long(instant: datetime | None) -> str:
    """Return «vie 27 nov a las 10:05» or «a la 1:05», for instants that are stored or printed."""
    if instant is None:
        return ""
    local, today = _get_local_and_today(instant)
    article = "a la" if local.hour == 1 else "a las"
    return f"{WEEKDAYS[local.weekday()]} {_format_day(local, today.year)} {article} {_format_time(local)}"


@register.filter
def iso(instant: datetime | None) -> str:
    """Return the `datetime` attribute of <time>: local, with its offset, to the second."""
    return timezone.localtime(instant).isoformat(timespec="seconds") if instant else ""


@register.filter
def duration(span: timedelta | None) -> str:
    """Return «2 d 23 h 23 min», «1 h 47 min», «12 min» or «menos de 1 min»: whole minutes, rounded down, no sign."""
    if span is None:
        return ""
    minutes = int(abs(span).total_seconds()) // 60
    days, hours, minutes = minutes // 1440, minutes % 1440 // 60, minutes % 60
    parts = [f"{n} {unit}" for n, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if n]
    return " ".join(parts) or "menos de 1 min"


@register.filter
def until(instant: datetime | None) -> str:
    """Return the time between now and an instant, as `duration` writes it."""
    return duration(instant - clock.now()) if instant else ""


@register.filter
def filesize(size: int | None) -> str:
    """Return «214 KB» or «1.4 MB»: units of 1,024 bytes, rounded up so that no file seems smaller than it is."""
    if not size:
        return "0 KB"
    if size < 1024 * 1024:
        return f"{-(-size // 1024)} KB"
    return f"{localize(-(-size * 10 // 1024**2) / 10)} MB"


@register.filter
def initials(name: str) -> str:
    """Return «RP» for «Rosa Elena Paredes»: first and last name, without particles and signs."""
    words = [w for w in re.findall(r"\w+", name) if w.lower() not in {"de", "del", "la", "las", "los", "y"}]
    return "".join(word[0].upper() for word in ([words[0], words[-1]] if len(words) > 1 else words))


@register.filter
def state_class(status: str) -> str:
    """Return the CSS class of the chip for a ticket's status, or for `ok` and `bad`."""
    return f"fy-state--{STATE_CLASSES[status]}"


@register.simple_tag
def chip(status: str, label: str) -> SafeString:
    """Return the HTML of partials/state.html; in the rows of a list an include would cost too much."""
    return format_html('<span class="fy-state {}">{}</span>', state_class(status), label)


@register.simple_block_tag
def fill(content: str, partial: str, **inputs: Any) -> SafeString:
    """Render a partial whose input `text` is what stands inside this tag, for a text too long for one line."""
    return render_to_string(partial, {**inputs, "text": SafeString(" ".join(content.split()))})


@register.tag
def line(parser: Parser, _token: Token) -> "LineNode":
    """Print what stands inside this tag as one line of a mail; the template may break that line at its spaces."""
    nodes = parser.parse(("endline",))
    parser.delete_first_token()
    for text in cast("list[TextNode]", nodes.get_nodes_by_type(TextNode)):
        text.s = re.sub(r"\s+", BREAKABLE, text.s)
    return LineNode(nodes)


class LineNode(template.Node):
    """Prints its nodes; the white space of the template becomes single spaces, that of values stays as it is."""

    def __init__(self, nodelist: template.NodeList) -> None:
        self.nodelist = nodelist

    def render(self, context: template.Context) -> SafeString:
        """Return the text without a break of the template at its beginning, its end or inside."""
        return SafeString(re.sub(f"{BREAKABLE}+", " ", self.nodelist.render(context).strip(BREAKABLE)))


@register.filter
def paragraphs(text: str) -> SafeString:
    """Return plain text from a person as <p> and <br>, escaped; nothing becomes a link (M5, M17)."""
    return SafeString(linebreaks(text, autoescape=True))


@register.filter
def control(field: BoundField) -> SafeString:
    """Return the control of a field with the classes of forms.css: its kind, and `is-invalid` when it is wrong."""
    widget = field.field.widget
    is_box, is_select = isinstance(widget, CheckboxInput), isinstance(widget, Select)
    kind = "form-check-input" if is_box else "form-select" if is_select else "form-control"
    names = [type(widget).__name__.lower(), kind, widget.attrs.get("class"), "is-invalid" if field.errors else ""]
    return field.as_widget(attrs={"class": " ".join(name for name in names if name)})


class FormError(TypedDict):
    """Hold a line of the error summary."""

    text: str
    target: str  # id of the field, "" for what belongs to no field a person sees


class ErrorList(TypedDict):
    """Hold the error summary."""

    heading: str
    items: list[FormError]


@register.simple_tag
def error_list(form: BaseForm) -> ErrorList:
    """Return the error summary: the errors of the whole form first, then each field's in the form's order."""
    wide = [FormError(text=str(text), target="") for text in form.non_field_errors()]
    for field in form.hidden_fields():
        wide += [FormError(text=str(text), target="") for text in field.errors]
    fields = [
        FormError(text=str(text), target=_find_target(field))
        for field in form.visible_fields()
        for text in field.errors
    ]
    wrong = sum(bool(field.errors) for field in form.visible_fields())
    heading = f"Falta corregir {wrong} {'dato' if wrong == 1 else 'datos'}" if wrong else "Hay un problema"
    return ErrorList(heading=heading, items=wide + fields)


def _find_target(field: BoundField) -> str:
    """Return the id that an error links to: the control's, or the first choice of radios and checkboxes."""
    return field.id_for_label or f"{field.auto_id}_0"


def _get_local_and_today(instant: datetime) -> tuple[datetime, date]:
    """Return the instant and today's date in local time.

    The zone is asked for once, because lists call this for every row.
    """
    zone = timezone.get_current_timezone()
    return instant.astimezone(zone), clock.now().astimezone(zone).date()


def _format_day(local: datetime, this_year: int) -> str:
    """Return a local day as «20 nov», with the year if it is not `this_year`."""
    year = "" if local.year == this_year else f" {local.year}"
    return f"{local.day} {MONTHS[local.month - 1]}{year}"


def _format_time(local: Any) -> str:
    """Return a local time as «9:05»."""
    return f"{local.hour}:{local.minute:02d}"
