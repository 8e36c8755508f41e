"""The two forms of the manual as files (M7, M20)."""

from io import BytesIO

import pytest
from pypdf import PdfReader

from change_requests.documents import form_draw, form_fields
from change_requests.documents.form_draw import FormData
from factureya.testing import pdfs

FORMS = (form_fields.ACCESS, form_fields.CHANGE)
DRAFT = FormData(
    folio="SC-5R8T-2NW2",
    customer=7,
    values={"kind": "change", "new_fiscal_address": pdfs.ADDRESS, "rfc": "EKU9003173C9"},
    today={"fiscal_address": "Av. Juárez 1420, Puebla", "phone": "222 555 0134"},
)
pytestmark = pytest.mark.once


@pytest.mark.clause("M7", "M20")
@pytest.mark.parametrize("form", FORMS)
def test_the_blank_form_has_every_field_named_in_spanish_for_screen_readers(form):
    reader = PdfReader(BytesIO(form_draw.render_form(form)))
    found = reader.get_fields()

    assert set(found) == set(form_fields.map_fields(form))
    assert all(one.get("/TU") for one in found.values())
    assert found["version"]["/V"] == form_fields.VERSION
    assert found["folio"]["/V"] == found["seal"]["/V"] == ""
    assert reader.metadata.title == form_fields.TITLES[form]
    assert reader.root_object["/Lang"] == "es-MX"
    assert reader.root_object["/ViewerPreferences"]["/DisplayDocTitle"]


@pytest.mark.clause("M20")
@pytest.mark.parametrize("form", FORMS)
def test_the_form_says_how_it_is_sent_and_is_short(form):
    content = form_draw.render_form(form)

    assert "mesadecontrol@factureya.com" in pdfs.texts(content)
    assert len(PdfReader(BytesIO(content)).pages) == {form_fields.ACCESS: 1, form_fields.CHANGE: 2}[form]
    assert len(content) < 100_000


@pytest.mark.clause("M20")
def test_a_drafts_form_carries_folio_seal_data_and_what_is_on_file():
    content = form_draw.render_form(form_fields.CHANGE, DRAFT)
    found = {name: one.get("/V") for name, one in PdfReader(BytesIO(content)).get_fields().items()}

    assert found["folio"] == DRAFT.folio
    assert form_fields.is_sealed(form_fields.CHANGE, DRAFT.folio, 7, found["seal"])
    assert found["new_fiscal_address"] == pdfs.ADDRESS
    assert found["kind"] == "/Cambio"
    assert "Av. Juárez 1420, Puebla" in pdfs.texts(content)


@pytest.mark.clause("M7", "M20")
def test_what_is_ours_cannot_be_typed_over_in_a_reader():
    found = PdfReader(BytesIO(form_draw.render_form(form_fields.ACCESS, DRAFT))).get_fields()

    is_read_only = {name for name, one in found.items() if one.get("/Ff", 0) & 1}
    assert is_read_only == {"folio", "seal", "version", "form"}


@pytest.mark.clause("M20")
def test_the_seal_binds_form_folio_and_company(settings):
    sealed = form_fields.make_seal(form_fields.CHANGE, DRAFT.folio, 7)

    assert form_fields.is_sealed(form_fields.CHANGE, DRAFT.folio, 7, sealed)
    assert not form_fields.is_sealed(form_fields.ACCESS, DRAFT.folio, 7, sealed)
    assert not form_fields.is_sealed(form_fields.CHANGE, "SC-0000-0000", 7, sealed)
    assert not form_fields.is_sealed(form_fields.CHANGE, DRAFT.folio, 8, sealed)
    assert not form_fields.is_sealed(form_fields.CHANGE, DRAFT.folio, 7, "")
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "otra-llave" * 6
    assert form_fields.is_sealed(form_fields.CHANGE, DRAFT.folio, 7, sealed)


def test_the_same_data_gives_the_same_bytes():
    assert form_draw.render_form(form_fields.CHANGE, DRAFT) == form_draw.render_form(form_fields.CHANGE, DRAFT)
