"""How the pages write dates, durations, sizes, names, states and errors."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django import forms
from django.template import Context, Template
from django.template.loader import render_to_string
from django.utils import timezone

from factureya.core.templatetags import fy

NOW = datetime(2026, 11, 24, 16, 42, tzinfo=UTC)  # Tuesday 10:42 in Mexico City


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@time_machine.travel(NOW, tick=False)
@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (utc(2026, 11, 24, 16, 5), "hoy, 10:05"),
        (utc(2026, 11, 23, 23, 20), "ayer, 17:20"),
        (utc(2026, 11, 24, 5, 59), "ayer, 23:59"),  # the day is the local one
        (utc(2026, 11, 24, 6, 0), "hoy, 0:00"),
        (utc(2026, 11, 25, 15, 0), "mañana, 9:00"),
        (utc(2026, 11, 20, 17, 45), "20 nov, 11:45"),
        (utc(2025, 12, 31, 18, 0), "31 dic 2025, 12:00"),
        (utc(2027, 1, 1, 18, 0), "1 ene 2027, 12:00"),
        (None, ""),
    ],
)
def test_when(instant, text):
    assert fy.when(instant) == text


@time_machine.travel(NOW, tick=False)
@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (utc(2026, 11, 27, 16, 5), "vie 27 nov a las 10:05"),
        (utc(2026, 11, 28, 19, 5), "sáb 28 nov a las 13:05"),
        (utc(2026, 11, 25, 7, 5), "mié 25 nov a la 1:05"),
        (utc(2027, 1, 4, 16, 0), "lun 4 ene 2027 a las 10:00"),
        (None, ""),
    ],
)
def test_when_long(instant, text):
    assert fy.when_long(instant) == text


@pytest.mark.parametrize(
    ("instant", "zone", "text"),
    [
        (utc(2026, 11, 27, 16, 5, 9), "America/Mexico_City", "vie 27 nov 2026, 10:05:09 (UTC−6)"),
        (utc(2026, 11, 27, 16, 5, 9), "Asia/Kolkata", "vie 27 nov 2026, 21:35:09 (UTC+5:30)"),
        (None, "America/Mexico_City", ""),
    ],
)
def test_when_full(instant, zone, text):
    with timezone.override(zone):
        assert fy.when_full(instant) == text


def test_iso():
    assert fy.iso(utc(2026, 11, 17, 17, 40, 5)) == "2026-11-17T11:40:05-06:00"
    assert fy.iso(None) == ""


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(hours=1, minutes=47, seconds=59), "1 h 47 min"),
        (timedelta(days=2, hours=23, minutes=23), "2 d 23 h 23 min"),
        (timedelta(days=3), "3 d"),
        (timedelta(minutes=12), "12 min"),
        (timedelta(seconds=59), "menos de 1 min"),
        (timedelta(hours=-2), "2 h"),
        (None, ""),
    ],
)
def test_duration(span, text):
    assert fy.duration(span) == text


@time_machine.travel(NOW, tick=False)
def test_until():
    assert fy.until(NOW + timedelta(days=2, hours=5)) == "2 d 5 h"
    assert fy.until(NOW - timedelta(minutes=5)) == "5 min"
    assert fy.until(None) == ""


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 KB"),
        (None, "0 KB"),
        (1, "1 KB"),
        (214 * 1024, "214 KB"),
        (214 * 1024 + 1, "215 KB"),
        (1024 * 1024, "1.0 MB"),
        (10 * 1024 * 1024 + 1, "10.1 MB"),
    ],
)
def test_filesize(size, text):
    assert fy.filesize(size) == text


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Rosa Elena Paredes", "RP"),
        ("Ana de la O", "AO"),
        ("José Ángel Núñez-Íñigo", "JÍ"),
        ("ana", "A"),
        ("", ""),
        ("<b>", "B"),
    ],
)
def test_initials(name, letters):
    assert fy.initials(name) == letters


def render(source: str, **context: object) -> str:
    return Template("{% load fy %}" + source).render(Context(context))


@pytest.mark.parametrize(("status", "css"), [("open", "open"), ("waiting", "wait"), ("closed", "closed")])
def test_chip_and_its_partial_are_the_same(status, css):
    expected = f'<span class="fy-state fy-state--{css}">En &lt;espera&gt;</span>'
    assert render("{% chip status label %}", status=status, label="En <espera>") == expected
    partial = '{% include "partials/state.html" with status=status label=label only %}'
    assert render(partial, status=status, label="En <espera>").strip() == expected


def test_paragraphs_escape_and_never_link():
    text = "Hola <b>\nhttp://malo.example\n\nAdiós & ya"
    assert render("{{ text|paragraphs }}", text=text) == (
        "<p>Hola &lt;b&gt;<br>http://malo.example</p>\n\n<p>Adiós &amp; ya</p>"
    )


@pytest.mark.parametrize("name", fy.ICONS)
def test_icons_are_decorative_svg(name):
    svg = render("{% icon name %}", name=name)
    assert svg.startswith('<svg class="fy-ico"')
    assert 'aria-hidden="true"' in svg
    assert "style=" not in svg
    assert render_to_string("partials/icon.html", {"name": name}).strip() == svg


class Complaint(forms.Form):
    subject = forms.CharField(error_messages={"required": "Escriba el problema en una frase"})
    impact = forms.ChoiceField(
        choices=[("1", "Poco"), ("2", "Mucho")],
        widget=forms.RadioSelect,
        error_messages={"required": "Elija cómo le afecta"},
    )
    form_key = forms.CharField(widget=forms.HiddenInput, error_messages={"required": "Abra la página de nuevo"})

    def clean(self):
        if self.data.get("refuse"):
            raise forms.ValidationError("El correo o la contraseña <no> coinciden")
        return self.cleaned_data


def summary(**data: str) -> str:
    return render_to_string("partials/errors.html", {"form": Complaint(data), "note": "No perdimos nada."})


def test_error_summary_links_to_each_field():
    html = summary()
    assert "Falta corregir 2 datos" in html
    assert '<a href="#id_subject">Escriba el problema en una frase</a>' in html
    assert '<a href="#id_impact_0">Elija cómo le afecta</a>' in html  # radios: the first choice
    assert "<li>Abra la página de nuevo</li>" in html
    assert "<p>No perdimos nada.</p>" in html
    assert "data-fy-errors" in html


def test_error_summary_of_one_field():
    assert "Falta corregir 1 dato<" in summary(subject="x", form_key="k")


def test_error_summary_of_the_whole_form():
    html = summary(subject="x", impact="1", form_key="k", refuse="1")
    assert "Hay un problema" in html
    assert "<li>El correo o la contraseña &lt;no&gt; coinciden</li>" in html


def test_no_summary_without_errors():
    assert summary(subject="x", impact="1", form_key="k").strip() == ""
    assert render_to_string("partials/errors.html", {"form": Complaint()}).strip() == ""
