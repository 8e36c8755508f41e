"""«No fui yo»: who is asked, before and after the execution, what it does, and who looks at it (M8, M21)."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.core import signing
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from time_machine import travel

from accounts.models import Office
from change_requests import links, operations
from change_requests.models import FormalRequest
from change_requests.tests.control.test_control_pages import act, browser, look
from factureya.core import clock
from factureya.core.files import store
from factureya.core.models import OutboxMessage
from factureya.testing.pages import text_of
from factureya.testing.people import Neighbours, make_staff, make_superuser
from factureya.testing.request_histories import REASON, code_in_mail, confirm, link_in_mail, make, seen

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M8", "M21")]
Status = FormalRequest.Status
SUNDAY = datetime(2026, 12, 6, 16, tzinfo=UTC)
OLD, NEW = "contacto@ocaso.mx", "nuevo@ocaso.mx"
FOUND = "Llamé a la empresa: no la pidió; se revierte."


@pytest.fixture(autouse=True)
def _no_freeze(settings):
    settings.SENSITIVE_FREEZE_HOURS = 0


def taken_over(cast: Neighbours) -> FormalRequest:
    """The registered mail was changed, to its end."""
    formal = confirm(cast, make(cast, "submitted", items={"registered_email": NEW}))
    operations.confirm_new_email(formal.pk, code=code_in_mail(NEW))
    operations.verify(formal.pk, actor=cast.laura)
    return carried_out(cast, formal)


def carried_out(cast: Neighbours, formal: FormalRequest) -> FormalRequest:
    for decider in (cast.fabian, cast.elsa) if formal.form == "change" else (cast.elsa,):
        operations.approve(formal.pk, actor=decider, reason="Las razones bastan.", seen_hash=seen(formal))
    operations.designate(formal.pk, actor=cast.elsa, implementer=cast.gina)
    operations.execute(formal.pk, actor=cast.gina)
    return fresh(formal)


def fresh(formal: FormalRequest) -> FormalRequest:
    return FormalRequest.objects.get(pk=formal.pk)


def told(formal: FormalRequest, *verbs: str) -> dict[str, list[str]]:
    """The mails about the request by verb, with every address they went to."""
    found: dict[str, list[str]] = {verb: [] for verb in verbs}
    for mail in OutboxMessage.objects.filter(about=formal.chain).order_by("pk"):
        found.setdefault(mail.kind.partition("/")[2], []).append(mail.to)
    return {verb: sorted(found[verb]) for verb in verbs}


def last_mail(to: str, verb: str) -> OutboxMessage:
    return OutboxMessage.objects.filter(to=to, kind=f"change_requests/{verb}").latest("pk")


def objections(formal: FormalRequest) -> list[tuple[str, str]]:
    said = formal.events().filter(verb="request.disowned").order_by("seq")
    return [(event.data["mailbox"], event.data["role"]) for event in said]


# -- H1: after the execution -------------------------------------------------------------------------


@pytest.mark.parametrize("closed", [False, True])
def test_h1_not_me_after_the_execution_reports_it_to_everybody_who_must_act(cast, client, closed):
    second = make_staff(Office.SECURITY_OFFICER)
    with travel(SUNDAY, tick=False):
        formal = taken_over(cast)
        if closed:
            operations.close(formal.pk, actor=cast.laura)
        link = link_in_mail(OLD, "no-fui-yo")
        page = text_of(client.get(link))
        assert "Avisar que no fuimos nosotros" in page
        assert "mar 8 dic a las 9:00" in page, page  # by when: a business day from Monday morning
        for _ in range(2):
            assert client.post(link).url == link
        page = text_of(client.get(link))
    assert "Recibimos su aviso" in page or "Recibimos el aviso" in page
    assert objections(formal) == [(OLD, "old_mail")]
    expected = sorted(p.email for p in (cast.elsa, second, cast.laura, make_superuser()))
    assert told(formal, "disowned", "alarm_received") == {"disowned": expected, "alarm_received": [OLD]}
    assert "a más tardar el" in last_mail(cast.elsa.email, "disowned").body
    assert "a más tardar el" in last_mail(OLD, "alarm_received").body
    assert fresh(formal).alarmed_at is not None


def test_h1_it_is_red_until_an_officer_marks_it_as_seen_with_a_reason(cast, client):
    formal = taken_over(cast)
    client.post(link_in_mail(OLD, "no-fui-yo"))
    for person in (cast.elsa, cast.laura):
        inbox = text_of(browser(person).get("/control/"))
        assert formal.folio in inbox
        assert "«No fui yo» después de aplicarse" in inbox
        page = text_of(look(person, formal))
        assert f"{OLD} (correo registrado anterior)" in page
    assert act(cast.laura, formal, "alarm", reason=FOUND).status_code == 403
    assert act(cast.elsa, formal, "alarm", reason="Ya.").status_code == 200  # too short
    assert fresh(formal).alarmed_at is not None
    assert act(cast.elsa, formal, "alarm", reason=FOUND).status_code == 302
    assert fresh(formal).alarmed_at is None
    assert formal.events().filter(verb="request.alarm_seen", actor=cast.elsa).count() == 1
    assert told(formal, "alarm_seen") == {"alarm_seen": [OLD]}
    assert "«No fui yo» después" not in text_of(look(cast.elsa, formal))
    client.post(link_in_mail(OLD, "no-fui-yo"))  # it can be said again
    assert fresh(formal).alarmed_at is not None


def test_h1_mesa_de_control_reverts_it_from_there(cast, client):
    formal = taken_over(cast)
    client.post(link_in_mail(OLD, "no-fui-yo"))
    page = look(cast.laura, formal).content.decode()
    assert f'class="fy-btn fy-btn--bad fy-btn--mwide" href="/control/{formal.folio}/revertir/"' in page
    assert f"/control/{formal.folio}/revertir/" not in look(cast.elsa, formal).content.decode()
    form = browser(cast.laura).get(f"/control/{formal.folio}/revertir/").content.decode()
    assert "avisó «no fui yo»" in form
    reason = "La empresa avisó «no fui yo» de un cambio que ya se había aplicado."
    assert act(cast.laura, formal, "revert", reason=reason).status_code == 302
    undoing = FormalRequest.objects.get(revert_of=formal)
    assert undoing.status == Status.SUBMITTED
    assert links.find_confirming_mail(undoing) == OLD


def test_h1_an_access_that_was_given_is_reported_too(cast, client):
    person = {"full_name": "Rosa Nueva", "email": "rosa@ocaso.mx"}
    formal = make(cast, "executed", form="access", kind="alta", person=person)
    client.post(link_in_mail(OLD, "no-fui-yo"))
    assert fresh(formal).alarmed_at is not None
    assert "revertirla" not in last_mail(cast.laura.email, "disowned").body
    assert "Revertir este cambio" not in text_of(look(cast.laura, formal))


def test_h1_each_mailbox_that_objects_is_recorded_once(cast, client):
    formal = taken_over(cast)
    for _ in range(2):
        for address in (OLD, "dana@ocaso.mx", "ana@ocaso.mx"):
            client.post(link_in_mail(address, "no-fui-yo"))
    assert objections(formal) == [(OLD, "old_mail"), ("dana@ocaso.mx", "representative"), ("ana@ocaso.mx", "requester")]
    assert told(formal, "alarm_received")["alarm_received"] == sorted([OLD, "dana@ocaso.mx", "ana@ocaso.mx"])


def test_h1_logged_in_the_representative_reports_it_too(cast):
    formal = taken_over(cast)
    ana = browser(cast.ana)
    here = f"/solicitudes/{formal.folio}/no-fui-yo/"
    assert "No fui yo: avisar" in text_of(ana.get(f"/solicitudes/{formal.folio}/"))
    assert "Avisar que no fui yo" in text_of(ana.get(here))
    for _ in range(2):
        assert ana.post(here).status_code == 302
    assert objections(formal) == [("ana@ocaso.mx", "portal")]
    event = formal.events().get(verb="request.disowned")
    assert event.actor == cast.ana
    assert "Recibimos un aviso «No fui yo»" in text_of(ana.get(f"/solicitudes/{formal.folio}/"))


def test_h1_before_the_execution_the_event_says_which_mailbox_stopped_it(cast, client):
    formal = make(cast, "in_approval")
    for _ in range(2):
        client.post(link_in_mail("dana@ocaso.mx", "no-fui-yo"))
    client.post(link_in_mail(OLD, "no-fui-yo"))
    assert fresh(formal).suspended_at is not None
    assert objections(formal) == [("dana@ocaso.mx", "representative"), (OLD, "registered")]
    assert told(formal, "disowned") == {"disowned": [cast.elsa.email] * 2}


def test_h1_an_expired_link_says_what_to_do(cast, client):
    taken_over(cast)
    link = link_in_mail(OLD, "no-fui-yo")
    with travel(clock.now() + timedelta(days=31), tick=False):
        page = client.get(link)
    assert page.status_code == 410
    for words in ("mesadecontrol@factureya.com", "correo más reciente", "se puede deshacer"):
        assert words in text_of(page)


def test_h1_a_link_of_before_still_works_and_a_stranger_to_the_request_is_not_named(cast, client):
    formal = taken_over(cast)
    expires = (clock.now() + timedelta(days=9)).timestamp()
    for values in ([], ["old_mail", "0" * 24]):
        token = signing.dumps([formal.folio, *values, expires], salt=links.NOT_ME_SALT, compress=True)
        assert client.post(f"/solicitudes/no-fui-yo/{token}/").status_code == 302
    assert objections(formal) == [("", "")]
    assert "un correo que no se pudo identificar" in text_of(look(cast.elsa, formal))


def test_h1_the_alarm_outlives_the_reversal_until_it_is_seen(cast, client):
    formal = taken_over(cast)
    client.post(link_in_mail(OLD, "no-fui-yo"))
    FormalRequest.objects.filter(pk=formal.pk).update(status=Status.REVERTED)
    assert fresh(operations.not_me(formal.pk)).alarmed_at is not None
    operations.mark_alarm_seen(formal.pk, actor=cast.elsa, reason=FOUND)
    with pytest.raises(operations.WrongStatus):
        operations.mark_alarm_seen(formal.pk, actor=cast.elsa, reason=FOUND)


# -- H2: who loses something is told, with a link of his own ------------------------------------------


def end_of_anas_powers(cast: Neighbours) -> FormalRequest:
    """Dana, who holds powers, asks that Ana's end in a month."""
    formal = operations.create_draft(actor=cast.dana, customer=cast.ana.contact.customer, form="change", kind="change")
    until = (clock.now() + timedelta(days=30)).date().isoformat()
    items = {
        "representative_replaces": cast.ana.email,
        "representative_valid_until": until,
        "representative_rfc": "GODE561231GR8",
    }
    answers = {"reason": REASON, "effective_date": "", "declares": True, "items": items}
    operations.save_draft(formal.pk, actor=cast.dana, draft=answers)
    file = store.store(SimpleUploadedFile("poder.txt", b"Escritura"), draft="k")
    operations.add_evidence(formal.pk, actor=cast.dana, files=[file])
    return operations.submit(formal.pk, actor=cast.dana)


def test_h2_who_loses_powers_is_told_at_every_step_and_can_object(cast):
    formal = end_of_anas_powers(cast)
    ana = cast.ana.email
    assert told(formal, "warn_submitted") == {"warn_submitted": [ana]}
    operations.confirm_from_registered_email(formal.pk, actor=cast.dana, revision_no=formal.revision_no)
    carried_out(cast, operations.verify(formal.pk, actor=cast.laura))
    steps = ("warn_submitted", "warn_approved", "warn_executed", "affected")
    assert told(formal, *steps) == {
        "warn_submitted": [ana],
        "warn_approved": [ana],
        "warn_executed": [ana],
        "affected": [cast.beto.email],
    }
    tokens = set()
    for verb in steps[:3]:
        mail = last_mail(ana, verb)
        assert "los poderes con los que usted representa a Papelería Ocaso" in mail.body
        assert "Dana Poder" in mail.body
        assert "no tiene que hacer nada" not in mail.body
        (token,) = re.findall(r"/solicitudes/no-fui-yo/([^/\s]+)/", mail.body)
        assert links.read_not_me_link(token) == (formal, (ana, "leaving"))
        tokens.add(token)
    assert Client().post(f"/solicitudes/no-fui-yo/{tokens.pop()}/").status_code == 302
    assert objections(formal) == [(ana, "leaving")]


def test_h2_every_other_representative_is_told_of_any_change(cast):
    formal = make(cast, "executed")
    steps = ("warn_submitted", "warn_approved", "warn_executed")
    assert told(formal, *steps) == {step: [cast.dana.email] for step in steps}
    assert "Le avisamos porque usted representa" in last_mail(cast.dana.email, "warn_approved").body
    assert told(formal, "affected") == {"affected": [cast.beto.email]}


@pytest.mark.parametrize("kind", ["baja", "clave"])
def test_h2_the_person_of_a_baja_or_a_clave_is_told_at_every_step(cast, kind):
    formal = make(cast, "submitted", form="access", kind=kind, person={"user": cast.beto.pk})
    beto = cast.beto.email
    assert beto in told(formal, "warn_submitted")["warn_submitted"]
    operations.confirm_from_registered_email(formal.pk, actor=cast.ana, revision_no=formal.revision_no)
    carried_out(cast, operations.verify(formal.pk, actor=cast.laura))
    last = "set_password" if kind == "clave" else "warn_executed"
    for verb in ("warn_submitted", "warn_approved", last):
        mails = OutboxMessage.objects.filter(to=beto, kind=f"change_requests/{verb}")
        (token,) = re.findall(r"/no-fui-yo/([^/\s]+)/", mails.get().body)
        assert links.read_not_me_link(token)[1] == (beto, "person")
    assert OutboxMessage.objects.filter(to=beto, about=formal.chain).count() == 3


def test_h2_the_old_registered_mail_is_told_at_every_step(cast):
    formal = taken_over(cast)
    kinds = OutboxMessage.objects.filter(to=OLD, about=formal.chain).order_by("pk")
    assert {"confirm", "approved", "warn_executed"} <= {mail.kind.partition("/")[2] for mail in kinds}
    for verb in ("approved", "warn_executed"):
        assert "el correo registrado de Papelería Ocaso" in last_mail(OLD, verb).body
    assert "/no-fui-yo/" in last_mail(OLD, "confirm").body


def test_h2_one_mail_for_each_address_whatever_its_roles(cast):
    formal = end_of_anas_powers(cast)
    operations.confirm_from_registered_email(formal.pk, actor=cast.dana, revision_no=formal.revision_no)
    carried_out(cast, operations.verify(formal.pk, actor=cast.laura))
    for event in formal.events():
        to = [
            mail.to
            for mail in OutboxMessage.objects.filter(key__startswith=event.hash)
            if "/your_turn" not in mail.kind
        ]
        assert len(to) == len(set(to)), event.verb
