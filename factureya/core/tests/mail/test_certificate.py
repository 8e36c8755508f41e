"""The mail server proves its name before it hears a password (finding A7, servers H5; M5, M6)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from factureya.core import tasks
from factureya.core.mail import health, imap
from factureya.core.models import InboundMessage
from factureya.testing.certificates import Authority
from factureya.testing.imap_server import Mailbox, Server
from factureya.testing.mails import mail

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M5", "M6")]
WAYS = pytest.mark.parametrize("is_starttls", [False, True], ids=["imaps", "imap+tls"])


@pytest.fixture
def authority(tmp_path: Any) -> Authority:
    return Authority(tmp_path)


@contextmanager
def serving(settings: Any, tls: Any, is_starttls: bool) -> Iterator[Mailbox]:
    """A mailbox with one mail, behind TLS."""
    box = Mailbox()
    box.add(mail("uno"))
    server = Server(box, tls, is_starttls=is_starttls)
    settings.MAIL_IN_IMAP_URL = server.url
    yield box
    server.shutdown()
    server.server_close()


def is_asked_for_a_password(box: Mailbox) -> bool:
    return any("LOGIN" in command or "AUTHENTICATE" in command for command in box.asked)


@WAYS
@pytest.mark.parametrize("fault", ["unknown authority", "wrong name", "expired"])
def test_a7_no_password_is_sent_to_who_does_not_prove_the_name(
    settings, monkeypatch, caplog, tmp_path, authority, is_starttls, fault
):
    """The certificate of another name, of a past time, or by an authority nobody trusts."""
    if fault != "unknown authority":
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    name = "wrong.host.example" if fault == "wrong name" else "127.0.0.1"
    certificate = authority.server(name, days=-1 if fault == "expired" else 2)
    with serving(settings, certificate.context(), is_starttls) as box:
        assert tasks.fetch_mail() == 0
        assert not is_asked_for_a_password(box)
        with pytest.raises(imap.BadCertificate):
            imap.fetch()
    assert "BadCertificate: 127.0.0.1: " in caplog.text
    assert "the password was not sent" in caplog.text
    assert not InboundMessage.objects.exists()
    assert health.check_fetch()["mail_certificate"].ok is False


@WAYS
def test_a7_a_certificate_of_a_trusted_authority_is_believed(settings, monkeypatch, authority, is_starttls):
    tls = authority.server("127.0.0.1").context()
    with serving(settings, tls, is_starttls) as box:
        assert tasks.fetch_mail() == 0
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        assert tasks.fetch_mail() == 1
        assert is_asked_for_a_password(box)
    assert InboundMessage.objects.count() == 1
    assert "mail_certificate" not in health.check_fetch()


def test_a7_readyz_tells_of_the_certificate(client, settings, authority):
    with serving(settings, authority.server("127.0.0.1").context(), False):
        tasks.fetch_mail()
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["mail_certificate"]["ok"] is False
    settings.MAIL_IN_IMAP_URL = ""
    assert "mail_certificate" not in client.get("/readyz").json()["checks"]


def test_a7_a_server_without_starttls_hears_no_password(settings):
    with serving(settings, None, False) as box:
        settings.MAIL_IN_IMAP_URL = settings.MAIL_IN_IMAP_URL.replace("imap:", "imap+tls:")
        assert tasks.fetch_mail() == 0
        assert not is_asked_for_a_password(box)
