"""Write dates, durations, sizes, names and states as the pages show them, in local time."""

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, cast

from django import template
from django.forms import BaseForm, BoundField, CheckboxInput, Select
from django.template.base import Parser, TextNode, Token
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import localize
from django.utils.html import format_html, format_html_join, linebreaks
from django.utils.safestring import SafeString

from factureya.core import calendar, clock
from factureya.core.calendar import MONTHS, WEEKDAYS
from factureya.core.hours.week import Week, describe_open_hours, describe_week, parse_week
from factureya.core.models import Attachment

register = template.Library()

PICTURE_WIDTH = 256  # pixels of a page
BREAKABLE = "\0"  # stands for white space of a template inside {% line %}; no value can hold this character
DAYS = {0: "hoy", -1: "ayer", 1: "mañana"}
STATE_CLASSES = {"open": "open", "waiting": "wait", "closed": "closed", "ok": "ok", "bad": "bad"}
# Drawn with `currentColor`, so that a page needs no icon font and no extra request.
_SHAPES = {
    "bell": '<path d="M6 17v-6a6 6 0 0 1 12 0v6l2 2H4zM10 21h4"/>',
    "camera": '<path d="M3 8h4l2-3h6l2 3h4v11H3z"/><circle cx="12" cy="13" r="3.5"/>',
    "check": '<path d="m5 12.5 4.5 4.5L19 7.5"/>',
    "clip": '<path d="m20 11-8.5 8.5a5 5 0 0 1-7-7L13 4a3.4 3.4 0 0 1 5 5l-8.500 8.500a1.800 1.800 0 0 1-2.500-2.500'
    'L14.500 7.500"/>',
    "clock": '<circle cx="12" cy="12" r="8.500"/><path d="M12 7v5l3.500 2"/>',
    "copy": '<rect x="8" y="8" width="12" height="12" rx="2"/><path d="M16 8V4H4v12h4"/>',
    "cross": '<path d="m6 6 12 12M18 6 6 18"/>',
    "document": '<path d="M6 3h8l5 5v13H6z"/><path d="M14 3v5h5"/>',
    "download": '<path d="M12 4v11m-4.5-4.5L12 15l4.5-4.5M5 20h14"/>',
    "enter": '<path d="M14 4h6v16h-6M4 12h11m-4-4 4 4-4 4"/>',
    "key": '<circle cx="8" cy="15" r="4.5"/><path d="m11.5 11.5 8-8M16 7l3 3"/>',
    "lock": '<rect x="5" y="11" width="14" height="9" rx="2"/><path d="M8 11V8a4 4 0 0 1 8 0v3"/>',
    "mail": '<rect x="3" y="5" width="18" height="14" rx="2"/><path d="m4 7 8 6 8-6"/>',
    "menu": '<path d="M4 7h16M4 12h16M4 17h16"/>',
    "person": '<circle cx="12" cy="8" r="4"/><path d="M4 21c1-5 4-7 8-7s7 2 8 7"/>',
    "phone": '<path d="M6 3h4l1.5 5-2.5 1.5a12 12 0 0 0 5.5 5.5L16 12.5l5 1.5v4a3 3 0 0 1-3 3C10 21 3 14 3 6a3 3 0 0 1 '
    '3-3z"/>',
    "plus": '<path d="M12 5v14M5 12h14"/>',
    "print": '<path d="M7 9V3h10v6M7 18H4v-8h16v8h-3M7 14h10v7H7z"/>',
    "search": '<circle cx="11" cy="11" r="6.5"/><path d="m20 20-4.2-4.2"/>',
    "shield": '<path d="M12 3 5 6v5c0 5 3 8 7 10 4-2 7-5 7-10V6z"/><path d="m9 12 2 2 4-4"/>',
    "swap": '<path d="M4 8h14m-4-4 4 4-4 4M20 16H6m4-4-4 4 4 4"/>',
    "ticket": '<path d="M3 9V6h18v3a3 3 0 0 0 0 6v3H3v-3a3 3 0 0 0 0-6z"/><path d="M14 6v12" stroke-dasharray="2 3"/>',
}
ICONS = {
    name: SafeString(f'<svg class="fy-ico" viewBox="0 0 24 24" aria-hidden="true" focusable="false">{shapes}</svg>')
    for name, shapes in _SHAPES.items()
}


@register.simple_tag
def icon(name: str) -> SafeString:
    """Return the inline SVG of an icon, hidden from assistive technology."""
    return ICONS[name]


@register.simple_tag
def file_type(file: Attachment) -> SafeString:
    """Return a badge with a file's extension (four letters at most); assistive technology reads the name instead."""
    extension = file.name.rpartition(".")[2].upper()[:4]
    css = f" fy-ft--{extension.lower()}" if extension in {"PDF", "XML"} else ""
    return format_html('<span class="fy-ft{}" aria-hidden="true">{}</span>', css, extension or "–")


@register.simple_tag
def sort_files(files: Iterable[Attachment]) -> dict[str, list[Attachment]]:
    """Return the files of a message in two lists: `pictures`, which a page shows, and `others`, which it only names."""
    sorted_files: dict[str, list[Attachment]] = {"pictures": [], "others": []}
    for file in files:
        sorted_files["pictures" if file.is_picture else "others"].append(file)
    return sorted_files


@register.simple_tag
def picture(file: Attachment, url: str) -> SafeString:
    """Return the <img> of a stored picture's small copy; `url` is the picture's address.

    If the picture's size is known, the tag says how large the page shows it, so that nothing moves while it loads.
    """
    size = SafeString("")
    if file.width and file.height:
        scale = min(1, PICTURE_WIDTH / file.width)
        width, height = (max(1, round(side * scale)) for side in (file.width, file.height))
        size = format_html(' width="{}" height="{}"', width, height)
    html = '<img src="{}?ver=miniatura"{} alt="Imagen: {}" loading="lazy" decoding="async">'
    return format_html(html, url, size, file.name)


@register.simple_tag
@cache
def asset(path: str) -> str:
    """Return the address of a static file, as {% static %} does, but computed once in a process."""
    return static(path)


@register.simple_tag
@cache
def address(name: str) -> str:
    """Return the address of a page without arguments, as {% url %} does, but computed once in a process."""
    return reverse(name)


@register.filter
def when(instant: datetime | None) -> str:
    """Return an instant as pages show it: «hoy, 10:05», or «20 nov, 11:45», with the year if it is not this one."""
    if instant is None:
        return ""
    local, today = _get_local_and_today(instant)
    day = DAYS.get((local.date() - today).days) or _format_day(local, today.year)  # «ayer», «hoy» or «mañana»
    return f"{day}, {format_time(local)}"


@register.filter
def when_long(instant: datetime | None) -> str:
    """Return «vie 27 nov a las 10:05» or «a la 1:05», without words like «hoy», for texts that are kept or printed."""
    if instant is None:
        return ""
    local, today = _get_local_and_today(instant)
    article = "a la" if local.hour == 1 else "a las"
    return f"{WEEKDAYS[local.weekday()]} {_format_day(local, today.year)} {article} {format_time(local)}"


@register.filter
def when_full(instant: datetime | None) -> str:
    """Return «vie 27 nov 2026, 10:05:09 (UTC−6)», with seconds and zone, for evidence on paper; empty for None."""
    if instant is None:
        return ""
    local = timezone.localtime(instant)
    minutes = round((local.utcoffset() or timedelta()).total_seconds() / 60)
    hours, minutes_left = divmod(abs(minutes), 60)
    offset = f"{'−' if minutes < 0 else '+'}{hours}" + (f":{minutes_left:02d}" if minutes_left else "")
    day = f"{WEEKDAYS[local.weekday()]} {local.day} {MONTHS[local.month - 1]} {local.year}"
    return f"{day}, {local.hour}:{local:%M:%S} (UTC{offset})"


@register.filter
def full_day(day: date | None) -> str:
    """Return a day as «31 dic 2026», always with its year; empty for None."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}" if day else ""


@register.filter
def full_weekday(day: date) -> str:
    """Return a day as «vie 25 dic 2026»."""
    return f"{WEEKDAYS[day.weekday()]} {full_day(day)}"


@register.filter
def thousands(number: int) -> str:
    """Return a whole number with commas: «1,000»."""
    return f"{number:,}"


@register.simple_tag
def open_hours() -> SafeString:
    """Return as HTML the attention hours of this week, a paragraph for each line on which somebody attends (M2)."""
    return _render_open_hours(calendar.read_week())


@cache
def _render_open_hours(week: Week) -> SafeString:
    """Return the lines of a week's hours as HTML; every page has them, so they are written once for each week."""
    lines = [line for line in describe_week(week) if line.is_open]
    return format_html_join("\n", "<p>{}, {}</p>", ((line.days, _render_stretches(line.hours)) for line in lines))


def _render_stretches(hours: str) -> SafeString:
    """Return the hours of a day as HTML in parts that no line break cuts; the last says «h»."""
    *earlier, last = stretches(hours)
    return format_html_join(" ", '<span class="fy-nowrap">{}</span>', ((part,) for part in [*earlier, f"{last} h"]))


@register.simple_tag
def open_hours_line() -> str:
    """Return the attention hours of this week in one line: «Lunes a viernes, de 9:00 a 14:00 y de 15:00 a 19:00 h»."""
    return describe_open_hours(calendar.read_week())


@register.filter
def week_line(hours: str) -> str:
    """Return stored hours of a week in one line, for a page that shows a change of them."""
    return describe_open_hours(parse_week(hours))


@register.filter
def stretches(hours: str) -> list[str]:
    """Return the hours of a day in parts that no line break should cut: «de 9:00 a 14:00», «y de 15:00 a 19:00»."""
    return [f"y de {part}" if index else f"de {part}" for index, part in enumerate(re.split(" y |, ", hours))]


@register.filter
def iso(instant: datetime | None) -> str:
    """Return the `datetime` attribute of <time>: local, with its offset, to the second."""
    return timezone.localtime(instant).isoformat(timespec="seconds") if instant else ""


@register.filter
def duration(span: timedelta | None) -> str:
    """Return a duration as «2 d 23 h 23 min», «12 min» or «menos de 1 min»: whole minutes, rounded down, no sign."""
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
    """Return a number of bytes as «214 KB» or «1.4 MB»: units of 1,024, rounded up, so that no file seems too small."""
    if not size:
        return "0 KB"
    if size < 1024 * 1024:
        return f"{-(-size // 1024)} KB"  # -(-a // b) rounds up
    return f"{localize(-(-size * 10 // 1024**2) / 10)} MB"  # rounded up to one decimal


@register.filter
def initials(name: str) -> str:
    """Return the initials of a person's first and last name: «RP» for «Rosa Elena Paredes»; «de», «la»… are skipped."""
    words = [w for w in re.findall(r"\w+", name) if w.lower() not in {"de", "del", "la", "las", "los", "y"}]
    chosen = [words[0], words[-1]] if len(words) > 1 else words
    return "".join(word[0].upper() for word in chosen)


@register.filter
def state_class(status: str) -> str:
    """Return the CSS class of the label that shows a ticket's status, or the states `ok` and `bad`."""
    return f"fy-state--{STATE_CLASSES[status]}"


@register.simple_tag
def chip(status: str, label: str, css: str = "") -> SafeString:
    """Return `label` as HTML in the colour and shape of the state `status`; `css` names more classes of the label."""
    return format_html('<span class="fy-state {}{}">{}</span>', state_class(status), f" {css}" if css else "", label)


@register.simple_block_tag
def fill(content: str, partial: str, **inputs: Any) -> SafeString:
    """Render the template `partial`; its variable `text` is the content of {% fill %}…{% endfill %} on one line.

    So a template can write a long text over several lines, which become spaces here.
    """
    return render_to_string(partial, {**inputs, "text": SafeString(" ".join(content.split()))})


@register.tag
def line(parser: Parser, _token: Token) -> "LineNode":
    """Return the node of {% line %}…{% endline %}, which prints what is inside on one line, without line breaks."""
    nodes = parser.parse(("endline",))
    parser.delete_first_token()
    for text in cast("list[TextNode]", nodes.get_nodes_by_type(TextNode)):
        text.s = re.sub(r"\s+", BREAKABLE, text.s)  # a mark (NUL) for which LineNode prints one space
    return LineNode(nodes)


class LineNode(template.Node):
    """Print nodes on one line; the white space of the template becomes single spaces, that of values stays as it is."""

    def __init__(self, nodelist: template.NodeList) -> None:
        self.nodelist = nodelist

    def render(self, context: template.Context) -> SafeString:
        return SafeString(re.sub(f"{BREAKABLE}+", " ", self.nodelist.render(context).strip(BREAKABLE)))


@register.filter
def paragraphs(text: str) -> SafeString:
    """Return the plain text that a person wrote as <p> and <br>, escaped; nothing becomes a link (M5, M17)."""
    return SafeString(linebreaks(text, autoescape=True))


@register.filter
def control(field: BoundField) -> SafeString:
    """Return the HTML of a form field's input with the CSS classes of its kind, and `is-invalid` if it has errors."""
    widget = field.field.widget
    is_box, is_select = isinstance(widget, CheckboxInput), isinstance(widget, Select)
    kind = "form-check-input" if is_box else "form-select" if is_select else "form-control"
    names = [type(widget).__name__.lower(), kind, widget.attrs.get("class"), "is-invalid" if field.errors else ""]
    return field.as_widget(attrs={"class": " ".join(name for name in names if name)})


@register.simple_tag
def error_list(form: BaseForm) -> dict[str, Any]:
    """Return the summary of a form's errors, for the box above the form: its heading, and each error with its target.

    The target is the id of the wrong input, for a link to it. Errors of the whole form and of hidden fields come first,
    without a target.
    """
    texts = [*form.non_field_errors(), *(text for field in form.hidden_fields() for text in field.errors)]
    items = [{"text": str(text), "target": ""} for text in texts]
    wrong = [field for field in form.visible_fields() if field.errors]
    for field in wrong:
        target = field.id_for_label or f"{field.auto_id}_0"  # the control, or the first of its radios or checkboxes
        items += [{"text": str(text), "target": target} for text in field.errors]
    heading = f"Falta corregir {len(wrong)} {'dato' if len(wrong) == 1 else 'datos'}" if wrong else "Hay un problema"
    return {"heading": heading, "items": items}


def _get_local_and_today(instant: datetime) -> tuple[datetime, date]:
    """Return an instant in local time and today's local date, to compare the two."""
    zone = timezone.get_current_timezone()  # asked for once, because lists call this for every row
    return instant.astimezone(zone), clock.now().astimezone(zone).date()


def _format_day(local: datetime, this_year: int) -> str:
    """Return the day of a local time as «20 nov», with the year if that is not `this_year`."""
    year = "" if local.year == this_year else f" {local.year}"
    return f"{local.day} {MONTHS[local.month - 1]}{year}"


def format_time(local: datetime) -> str:
    """Return a local time as «9:05»."""
    return f"{local.hour}:{local.minute:02d}"
