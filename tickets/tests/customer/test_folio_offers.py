"""The form of a new ticket offers the folio that a file of it says, once the file was read (M17)."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import User
from factureya.core import tasks
from factureya.core.models import Attachment
from factureya.testing.invoices import UUID, make_invoice, make_stamp
from factureya.testing.pages import ANSWERS, key_in, log_in, statements, text_of
from factureya.testing.people import make_contact
from tickets.models import Ticket

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M17")]
URL = "/tickets/nuevo/"
OFFER = f"B0411.xml trae el folio fiscal {UUID}. Usar este folio"
OTHER_UUID = "00000000-0000-4000-8000-00000000000A"


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"


class Form:
    """Ana's form of a new ticket, with one key."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.key = key_in(client.get(URL))

    def post(self, *files: Any, **changes: str) -> Any:
        """Send the form without its steps, unless the test says so: it comes back with what was stored."""
        return self.client.post(URL, {**ANSWERS, "steps": "", "key": self.key, "files": list(files), **changes})

    def ask(self, key: str | None = None) -> Any:
        """Ask as the script does."""
        return self.client.get(
            reverse("tickets:folio_offers"), headers={"X-Form-Key": self.key if key is None else key}
        )


@pytest.fixture
def form(client: Client, ana: User) -> Form:
    log_in(client, ana)
    return Form(client)


def make_xml(uuid: str = UUID, name: str = "B0411.xml") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, make_invoice(stamp=make_stamp(uuid) if uuid else "").encode())


def folio_in(page: Any) -> str:
    """The value of the field of the folio."""
    tag = re.search(r'<input[^>]*name="cfdi_uuid"[^>]*>', page.content.decode())
    assert tag
    value = re.search(r'value="([^"]*)"', tag.group())
    return value.group(1) if value else ""


def test_a_folio_is_offered_when_it_is_at_hand_and_only_then(form: Form):
    page = form.post(make_xml())
    assert "trae el folio fiscal" not in text_of(page)  # the page does not wait for the reading
    assert f'data-fy-folios="{reverse("tickets:folio_offers")}"' in page.content.decode()
    tasks.read_invoices()
    page = form.post()
    assert OFFER in text_of(page)
    assert "data-fy-folios" not in page.content.decode()


def test_the_offer_is_taken_with_a_button_and_nothing_is_lost(form: Form):
    form.post(make_xml())
    tasks.read_invoices()
    page = form.post(usar_folio=UUID, subject="Falla", steps="Entré")
    assert folio_in(page) == UUID
    assert OFFER not in text_of(page)
    assert 'value="Falla"' in page.content.decode()
    assert "B0411.xml" in text_of(page)
    assert not Ticket.objects.exists()
    answer = form.post(steps="Entré", cfdi_uuid=UUID)
    assert answer.status_code == 302
    assert Ticket.objects.get().cfdi_uuid == UUID


def test_another_folio_than_the_files_is_not_put_in_by_the_button(form: Form):
    form.post(make_xml())
    tasks.read_invoices()
    assert folio_in(form.post(usar_folio=OTHER_UUID)) == ""


@pytest.mark.parametrize("typed", [UUID, UUID.lower(), UUID.replace("-", "")])
def test_a_folio_that_was_typed_is_not_offered(form: Form, typed: str):
    form.post(make_xml())
    tasks.read_invoices()
    assert "trae el folio fiscal" not in text_of(form.post(cfdi_uuid=typed))
    assert OFFER in text_of(form.post(cfdi_uuid=OTHER_UUID))


def test_two_files_are_two_offers_and_an_unstamped_one_is_none(form: Form):
    form.post(make_xml(), make_xml(OTHER_UUID, "otra.xml"), make_xml("", "sin-timbrar.xml"))
    tasks.read_invoices()
    text = text_of(form.post())
    assert OFFER in text
    assert f"otra.xml trae el folio fiscal {OTHER_UUID}." in text
    assert "sin-timbrar.xml trae" not in text


def test_the_script_asks_for_the_offers(form: Form):
    form.post(make_xml())
    assert form.ask().content.decode().strip() == ""
    tasks.read_invoices()
    answer = form.ask()
    assert UUID in answer.content.decode()
    assert answer["Cache-Control"] == "private, no-store"


@pytest.mark.clause("M16", "M17")
def test_the_key_of_another_persons_form_shows_nothing(form: Form):
    form.post(make_xml())
    tasks.read_invoices()
    log_in(form.client, make_contact(full_name="Carla Ortiz"))
    assert form.ask().content.decode().strip() == ""
    assert form.ask("falsa").content.decode().strip() == ""
    assert form.ask("").content.decode().strip() == ""
    assert UUID not in text_of(form.post())  # and the form takes another key


def test_a_file_that_is_removed_offers_nothing(form: Form):
    form.post(make_xml())
    tasks.read_invoices()
    page = form.post(quitar=Attachment.objects.get().token)
    assert "trae el folio fiscal" not in text_of(page)


def test_a_form_without_an_xml_asks_nothing_more(form: Form):
    with statements() as without:
        form.post()
    assert not [sent for sent in without if "core_invoicereading" in sent]
