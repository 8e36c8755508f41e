"""A mail from nobody is a robot's, however the mail server writes the empty return path (M13)."""

import pytest

from factureya.core.mail import parse
from factureya.testing.mails import mail

pytestmark = pytest.mark.clause("M13")


@pytest.mark.parametrize("path", ["<>", "<MAILER-DAEMON>", "MAILER-DAEMON", "<mailer-daemon>"])
def test_servers_h2_the_null_sender_of_any_mail_server(path):
    assert parse.parse(mail(Return_Path=path)).robot == "return-path"
    bounced = parse.parse(mail(Return_Path=path, Subject="Undeliverable: hola"))
    assert bounced.bounce is not None


@pytest.mark.parametrize("path", ["<ana@ejemplo.mx>", "<mailer-daemon@ejemplo.mx>", ""])
def test_servers_h2_anybody_else_is_a_person(path):
    assert parse.parse(mail(Return_Path=path)).robot == ""
