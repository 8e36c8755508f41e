"""A new SECRET_KEY: what the old one signed stays good as long as it is a fallback, and not a day longer."""

import pytest

from accounts.web import form_memory
from factureya.core.mail import own_links
from factureya.testing.people import make_contact
from factureya.testing.tickets import make_ticket
from tickets import access, notifications


def test_digests_are_short_keyed_and_apart():
    one = own_links.make_digest("salt", "ana@ejemplo.mx")
    assert len(one) == own_links.DIGEST
    assert one != own_links.make_digest("other salt", "ana@ejemplo.mx")
    assert own_links.matches_digest("salt", "ana@ejemplo.mx", one)
    assert not own_links.matches_digest("salt", "beto@ejemplo.mx", one)


@pytest.mark.django_db
def test_links_and_forms_outlive_a_new_key(settings):
    ana = make_contact()
    ticket = make_ticket(requester=ana)
    token, key = notifications.make_link_token(ana, ticket), form_memory.new_key(ana, ticket.number)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "n" * 50, [settings.SECRET_KEY]
    assert access.find_holder(access.read_token(token)) == ana
    assert form_memory.read_key(key.token, ticket.number, ana) is not None
    old = key.owner
    assert own_links.matches_digest(form_memory.SALT, str(ana.pk), old)
    settings.SECRET_KEY_FALLBACKS = []
    assert not own_links.matches_digest(form_memory.SALT, str(ana.pk), old)
    with pytest.raises(access.BadLink):
        access.read_token(token)
