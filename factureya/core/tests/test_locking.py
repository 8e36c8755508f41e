"""A locked row is read again; what was written inside a refused block is undone."""

import pytest

from factureya.core.locking import locked
from factureya.core.models import Heartbeat, Holiday
from factureya.core.refusals import Invalid, NotAllowed, Refused, Stale, WrongStatus, require


def _rename_and_refuse(pk):
    with locked(Holiday.objects.all(), pk) as row:
        assert row.name == "dos"
        row.name = "tres"
        row.save()
        require(False, "no")


@pytest.mark.django_db
def test_the_row_is_read_under_the_lock_and_a_refusal_undoes_what_was_written():
    day = Holiday.objects.create(day="2031-01-02", name="uno")
    Holiday.objects.filter(pk=day.pk).update(name="dos")
    with pytest.raises(Refused, match="no"):
        _rename_and_refuse(day.pk)
    day.refresh_from_db()
    assert day.name == "dos"


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
