"""Who owns each group of sensitive data, and who stands in for him (M21)."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone

from accounts.models import Office, User
from accounts.web import form_memory
from accounts.web.mixins import PrivateView, get_person
from change_requests import operations
from change_requests.control import people
from change_requests.control.views_common import PersonField, RefusableForm
from change_requests.kinds.fields import find_row
from change_requests.models import ACCESS, InformationAsset


def _make_date_field(label: str, help_text: str = "") -> forms.DateField:
    """Return an optional field for a day, which the browser offers as a calendar."""
    return forms.DateField(
        label=label,
        help_text=help_text,
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"invalid": "Escriba la fecha como 2026-12-01"},
    )


class OwnerForm(RefusableForm):
    """Ask who owns an information asset, and who is the alternate between two days (M21)."""

    owner = PersonField(label="Propietario", missing="Elija al propietario, de la lista")
    alternate = PersonField(label="Suplente (opcional)", required=False, missing="Elija al suplente, de la lista")
    alternate_from = _make_date_field("Suple desde (opcional)")
    alternate_until = _make_date_field("Suple hasta (opcional)", "El último día, completo.")

    def __init__(self, *args: Any, people: Sequence[User] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["owner"].offer_people(people)  # type: ignore[attr-defined]
        self.fields["alternate"].offer_people(people, none="Sin suplente")  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Validate that an alternate of the asset's owner has both dates, in the right order, and is not the owner."""
        data = super().clean() or self.cleaned_data
        if data.get("alternate"):
            for name, verb in (("alternate_from", "empieza"), ("alternate_until", "termina")):
                if not data.get(name) and name not in self.errors:
                    self.add_error(name, f"Escriba qué día {verb} la suplencia")
            if data["alternate"] == data.get("owner"):
                self.add_error("alternate", "El suplente es otra persona")
        first, last = data.get("alternate_from"), data.get("alternate_until")
        if first and last and last < first:
            self.add_error("alternate_until", "La suplencia termina después de que empieza")
        return data

    def make_arguments(self) -> dict[str, Any]:
        """Return what the form says as arguments of `operations.set_asset_owner`.

        The alternate's days become two instants: when the first day begins, and when the day after the last one
        begins. Without an alternate there are none.
        """
        data = self.cleaned_data
        people = {"owner": data["owner"], "alternate": data["alternate"]}
        if data["alternate"] is None:
            return people
        return {
            **people,
            "alternate_from": _find_midnight(data["alternate_from"]),
            "alternate_until": _find_midnight(data["alternate_until"] + timedelta(days=1)),
        }


class AssetsView(PrivateView):
    """Serve a page to superusers, who name owners, the security officer, who must know them, and Auditoría (M26)."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Admit superusers, the security officer and Auditoría to the pages about the owners of information assets.

        A method that the page does not take gets 405. An anonymous person gets the login, and everybody else gets 403.
        """
        if not self.takes(request):
            return self.http_method_not_allowed(request)
        user: Any = request.user
        if not user.is_authenticated:
            return form_memory.ask_login(request, self.form_page())
        if not (user.is_active and (user.is_superuser or user.holds(Office.SECURITY_OFFICER, Office.AUDITOR))):
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)


class Assets(AssetsView):
    """List the assets; those without an owner in office are marked in red."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return the list of information assets. An asset is vacant if nobody who holds the office today owns it."""
        in_office = set(people.list_owners().values_list("pk", flat=True))
        assets = InformationAsset.objects.exclude(code=ACCESS).select_related("owner", "alternate")
        rows = [
            {
                "asset": asset,
                "fields": ", ".join(find_row(field_code).label for field_code in asset.fields),
                "is_vacant": asset.owner_id not in in_office,
            }
            for asset in assets
        ]
        context = {"rows": rows, "may_name": request.user.is_superuser}
        return render(request, "control/assets.html", context)


class NameOwner(AssetsView):
    """Let a superuser name the owner and the dated alternate of one asset."""

    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest, code: str) -> HttpResponse:
        """Return the form that names the owner and the alternate of an asset, filled with those of today."""
        asset = self.find_asset(code)
        initial = {
            "owner": asset.owner_id,
            "alternate": asset.alternate_id,
            "alternate_from": _find_local_day(asset.alternate_from),
            # Kept as the instant at which the day after the last one begins.
            "alternate_until": _find_local_day(asset.alternate_until, before=timedelta(days=1)),
        }
        return self.render_form(asset, OwnerForm(people=list(people.list_owners()), initial=initial))

    def post(self, request: HttpRequest, code: str) -> HttpResponse:
        """Name the owner and the alternate of an asset; or return the form with why the operation refused."""
        asset = self.find_asset(code)
        form = OwnerForm(request.POST, people=list(people.list_owners()))
        if form.is_valid():
            try:
                operations.set_asset_owner(asset.pk, actor=get_person(request), **form.make_arguments())
            except operations.Refused as refusal:
                form.show_refusal(refusal)
            else:
                messages.success(request, f"Quedó registrado quién es propietario de {asset}.")
                return redirect("control:assets")
        return self.render_form(asset, form)

    def find_asset(self, code: str) -> InformationAsset:
        """Return the asset with this code. Raises PermissionDenied unless a superuser asks: only he names owners."""
        if not self.request.user.is_superuser:
            raise PermissionDenied
        return get_object_or_404(InformationAsset.objects.exclude(code=ACCESS), code=code)

    def render_form(self, asset: InformationAsset, form: OwnerForm) -> HttpResponse:
        """Return the page that names the owner of this asset, with this form."""
        context = {"asset": asset, "form": form, "assets_url": reverse("control:assets")}
        return render(self.request, "control/asset.html", context)


def _find_local_day(instant: datetime | None, before: timedelta = timedelta()) -> date | None:
    """Return the local day of an instant, or of the moment that lies `before` earlier; None without an instant."""
    return timezone.localdate(instant - before) if instant else None


def _find_midnight(day: date) -> datetime:
    """Return the instant at which a local day begins."""
    return timezone.make_aware(datetime.combine(day, time.min))
