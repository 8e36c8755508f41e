"""The head of a company's mails: its image inside the mail, its text unchanged, nothing loaded from outside (M33)."""

import re
from email.message import EmailMessage as ParsedMail
from io import BytesIO
from typing import Any

import pytest
from django.core import mail
from PIL import Image, ImageDraw

from accounts.branding import operations
from factureya.core.mail import outbox
from factureya.testing.people import Neighbours, make_agent, make_neighbours
from factureya.testing.tickets import make_ticket
from tickets import operations as ticket_operations

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M33")]


@pytest.fixture
def cast() -> Neighbours:
    return make_neighbours()


def give_image(cast: Neighbours, *, logo: bool = True, colour: str = "#c47a12") -> None:
    """Give Ana's company an image of its own."""
    out = BytesIO()
    picture = Image.new("RGBA", (800, 400), (0, 0, 0, 0))
    ImageDraw.Draw(picture).ellipse((100, 100, 700, 300), fill=colour)
    picture.save(out, "PNG")
    logo_id = operations.keep_logo(out.getvalue(), "logo.png", actor=cast.ana).pk if logo else None
    operations.change_branding(main="#1f5f8b", accent="#f2a33a", logo_id=logo_id, actor=cast.ana)


def send_answer(requester: Any, body: str = "Pruebe <b>otra vez</b>.") -> tuple[Any, ParsedMail]:
    """Answer a ticket of this person, send what is due, and return the person's mail and its parts."""
    ticket = make_ticket(requester=requester)
    outbox.send_due()
    mail.outbox.clear()
    ticket_operations.answer(ticket.pk, agent=make_agent(), body=body, wait_reason="detail")
    outbox.send_due()
    [message] = [each for each in mail.outbox if each.to == [requester.email]]
    return message, message.message()


def parts_of(parsed: ParsedMail) -> list[str]:
    return [part.get_content_type() for part in parsed.walk()]


def test_a_mail_of_a_company_with_an_image_carries_it(cast: Neighbours):
    give_image(cast)
    message, parsed = send_answer(cast.ana)
    assert parts_of(parsed) == ["multipart/related", "multipart/alternative", "text/plain", "text/html", "image/png"]
    html = str(message.alternatives[0][0])
    assert cast.ana.contact.customer.legal_name in html
    assert "#1f5f8b" in html
    assert "cid:logo" in html
    assert "Pruebe &lt;b&gt;otra vez&lt;/b&gt;." in html
    assert set(re.findall(r'(?:src|background)="([^"]*)"', html)) == {"cid:logo"}
    [link] = re.findall(r'href="([^"]*)"', html)
    assert link in message.body
    assert "/enlace/" in link
    [picture] = [part for part in parsed.walk() if part.get_content_type() == "image/png"]
    assert picture["Content-ID"] == "<logo>"
    assert "inline" in picture["Content-Disposition"]
    assert len(html.encode()) < 25 * 1024


def test_the_text_of_the_mail_is_the_same_with_and_without_an_image(cast: Neighbours):
    before, _ = send_answer(cast.ana)
    give_image(cast)
    after, _ = send_answer(cast.ana)

    def shape(text: str) -> str:
        return re.sub(r"FY-\S+|/enlace/\S+|Persona\d+", "X", text)

    assert shape(before.body) == shape(after.body)
    assert not before.alternatives


def test_a_light_logo_stands_on_the_colour(cast: Neighbours):
    give_image(cast, colour="#ffffff")
    html = str(send_answer(cast.ana)[0].alternatives[0][0])
    assert 'bgcolor="#ffffff"\n' not in html.partition("cid:logo")[0].rpartition("<td")[2]


def test_without_a_logo_the_head_has_colour_and_name_alone(cast: Neighbours):
    give_image(cast, logo=False)
    message, parsed = send_answer(cast.ana)
    assert "image/png" not in parts_of(parsed)
    assert "#1f5f8b" in str(message.alternatives[0][0])


def test_other_people_and_after_a_reset_get_text_alone(cast: Neighbours):
    give_image(cast)
    assert parts_of(send_answer(cast.carla)[1]) == ["text/plain"]
    operations.reset_branding(actor=cast.ana)
    assert parts_of(send_answer(cast.ana)[1]) == ["text/plain"]


def test_mails_about_accounts_and_formal_requests_have_our_head(cast: Neighbours):
    give_image(cast)
    for kind in ("accounts/company_verified", "change_requests/approved"):
        row = outbox.OutboxMessage(kind=kind, to=cast.ana.email)
        assert outbox.heads.find_head(row) is None
    assert outbox.heads.find_head(outbox.OutboxMessage(kind="tickets/answered", to=cast.ana.email.upper())) is not None


def test_a_head_that_fails_does_not_stop_the_mail(cast: Neighbours, monkeypatch):
    def fail(_message: Any) -> None:
        raise ValueError("no head")

    give_image(cast)
    monkeypatch.setattr("accounts.branding.mail_heads.find_head", fail)
    assert parts_of(send_answer(cast.ana)[1]) == ["text/plain"]
