"""The addresses of the attention hours and the days without attention × everybody (M2, M3)."""

from datetime import date

from django.utils import timezone

from factureya.core import clock
from factureya.core.models import Holiday
from factureya.testing.access import Row, World, codes, key

_SUPERVISORS = codes(403, anonymous=302, root=200, laura=200)
_POST_ONLY = codes(403, anonymous=302, desk=405, root=405, olga=405)
_NOT_THERE = codes(403, anonymous=302, root=404, laura=404)


def _coming(_world: World) -> list[int]:
    """Return the key of the next day without attention."""
    today: date = timezone.localdate(clock.now())
    return [Holiday.objects.filter(day__gte=today).earliest("day").pk]


ROWS: dict[str, list[Row]] = {
    "admin:core_holiday_changelist": [
        Row(_SUPERVISORS | {"olga": 200}),
        Row(_SUPERVISORS | {"olga": 200}, query="?day=2027-05-05&name=Batalla"),
    ],
    "admin:core_holiday_add": [Row(_POST_ONLY), Row(_SUPERVISORS, method="post")],
    "admin:core_holiday_remove": [Row(_SUPERVISORS, _coming), Row(_SUPERVISORS, _coming, method="post")],
    "admin:core_holiday_hours": [Row(_SUPERVISORS), Row(_SUPERVISORS, method="post")],
    "admin:core_holiday_review": [Row(_NOT_THERE | {"olga": 404}, key(999))],
    "admin:core_holiday_approve": [Row(_POST_ONLY, key(999)), Row(_NOT_THERE, key(999), method="post")],
    "admin:core_holiday_decline": [Row(_POST_ONLY, key(999)), Row(_NOT_THERE, key(999), method="post")],
}
