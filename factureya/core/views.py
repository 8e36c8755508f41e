"""Answer /healthz (this process runs) and /readyz (the parts it depends on work; JSON, 503 if one does not)."""

from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from factureya.core import health
from factureya.core.mail import health as mail_health


@require_safe
@never_cache
def healthz(_request: HttpRequest) -> JsonResponse:
    """Answer that this process runs, without asking anything else."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(_request: HttpRequest) -> JsonResponse:
    """Answer as JSON whether the parts that the program depends on work: 200 if all do, else 503.

    The number of mails that wait for an agent (the tray) and the warnings do not change the status.
    """
    checks = {"broker": health.check_broker(), "media": health.check_media()}
    tray: dict[str, int] = {}
    warnings = mail_health.list_warnings()
    try:
        checks |= {
            "database": health.check_database(),
            "clocks": health.check_clocks(),
            "guards": health.check_guards(),
            "outbox": health.check_outbox(),
        }
        checks |= health.check_sweeps()
        checks |= mail_health.check_fetch()
        warnings += health.list_anchor_warnings()
        tray = {"mail_tray": mail_health.count_tray()}
    except DatabaseError:
        checks["database"] = health.Check(ok=False)
    ready = all(check.ok for check in checks.values())
    body = {
        "status": "ok" if ready else "unavailable",
        "checks": {name: check.as_dict() for name, check in sorted(checks.items())},
        "warnings": warnings,
        **tray,
    }
    return JsonResponse(body, status=200 if ready else 503)
