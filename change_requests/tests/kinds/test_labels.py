"""Which kinds there are, and what a request is called (M7, M19)."""

import importlib
import pkgutil

import pytest

from accounts.models.representatives import compose_line
from change_requests import kinds
from change_requests.kinds.base import RequestKind
from change_requests.kinds.fields import find_row
from change_requests.kinds.registry import KINDS, find_title
from change_requests.kinds.values import show_day


def item(field: str, old: str = "", new: str = "", asset: str = "location") -> dict[str, str]:
    return {"asset": asset, "field": field, "old": old, "new": new}


TITLES = [
    ("change", "change", [item("rfc")], "Cambio de RFC"),
    (
        "change",
        "change",
        [item("fiscal_address"), item("phone"), item("registered_email")],
        "Cambio de domicilio fiscal, teléfono y correo registrado",
    ),
    ("change", "change", [item("phone"), item("representative")], "Cambio de teléfono y representante legal"),
    ("change", "change", [], "Cambio de información"),
    ("change", "baja", [item("status")], "Baja del servicio"),
    ("access", "alta", [item("full_name", new="Rosa Paredes")], "Alta de Rosa Paredes"),
    ("access", "alta", [], "Alta"),
    ("access", "baja", [item("contact", "beto@x.mx")], "Baja de acceso de beto@x.mx"),
    ("access", "clave", [item("password", "beto@x.mx")], "Cambio de clave de beto@x.mx"),
    ("access", "clave", [], "Cambio de clave"),
]


@pytest.mark.clause("M7", "M19")
@pytest.mark.parametrize(("form", "kind", "items", "expected"), TITLES)
def test_title(form, kind, items, expected):
    assert find_title(form, kind, items) == expected


def test_every_kind_stands_in_the_list_and_has_its_title_above():
    for module in pkgutil.iter_modules(kinds.__path__, f"{kinds.__name__}."):
        importlib.import_module(module.name)
    written, waiting = set(), [RequestKind]
    while waiting:
        waiting += (children := waiting.pop().__subclasses__())
        written |= {child for child in children if "code" in vars(child)}
    assert {type(kind) for kind in KINDS} == written
    assert {(form, kind) for form, kind, _, _ in TITLES} == {(kind.form, kind.code) for kind in KINDS}


def test_values_are_said_in_words():
    assert find_row("status").show("suspended") == "Suspendido"
    assert find_row("phone").show("222 555 0134") == "222 555 0134"
    assert find_row("representative").show("") == ""
    assert find_row("fiscal_address").label == "Domicilio fiscal"
    assert find_row("nuevo").label == "nuevo"
    assert show_day("") == ""


@pytest.mark.clause("M8")
@pytest.mark.parametrize("until", ["", "2030-01-31"])
def test_a_representative_is_said_line_by_line(until):
    line = compose_line(
        name="Ana Rivas",
        rfc="RIMA800101AB1",
        email="ana@ocaso.mx",
        power_kind="attorney",
        instrument="Escritura 1,204",
        valid_from="2026-12-01",
        valid_until=until,
    )
    end = " hasta el 31 de enero de 2030" if until else ", sin término"
    assert find_row("representative").show(line).split("\n") == [
        "Ana Rivas",
        "RFC RIMA800101AB1 · ana@ocaso.mx",
        "Apoderado",
        "Escritura 1,204",
        f"Vigente desde el 1 de diciembre de 2026{end}",
    ]
