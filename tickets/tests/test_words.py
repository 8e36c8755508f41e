"""Texts: guided answers become one text and come back as blocks; similar subjects; form keys; the public verbs."""

import pytest

from accounts.web import form_memory
from factureya.core import calendar
from factureya.core.models import Event
from factureya.testing.calls import confirm_by_phone
from factureya.testing.people import make_agent, make_contact, make_customer
from factureya.testing.tickets import let_it_close, make_ticket
from tickets import message_text, operations, similar_tickets
from tickets.customer import timeline
from tickets.events import EVENTS, PUBLIC
from tickets.forms import join_answers
from tickets.models import Ticket


@pytest.mark.clause("M17")
def test_answers_become_one_text_and_come_back_in_parts():
    body = join_answers("Falló.\r\n\r\nDos veces.", "1. Entré\n\n 2) Timbré\n- salió el error", "Que timbrara")
    assert [(b.kind, b.text, b.items) for b in message_text.read_blocks(body)] == [
        ("paragraph", "Falló.", []),
        ("paragraph", "Dos veces.", []),
        ("heading", "Pasos que siguió", []),
        ("steps", "", ["Entré", "Timbré", "- salió el error"]),
        ("heading", "Qué esperaba que pasara", []),
        ("paragraph", "Que timbrara", []),
    ]


@pytest.mark.clause("M17")
@pytest.mark.parametrize(
    ("body", "kinds"),
    [
        ("", []),
        ("\n\n", []),
        ("Hola", ["paragraph"]),
        ("uno\ndos", ["paragraph"]),
        ("2. no empieza en uno", ["paragraph"]),
        ("1. a\n3. salta", ["steps", "paragraph"]),
        ("1. a\n2. b\nfin", ["steps", "paragraph"]),
        ("Pasos que siguió:", ["heading"]),
        ("Precio: 1. 50", ["paragraph"]),
    ],
)
def test_what_is_no_heading_and_no_list_is_a_paragraph(body, kinds):
    found = message_text.read_blocks(body)
    assert [block.kind for block in found] == kinds


@pytest.mark.clause("M11")
@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("No puedo timbrar: error CFDI40147", "Error CFDI40147 al timbrar", True),
        ("CFDI40147", "Sale el código cfdi40147 otra vez", True),
        ("No puedo timbrar con complemento de pago", "No puedo timbrar: complemento de pagos", True),
        ("Cancelación sigue en proceso", "La cancelacion está en proceso desde ayer", True),
        ("No puedo timbrar", "No puedo entrar al sistema", False),
        ("Quiero comprar más créditos", "No llega el correo al cliente", False),
        ("Factura", "Factura", True),
        ("Cancelaciones detenidas", "Cancelación detenida", True),
        ("", "Factura", False),
        ("de la que no", "de la que no", False),
    ],
)
def test_subjects_that_look_alike(one, other, alike):
    score = similar_tickets.measure_likeness(similar_tickets.read_words(one), similar_tickets.read_words(other))
    assert (score >= similar_tickets.MIN_LIKENESS) is alike


@pytest.mark.clause("M11")
@pytest.mark.django_db
def test_closed_tickets_are_not_offered_and_the_best_come_first():
    ana = make_contact(make_customer())
    make_ticket(Ticket.Status.CLOSED, requester=ana, subject="Error CFDI40147")
    code = make_ticket(requester=ana, subject="CFDI40147 en la factura")
    loose = make_ticket(requester=ana, subject="La factura del cliente nuevo")
    found = similar_tickets.find_similar(ana, "Factura del cliente nuevo con CFDI40147")
    assert [ticket.pk for ticket in found] == [loose.pk, code.pk] or [t.pk for t in found] == [code.pk, loose.pk]
    assert similar_tickets.find_similar(ana, "de la") == []


@pytest.mark.clause("M10")
@pytest.mark.django_db
def test_a_form_key_is_one_persons_and_one_forms():
    ana, beto = make_contact(), make_contact()
    key = form_memory.new_key(ana, "FY-1")
    assert form_memory.read_key(key.token, "FY-1", ana) == key
    assert form_memory.read_key(key.token, "FY-2", ana) is None
    assert form_memory.read_key(key.token, "FY-1", beto) is None
    assert form_memory.read_key(key.token, "FY-1", None) == key
    assert form_memory.read_key(key.token + "x", "FY-1", ana) is None
    assert len(key.key) >= 22


@pytest.mark.clause("M16")
def test_the_look_up_page_reads_the_same_verbs():
    assert set(PUBLIC) == {verb for verb, reading in EVENTS.items() if reading.lookup}


@pytest.mark.clause("M16")
@pytest.mark.django_db
def test_every_verb_of_a_tickets_life_is_public_or_meant_not_to_be():
    private = {
        "ticket.note_added",
        "ticket.classified",
        "ticket.handed_over",
        "ticket.reminder_queued",
        "ticket.moved_to_company",
    }
    ana, agent = make_contact(), make_agent()
    first = make_ticket(requester=ana)
    operations.take(first.pk, agent=agent)
    operations.assign(first.pk, agent=agent, assignee=None)
    operations.add_note(first.pk, agent=agent, body="x")
    operations.classify(first.pk, agent=agent, category="other", impact=1)
    operations.answer(first.pk, agent=agent, body="x", wait_reason="detail")
    operations.add_information(first.pk, author=ana, body="x")
    operations.confirm_resolved(first.pk, author=ana)
    second = operations.follow_up(first.pk, author=ana, body="x")
    confirm_by_phone(second, agent=agent, contact=ana)
    let_it_close(make_ticket(Ticket.Status.WAITING, requester=ana))
    verbs = set(Event.objects.filter(chain__startswith="ticket:").values_list("verb", flat=True))
    assert verbs - private <= set(PUBLIC)
    assert not private & set(PUBLIC)


@pytest.mark.clause("M3", "M16")
@pytest.mark.django_db
def test_a_phone_ticket_says_so_and_an_unassignment_says_nothing():
    ana, agent = make_contact(), make_agent()
    ticket = make_ticket(requester=ana, channel=Ticket.Channel.PHONE, agent=agent)
    operations.assign(ticket.pk, agent=agent, assignee=agent)
    operations.assign(ticket.pk, agent=agent, assignee=None)
    texts = [
        entry.text
        for entry in timeline.read_history(ticket, ana, timeline.read_events(ticket))
        if entry.message is None
    ]
    assert texts == [
        "Ticket <strong>Abierto</strong> por teléfono. Le enviamos el número de seguimiento",
        f"{agent.get_full_name()}, de Soporte, tomó su caso",
    ]


@pytest.mark.clause("M15")
def test_days_are_called_business_days_when_they_are(settings):
    assert calendar.describe_reply_time() == "3 días"
    settings.CUSTOMER_REPLY_CALENDAR = "business"
    assert calendar.describe_reply_time() == "3 días hábiles"
    settings.CUSTOMER_REPLY_DAYS = 1
    assert calendar.describe_reply_time() == "1 día hábil"
    settings.CUSTOMER_REPLY_CALENDAR = "natural"
    assert calendar.describe_reply_time() == "1 día"
