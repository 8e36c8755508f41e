"""Each fact about a sensitive field or a kind of request is written once; what cannot be made from it is compared."""

from contextlib import nullcontext
from itertools import product

import pytest
from django.db import IntegrityError, transaction

from accounts.models import Customer
from change_requests.kinds import fields
from change_requests.kinds.registry import KINDS
from change_requests.models import FormalRequest, InformationAsset
from change_requests.recipients import Role
from factureya.testing import request_histories
from factureya.testing.people import Cast

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M7", "M19")]


def test_the_assets_of_the_database_hold_exactly_the_listed_fields():
    listed: dict[str, set[str]] = {}
    for row in (*fields.CHANGE_FIELDS, *fields.ACCESS_FIELDS):
        listed.setdefault(row.asset, set()).add(row.code)
    assert {asset.code: set(asset.fields) for asset in InformationAsset.objects.all()} == listed


def test_every_field_has_its_column_and_its_loser():
    columns = {column.name for column in Customer._meta.fields}
    for row in (*fields.CHANGE_FIELDS, *fields.ACCESS_FIELDS):
        assert not row.is_column or row.code in columns
        assert not row.loser or Role(row.loser)


def test_the_database_takes_the_listed_kinds_and_no_other(tmp_path, settings):
    settings.MEDIA_ROOT = tmp_path
    request = request_histories.draft(Cast())
    listed = {(kind.form, kind.code) for kind in KINDS}
    for form, kind in product(FormalRequest.Form, FormalRequest.Kind):
        row = FormalRequest(
            folio=f"{form}-{kind}"[:12],
            form=form,
            kind=kind,
            customer=request.customer,
            requester=request.requester,
            representative=request.representative,
        )
        refused = pytest.raises(IntegrityError, match="request_form_has_its_kinds")
        with nullcontext() if (form, kind) in listed else refused, transaction.atomic():
            row.save()
