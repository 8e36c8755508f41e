"""The one source of time, and the small facts of the models."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from factureya.core import clock
from factureya.core.models import Chained, Heartbeat

NOON = datetime(2026, 11, 24, 18, tzinfo=UTC)


@time_machine.travel(NOON, tick=False)
def test_a_block_runs_at_another_instant_and_the_next_one_does_not():
    earlier = NOON - timedelta(days=3)
    assert clock.now() == NOON
    with clock.at(earlier):
        assert clock.now() == earlier
        with clock.at(NOON):
            assert clock.now() == NOON
        assert clock.now() == earlier
    with pytest.raises(ZeroDivisionError), clock.at(earlier):
        _ = 1 / 0
    assert clock.now() == NOON


@pytest.mark.django_db
@time_machine.travel(NOON, tick=False)
def test_a_heartbeat_is_one_row():
    for _ in range(2):
        Heartbeat.beat("sweep_outbox")
    beat = Heartbeat.objects.get()
    assert (str(beat), beat.at) == ("sweep_outbox", NOON)


def test_a_subject_must_name_its_chain():
    with pytest.raises(NotImplementedError):
        _ = Chained.chain.fget(object())  # type: ignore[attr-defined]
