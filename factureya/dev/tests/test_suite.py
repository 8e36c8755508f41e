"""The suite's own machinery: a transactional test leaves guards and seeded rows as it found them."""

import pytest
from django.contrib.auth.models import Permission
from django.db import DatabaseError, transaction

from accounts.models import Provider
from factureya.core.models import Event, Holiday
from factureya.testing.tickets import make_ticket


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("_round", [1, 2])
def test_a_transactional_test_finds_the_database_as_migrated(_round):
    assert Provider.objects.filter(is_own=True).count() == 1
    assert Holiday.objects.exists()
    assert Permission.objects.filter(codename="view_ticket").exists()
    assert not Event.objects.exists()
    make_ticket()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Event.objects.update(verb="forged")
