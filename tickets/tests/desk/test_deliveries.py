"""What became of each mail, on the agent's page; the headers of what leaves; the line about mail (M5, M6, M16)."""

import re
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from django.core import mail as django_mail
from django.urls import reverse
from django.utils import timezone

from factureya.core import clock
from factureya.core.mail import health, outbox
from factureya.core.models import MailFolder, OutboxMessage
from factureya.testing.desk import QUEUE, agent_in, page_of, third_party_in
from factureya.testing.inbound_mails import ANA, became, deliver, proven
from factureya.testing.pages import statements, text_of
from factureya.testing.people import make_agent
from factureya.testing.tickets import mails_about, make_inbound, make_ticket
from tickets import operations, threads
from tickets.models import Ticket

pytestmark = [pytest.mark.usefixtures("our_server"), pytest.mark.django_db]


def answered(ana, **fields) -> tuple[Ticket, OutboxMessage]:
    """A ticket of Ana's that we answered, and the mail of the answer."""
    ticket = make_ticket("waiting", requester=ana, **fields)
    return ticket, OutboxMessage.objects.get(kind="tickets/answered", about=ticket.chain)


def retry(client, ticket, mail):
    address = reverse("admin:tickets_ticket_retry_mail", args=[ticket.pk, mail.pk])
    return client.post(address)


def as_sent(row: OutboxMessage) -> EmailMessage:
    """The mail as its reader's program has it: sent, written to bytes, and parsed again."""
    django_mail.outbox.clear()
    assert outbox.deliver(row.pk)
    raw = django_mail.outbox[-1].message().as_bytes()
    return message_from_bytes(raw, policy=policy.default)


@pytest.mark.clause("M6", "M16")
def test_each_state_is_said_at_the_message_it_is_of(client, ana):
    agent_in(client)
    ticket, mail = answered(ana)
    assert "En cola" in text_of(client.get(page_of(ticket)))
    assert outbox.deliver(mail.pk)
    sent_at = timezone.localtime(OutboxMessage.objects.get(pk=mail.pk).sent_at)
    html = client.get(page_of(ticket)).content.decode()
    item = re.search(r'<li id="mensaje-2".*?</li>', html, re.DOTALL).group()
    assert re.search(rf"Enviado [^<]*{sent_at:%H:%M}", item) or f"{sent_at:%-H:%M}" in item
    OutboxMessage.objects.filter(pk=mail.pk).update(bounced_at=clock.now())
    text = text_of(client.get(page_of(ticket)))
    assert "No entregado: el otro servidor lo devolvió" in text
    assert "Reintentar" not in text


@pytest.mark.clause("M6")
def test_a_refused_mail_is_said_and_tried_again_once(client, ana):
    agent = agent_in(client)
    ticket, mail = answered(ana)
    OutboxMessage.objects.filter(pk=mail.pk).update(last_error="451 Intente después", attempts=1)
    assert "En cola: no salió (451 Intente después)" in text_of(client.get(page_of(ticket)))
    failure = "SMTPRecipientsRefused: 550 5.1.1 <b>No existe</b>"
    OutboxMessage.objects.filter(pk=mail.pk).update(status="failed", last_error=failure)
    html = client.get(page_of(ticket)).content.decode()
    assert "No entregado: SMTPRecipientsRefused: 550 5.1.1 &lt;b&gt;No existe" in html
    form = re.search(rf'action="([^"]*/correo/{mail.pk}/)".*?</form>', html, re.DOTALL)
    assert "csrfmiddlewaretoken" in form.group()
    assert client.get(form.group(1)).status_code == 405
    again = client.post(form.group(1), follow=True)
    assert "El correo está en cola de nuevo" in text_of(again)
    mail.refresh_from_db()
    assert (mail.status, mail.attempts, mail.last_error) == ("queued", 0, "")
    event = ticket.events().last()
    assert (event.verb, event.actor, event.data["to"]) == ("ticket.mail_retried", agent, ANA)
    assert f"puso otra vez en cola el correo a {ANA}" in text_of(client.get(page_of(ticket)))
    twice = retry(client, ticket, mail)
    assert "ya no espera un reintento" in text_of(client.get(twice.url))
    assert ticket.events().last() == event
    assert outbox.deliver(mail.pk)


@pytest.mark.clause("M3", "M16")
def test_only_a_mail_of_this_ticket_and_by_its_desk(client, ana):
    ticket, mail = answered(ana)
    other, theirs = answered(ana)
    OutboxMessage.objects.filter(pk__in=[mail.pk, theirs.pk]).update(status="failed")
    third_party_in(client)
    assert retry(client, ticket, mail).status_code == 404
    client.force_login(ana)
    assert retry(client, ticket, mail).status_code in {302, 403}
    agent_in(client)
    retry(client, ticket, theirs)
    assert set(OutboxMessage.objects.filter(status="failed")) == {mail, theirs}
    assert other.pk != ticket.pk


@pytest.mark.clause("M16")
def test_the_customer_sees_no_state_of_our_mails(client, ana):
    ticket, mail = answered(ana)
    OutboxMessage.objects.filter(pk=mail.pk).update(status="failed", last_error="550 secreto")
    client.force_login(ana)
    page = client.get(f"/tickets/{ticket.number}/").content.decode()
    assert "550 secreto" not in page
    assert "Reintentar" not in page


@pytest.mark.clause("M6")
def test_the_states_cost_one_query_however_many(client, ana):
    agent_in(client)
    ticket, _mail = answered(ana)
    with statements() as few:
        client.get(page_of(ticket))
    agent = make_agent()
    for _ in range(10):
        operations.answer(ticket.pk, agent=agent, body="¿Y ahora?", wait_reason="detail")
    with statements() as many:
        client.get(page_of(ticket))
    assert len(few) == len(many) <= 15
    assert sum('FROM "core_outboxmessage"' in text for text in many) == 1


@pytest.mark.clause("M6", "M17")
def test_the_full_original_is_one_click_away(client, ana):
    agent_in(client)
    ticket = became(deliver(proven("Mis palabras\n\nEl lunes escribió:\n> lo de antes")))
    html = client.get(page_of(ticket)).content.decode()
    link = re.search(r'href="([^"]*/bandeja/\d+/)">Ver el correo completo', html).group(1)
    assert "lo de antes" in text_of(client.get(link))


@pytest.mark.clause("M6")
def test_what_leaves_stays_in_the_customers_thread_and_comes_back(ana):
    ticket = became(deliver(proven("No timbra", **{"Message-ID": "<suyo-1@ejemplo.mx>"})))
    acknowledged = as_sent(mails_about(ticket)[0])
    assert acknowledged["Auto-Submitted"] == "auto-replied"
    assert acknowledged["In-Reply-To"] == "<suyo-1@ejemplo.mx>"
    deliver(proven("Otra vez", **{"Message-ID": "<suyo-2@ejemplo.mx>", "Subject": f"Re: {ticket.number}"}))
    operations.answer(ticket.pk, agent=make_agent(), body="¿Qué versión?", wait_reason="detail")
    sent = as_sent(OutboxMessage.objects.get(kind="tickets/answered"))
    assert sent["To"] == ANA
    assert sent["Auto-Submitted"] == "no"
    assert sent["X-Factureya-Loop"]
    assert sent["In-Reply-To"] == "<suyo-2@ejemplo.mx>"
    assert set(acknowledged["References"].split()) & set(sent["References"].split())
    assert re.fullmatch(r"(.* <)?soporte\+[0-9a-z]{8}\.[a-z2-7]{32}@factureya\.com>?", sent["Reply-To"])
    # Each of the three alone brings the answer back.
    for clue in (
        {"In-Reply-To": sent["Message-ID"]},
        {"References": sent["References"].split()[0]},
        {"To": sent["Reply-To"]},
    ):
        reply = deliver(proven(f"Por {next(iter(clue))}", **{"Subject": "Otra cosa"} | clue))
        assert became(reply) == ticket, clue
    forged = sent["Reply-To"].replace(".", ".a", 1)[: len(sent["Reply-To"])]
    assert not threads.find_numbers([], [forged])


@pytest.mark.clause("M6")
def test_no_words_of_the_sender_become_headers(ana):
    bad = "Asunto\r\n Bcc: victima@otro.example\x00\x1b"
    headers = {"Subject": bad, "Message-ID": "<a@b> <c\r\n\tX-Malo: 1@d>"}
    ticket = became(deliver(proven("Hola", **headers)))
    for row in mails_about(ticket):
        sent = as_sent(row)
        assert sent["Bcc"] is None
        assert sent["X-Malo"] is None
        assert [to.strip() for to in sent["To"].split(",")] == [ANA]


@pytest.mark.clause("M5", "M16")
def test_a_stranger_is_told_nothing_that_somebody_wrote(ana):
    words = "PALABRAS-DEL-EXTRAÑO"
    deliver(proven(words, From="extrano@otro.example", Subject=words))
    (row,) = OutboxMessage.objects.all()
    sent = as_sent(row)
    assert words not in sent.as_string()
    assert words not in sent.get_content()
    assert sent["Auto-Submitted"] == "auto-replied"
    assert sent["Reply-To"] is None


@pytest.mark.clause("M6")
def test_the_queue_says_how_mail_does(client, settings, ana):
    agent_in(client)
    assert "Bandeja de correo: 0 La salida va al día" in text_of(client.get(QUEUE))
    make_inbound(disposition="reject-unregistered")
    _ticket, mail = answered(ana)
    old = clock.now() - timedelta(minutes=11)
    OutboxMessage.objects.filter(pk=mail.pk).update(due_at=old)
    settings.MAIL_TRUSTED_AUTHSERV = ""
    text = text_of(client.get(QUEUE))
    for words in ("Bandeja de correo: 1", "Hay correos que no salen", "Falta configurar la comprobación de remitentes"):
        assert words in text
    third_party_in(client)
    assert "Bandeja de correo" not in text_of(client.get(QUEUE))


@pytest.mark.clause("M6")
def test_the_queue_says_when_the_mailbox_was_read(client, settings, ana):
    agent_in(client)
    settings.MAIL_IN_IMAP_URL = "imaps://soporte:clave@buzon.example/INBOX"
    page = client.get(QUEUE)
    assert "El buzón todavía no se lee" in text_of(page)
    assert "clave" not in page.content.decode()
    folder = MailFolder.objects.create(name="soporte@buzon.example/INBOX", uid_validity=1, read_until=clock.now())
    page = client.get(QUEUE)
    assert "Buzón leído" in text_of(page)
    assert not page.context["mail_state"].is_behind
    MailFolder.objects.filter(pk=folder.pk).update(read_until=clock.now() - health.FETCH_MAX_AGE - timedelta(seconds=1))
    with statements() as sent:
        assert client.get(QUEUE).context["mail_state"].is_behind
    assert len(sent) <= 8
