"""Five different people make an emergency lawful; the check names the role that is missing (M22, M23)."""

import pytest
from django.core.checks import run_checks

from accounts.models import Office
from change_requests import checks
from change_requests.emergency import roles
from change_requests.tasks import tidy_emergencies
from factureya.core.clock import now
from factureya.core.models import Heartbeat
from factureya.testing.emergencies import Emergency, Status, end_offices
from factureya.testing.people import Cast, give_office, make_hugo, make_staff

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M22", "M23")]


def warnings() -> list[str]:
    """Return what `check --deploy --database default` says of emergencies."""
    found = run_checks(include_deployment_checks=True, databases=["default"])
    return [warning.msg for warning in found if warning.id == "change_requests.W002"]


def test_the_missing_role_is_named_until_five_people_are_there():
    assert "Responsable de Seguridad" in warnings()[0]
    elsa = make_staff(Office.SECURITY_OFFICER)
    assert "Propietario" in warnings()[0]
    give_office(elsa, Office.INFORMATION_OWNER)
    assert "Propietario" in warnings()[0]  # one person, two places
    make_staff(Office.IT_HEAD)
    assert "Implementador" in warnings()[0]
    make_hugo()  # of Desarrollo
    assert "Implementador" in warnings()[0]
    give_office(elsa, Office.IMPLEMENTER)
    assert "Implementador" in warnings()[0]  # she authorizes
    make_staff(Office.IMPLEMENTER)
    assert "Custodio" in warnings()[0]
    make_staff(Office.SUPERVISOR)
    assert "Custodio" in warnings()[0]
    make_staff(Office.SUPERVISOR)
    assert warnings() == []
    assert checks.check_emergency_people(databases=None) == []


def test_the_usual_cast_suffices_and_nobody_less():
    cast = Cast()
    assert roles.find_missing_role() == ""
    end_offices(cast.jorge)
    assert roles.find_missing_role() == roles.CUSTODIAN


@pytest.mark.parametrize(("minutes", "problems"), [(240, 0), (1, 0), (241, 1), (0, 1)])
def test_a_setting_allows_no_more_than_the_database(settings, minutes: int, problems: int):
    settings.EMERGENCY_MAX_MINUTES = minutes
    assert len(checks.check_emergency_settings()) == problems


def test_the_sweep_beats_and_tidies(scene: Emergency):
    scene.bring(Status.REQUESTED)
    assert tidy_emergencies() == 0
    assert Heartbeat.objects.get(name="tidy_emergencies").at <= now()
