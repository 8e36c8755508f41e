"""The demo's packages: every state that the mock-up shows is there, made by real operations (M28–M32)."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from change_requests.packages import operations
from change_requests.packages.models import PackageChange, PackageFileCheck, SupplierPackage
from factureya.core import clock
from factureya.core.record import state
from factureya.demo import packages
from factureya.testing.people import Cast

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M28", "M32")]


def test_every_state_of_the_mock_up_is_there(settings: Any, tmp_path: Path):
    settings.PACKAGES_DIR, settings.PACKAGE_FREE_BYTES = tmp_path, 0
    present = clock.now()
    with clock.at(present - packages.DAY * 60):
        cast = Cast()
    packages.seed(vars(cast), present)
    assert Counter(PackageChange.objects.values_list("status", flat=True)) == {
        "released": 2,
        "refused": 1,
        "authorized": 1,
        "impact_weighed": 1,
    }
    assert SupplierPackage.objects.count() == 5
    assert [str(package) for _copy, package in operations.list_missing_ports()] == ["PAC-200 v3.2"]
    assert set(PackageFileCheck.objects.values_list("verdict", flat=True)) == {"intact"}
    assert not [flaw for flaw in state.find_flaws() if "package" in flaw.chain]
