"""An invitation, or a code, whose mail came back opens nothing any more (security A2; M3, M7, M16)."""

import re
import smtplib
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import transaction
from django.test import Client
from django.urls import reverse

from accounts import operations
from accounts.models import Invitation, Office, User
from factureya.core.mail import backend, outbox
from factureya.core.models import Event, OutboxMessage
from factureya.testing.inbound_mails import bounce_of, deliver
from factureya.testing.pages import log_in, text_of
from factureya.testing.people import (
    PASSWORD,
    make_agent,
    make_contact,
    make_customer,
    make_representative,
    make_superuser,
    make_user,
    own_provider,
    represent,
)

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M3", "M6", "M7", "M16")]
NEW, OTHER = "nueva@ejemplo.mx", "otra@ejemplo.mx"


def invited(kind: str) -> tuple[User, OutboxMessage]:
    """Who invited, and the mail."""
    own_provider()
    if kind == "staff":
        inviter = make_superuser()
        operations.invite_staff(email=NEW, office=Office.SECURITY_OFFICER, actor=inviter)
    else:
        customer = make_customer(verified=False)
        represent(customer, make_contact(customer, representative=True, email=OTHER))
        inviter = make_representative(customer)
        with transaction.atomic():
            operations.invite_by_request(
                inviter.contact.customer, email=NEW, folio="SA-0000-0000", invited_by=inviter, actor=make_agent()
            )
    return inviter, OutboxMessage.objects.filter(to=NEW).latest("pk")


def link_in(mail: OutboxMessage) -> str:
    found = re.search(r"/cuenta/invitacion/\S+/", mail.body)
    assert found is not None
    return found.group()


def refused_for_good(monkeypatch: pytest.MonkeyPatch, mail: OutboxMessage) -> None:
    """Every try to send the mail is answered with 550."""

    def send(_self: Any, _messages: Any) -> int:
        raise smtplib.SMTPRecipientsRefused({mail.to: (550, b"5.1.1 User unknown")})

    monkeypatch.setattr(backend.EmlFileBackend, "send_messages", send)
    for _ in range(20):
        mail.refresh_from_db()
        if mail.status == OutboxMessage.Status.FAILED:
            return
        with time_machine.travel(mail.due_at + timedelta(seconds=1), tick=False):
            outbox.deliver(mail.pk)
    pytest.fail("never given up")


@pytest.mark.parametrize("how", ["bounce", "550"])
@pytest.mark.parametrize("kind", ["staff", "alta"])
def test_a2_an_invitation_whose_mail_came_back_is_void_and_who_invited_is_told(
    client: Client, monkeypatch: pytest.MonkeyPatch, settings: Any, kind: str, how: str
):
    settings.EMAIL_BACKEND = "factureya.core.mail.backend.EmlFileBackend"
    inviter, mail = invited(kind)
    link = link_in(mail)
    assert client.get(link).status_code == 200
    if how == "bounce":
        deliver(bounce_of(mail))
        deliver(bounce_of(mail, Subject="otra vez"))
    else:
        refused_for_good(monkeypatch, mail)
    page = client.get(link)
    assert page.status_code == 410
    assert "se devolvió y por seguridad su enlace ya no sirve" in text_of(page)
    with pytest.raises(operations.Refused, match="se devolvió"):
        operations.accept_invitation(link.split("/")[-2], full_name="Nadie", password=PASSWORD)
    assert not User.objects.filter(email=NEW).exists()
    told = OutboxMessage.objects.get(kind="accounts/invitation_undelivered")
    assert (told.to, NEW in told.body) == (inviter.email, True)
    assert Event.objects.filter(verb="invitation.undelivered", data__mail=mail.key).count() == 1
    log_in(client, inviter)
    people = reverse("accounts:people" if kind == "alta" else "admin:accounts_user_changelist")
    assert "correo se devolvió" in text_of(client.get(people))


@pytest.mark.parametrize("kind", ["staff", "alta"])
def test_a2_sent_again_it_works_and_a_late_bounce_of_the_first_mail_voids_nothing(client: Client, kind: str):
    inviter, first = invited(kind)
    deliver(bounce_of(first))
    operations.resend_invitation(Invitation.objects.get().pk, actor=inviter)
    second = OutboxMessage.objects.filter(to=NEW).latest("pk")
    first.bounced_at = None  # a report that comes after the second mail left
    first.save(update_fields=["bounced_at"])
    deliver(bounce_of(first, Subject="tarde"))
    assert client.get(link_in(second)).status_code == 200
    person = operations.accept_invitation(link_in(second).split("/")[-2], full_name="Nueva", password=PASSWORD)
    assert person.email == NEW


def test_a2_a_bounce_of_an_accepted_invitation_is_told_as_an_alarm():
    inviter, mail = invited("staff")
    operations.accept_invitation(link_in(mail).split("/")[-2], full_name="Nueva", password=PASSWORD)
    deliver(bounce_of(mail))
    told = OutboxMessage.objects.get(kind="accounts/invitation_undelivered")
    assert (told.to, "alguien aceptó la invitación" in told.body) == (inviter.email, True)


@pytest.mark.parametrize("kind", ["staff", "alta"])
def test_a2_when_who_invited_has_left_others_who_may_invite_are_told(kind: str):
    inviter, mail = invited(kind)
    other = make_user(is_staff=True, is_superuser=True).email if kind == "staff" else OTHER
    User.objects.filter(pk=inviter.pk).update(is_active=False)
    deliver(bounce_of(mail))
    told = OutboxMessage.objects.filter(kind="accounts/invitation_undelivered")
    assert [mail.to for mail in told] == [other]


def test_a2_a_reset_code_whose_mail_came_back_resets_nothing(client: Client):
    elsa = make_user("elsa@factureya.com")
    client.post(reverse("account_reset_password"), {"email": elsa.email})
    mail = OutboxMessage.objects.get(kind="account/password_reset_code")
    code = re.search(r"\b[A-Z]{4}-[A-Z]{4}\b", mail.body)
    assert code is not None
    deliver(bounce_of(mail))
    confirm = reverse("account_confirm_password_reset_code")
    page = client.post(confirm, {"code": code.group()})
    assert "El correo con el código se devolvió" in page.content.decode()
    OutboxMessage.objects.filter(pk=mail.pk).update(bounced_at=None)
    assert client.post(confirm, {"code": code.group()}).status_code == 302
