"""A locked row is read again; what was written inside a refused block is undone."""

import pytest

from accounts.models import Provider
from factureya.core.locking import locked
from factureya.core.models import Heartbeat
from factureya.core.refusals import Invalid, NotAllowed, Refused, Stale, WrongStatus, require


def _rename_and_refuse(pk):
    with locked(Provider.objects.all(), pk) as row:
        assert row.name == "dos"
        row.name = "tres"
        row.save()
        require(False, "no")


@pytest.mark.django_db
def test_the_row_is_read_under_the_lock_and_a_refusal_undoes_what_was_written():
    provider = Provider.objects.create(name="uno")
    Provider.objects.filter(pk=provider.pk).update(name="dos")
    with pytest.raises(Refused, match="no"):
        _rename_and_refuse(provider.pk)
    provider.refresh_from_db()
    assert provider.name == "dos"


@pytest.mark.django_db
def test_a_row_that_is_not_there_is_said():
    with pytest.raises(Heartbeat.DoesNotExist), locked(Heartbeat.objects.all(), "none"):
        pass


def test_refusals_are_one_tree():
    assert issubclass(Stale, WrongStatus)
    assert all(issubclass(kind, Refused) for kind in (Invalid, NotAllowed, WrongStatus))
    invalid = Invalid({"reason": "Escriba el motivo.", "text": "Falta."})
    assert (str(invalid), invalid.field) == ("Escriba el motivo.", "reason")
    assert list(invalid.errors) == ["reason", "text"]
