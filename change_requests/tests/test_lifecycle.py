"""smoke"""

import pytest

from change_requests import operations
from change_requests.models import FormalRequest
from change_requests.tests import lives

pytestmark = pytest.mark.django_db
Form, Kind, Status = FormalRequest.Form, FormalRequest.Kind, FormalRequest.Status
KINDS = [(f, k) for f, ks in FormalRequest.KINDS.items() for k in ks]


@pytest.mark.parametrize(("form", "kind"), KINDS)
def test_life(form, kind):
    cast = lives.Cast()
    request = lives.make(cast, Status.CLOSED, form, kind)
    assert request.status == Status.CLOSED
