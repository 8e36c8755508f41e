"""A mail from nobody is a robot's, however the mail server writes the empty return path (M13)."""

import pytest

from factureya.core import mail_in
from factureya.core.tests.mails import mail

pytestmark = pytest.mark.clause("M13")


@pytest.mark.parametrize("path", ["<>", "<MAILER-DAEMON>", "MAILER-DAEMON", "<mailer-daemon>"])
def test_servers_h2_the_null_sender_of_any_mail_server(path):
    assert mail_in.parse(mail(Return_Path=path)).robot == "return-path"
    bounced = mail_in.parse(mail(Return_Path=path, Subject="Undeliverable: hola"))
    assert bounced.bounce is not None


@pytest.mark.parametrize("path", ["<ana@ejemplo.mx>", "<mailer-daemon@ejemplo.mx>", ""])
def test_servers_h2_anybody_else_is_a_person(path):
    assert mail_in.parse(mail(Return_Path=path)).robot == ""
