"""Formal requests in the stock admin, to look at: that they are there, and how far they are (M1, M21).

A superuser decides nothing and reads no request by that alone, so neither what is asked nor why is shown; everything is
done under /control/ by the offices. No form, no bulk action, no delete.
"""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from change_requests.models import ACCESS, Decision, Execution, FormalRequest, InformationAsset, Waiver
from factureya.core.admin import ReadOnlyAdmin


class ShownAdmin(ReadOnlyAdmin):
    """A read-only page for superusers that shows the columns of the list."""

    actions = None

    def get_fields(self, request: HttpRequest, obj: object = None) -> tuple[Any, ...]:
        return tuple(self.list_display)


admin.site.register(
    FormalRequest,
    ShownAdmin,
    list_display=(
        *("folio", "form", "kind", "status", "customer", "channel", "submitted_at", "due_at"),
        *("suspended_at", "approved_at", "executed_at", "closed_at"),
    ),
    list_filter=("status", "form"),
    list_select_related=("customer",),
    search_fields=("=folio",),
    search_help_text="El folio completo, con guiones.",
)
admin.site.register(
    Decision,
    ShownAdmin,
    list_display=("request", "revision_no", "office", "verdict", "decider_name", "decided_at", "sha256"),
    list_filter=("verdict", "office"),
    list_select_related=("request",),
)
admin.site.register(
    Execution,
    ShownAdmin,
    list_display=("request", "revision_no", "result", "executor_name", "at", "sha256"),
    list_filter=("result",),
    list_select_related=("request",),
)
admin.site.register(
    Waiver,
    ShownAdmin,
    list_display=(
        "request",
        "implementer",
        "approved_by",
        "approved_at",
        "checker",
        "check_due",
        "checked_at",
        "conform",
    ),
    list_select_related=("request", "implementer", "approved_by", "checker"),
)


@admin.register(InformationAsset)
class InformationAssetAdmin(ShownAdmin):
    """Assets and their owners, who are named under /control/activos/, where each row leads."""

    list_display = ("name", "owner", "alternate", "alternate_from", "alternate_until", "change")
    list_select_related = ("owner", "alternate")
    ordering = ("pk",)

    @admin.display(description="propietario y suplente")
    def change(self, asset: InformationAsset) -> str:
        """Return the cell with the link that changes the asset's owner. The asset ACCESS has no owner, so no link."""
        if asset.code == ACCESS:
            return "Sin propietario"
        return format_html('<a href="{}">Cambiar</a>', reverse("control:asset", args=[asset.code]))
