"""Files that came by mail, when our own store is full or cannot be written: the mail waits, and loses nothing (M17)."""

from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.files.storage import default_storage
from django.db import connection

from factureya.core.clock import now
from factureya.core.mail import intake, smtp
from factureya.core.models import Attachment, InboundMessage
from factureya.testing.mails import multipart
from factureya.testing.people import make_contact, own_provider
from tickets.models import Ticket

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M17")]
TEXT = "Content-Type: text/plain; charset=utf-8\n\nVea el archivo\n"
FILE = 'Content-Type: text/plain; name="a.txt"\nContent-Disposition: attachment; filename="a.txt"\n\nhola\n'
BAD = 'Content-Type: application/x-msdownload; name="a.exe"\n\nx\n'


@pytest.fixture(autouse=True)
def _ana(settings: Any, tmp_path: Path) -> None:
    settings.MAIL_IN_REQUIRE_VERDICT = False
    settings.MEDIA_ROOT = tmp_path / "media"
    own_provider()
    make_contact(email="ana@ejemplo.mx")


@pytest.fixture(params=["not a folder", "full"])
def broken(request: Any, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A store that takes no file; call it to mend it."""
    if request.param == "full":

        def fill(*_args: Any, **_given: Any) -> str:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(default_storage, "save", fill)
        return monkeypatch.undo
    good = settings.MEDIA_ROOT
    (tmp_path / "file").write_text("")
    settings.MEDIA_ROOT = tmp_path / "file" / "media"
    return lambda: setattr(settings, "MEDIA_ROOT", good)


def test_servers_h9_the_mail_waits_until_its_files_can_be_stored(broken):
    """However long it takes: its failed attempts are not counted, for the fault is ours."""
    start = now()
    with time_machine.travel(start, tick=False) as clock:
        with pytest.raises(intake.Postponed):
            intake.receive(multipart(TEXT, FILE, BAD), source="pipe")
        for _ in range(5):
            clock.shift(60)
            assert intake.sweep() == 0
        assert not Ticket.objects.exists()
        broken()
        clock.shift(60)
        assert intake.sweep() == 1
    assert InboundMessage.objects.get().disposition == "accept-new"
    assert [file.name for file in Attachment.objects.all()] == ["a.txt"]
    body = Ticket.objects.get().messages.get().body
    assert "a.exe" in body
    assert "problema nuestro" not in body


def test_servers_h9_the_listener_has_kept_it(broken, monkeypatch):
    monkeypatch.setattr(connection, "close", lambda: None)  # it is in the test's own transaction
    assert smtp.take_mail(multipart(TEXT, FILE), []) == smtp.KEPT
    assert InboundMessage.objects.get().disposition == ""
