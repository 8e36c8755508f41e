"""Define the forms about the credits of companies: what is left, and a CSV file of many (M28)."""

from typing import Any

from django import forms
from django.conf import settings

from accounts.forms import STALE_FORM, PlainForm
from accounts.models.credits import MAX_CREDITS, MAX_PACKAGE
from accounts.staff.forms import require_near_day


def _make_number_field(lowest: int) -> forms.IntegerField:
    """Return the form field of a number of credits, from `lowest` to MAX_CREDITS."""
    text = f"Escriba un número entero de {lowest} a {MAX_CREDITS:,}."
    return forms.IntegerField(
        min_value=lowest,
        max_value=MAX_CREDITS,
        error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), text),
        widget=forms.TextInput(attrs={"inputmode": "numeric", "class": "fy-in", "autocomplete": "off"}),
    )


class CreditsForm(PlainForm):
    """Ask for a company's credit package and what is left of it."""

    package = forms.CharField(
        max_length=MAX_PACKAGE,
        error_messages={"max_length": f"Escriba el paquete en {MAX_PACKAGE} caracteres o menos."},
        widget=forms.TextInput(attrs={"class": "fy-in", "autocomplete": "off"}),
    )
    total = _make_number_field(1)
    remaining = _make_number_field(0)
    valid_until = forms.DateField(
        required=False,
        widget=forms.DateInput(attrs={"type": "date", "class": "fy-in"}, format="%Y-%m-%d"),
        error_messages={"invalid": "Escriba el día como AAAA-MM-DD."},
        validators=[require_near_day],
    )
    seen = forms.CharField(
        required=False, max_length=40, error_messages={"max_length": STALE_FORM}, widget=forms.HiddenInput
    )
    words = {
        "package": ("Paquete", "Como lo conoce el cliente, por ejemplo PAC-200 v3.2.", "Escriba el paquete."),
        "total": ("Créditos del paquete", "", "Escriba de cuántos créditos es el paquete."),
        "remaining": ("Créditos que quedan", "", "Escriba cuántos créditos quedan."),
        "valid_until": ("Último día en que valen (opcional)", "", ""),
    }

    def clean(self) -> dict[str, Any]:
        """Return the data. More remaining credits than the package has are an error."""
        data = super().clean() or {}
        total, remaining = data.get("total"), data.get("remaining")
        if total is not None and remaining is not None and remaining > total:
            self.add_error("remaining", f"No pueden quedar más que los {total:,} del paquete.")
        return data


class UploadForm(PlainForm):
    """Ask for a CSV file of credits."""

    file = forms.FileField(
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv", "class": "fy-full"}),
        error_messages={"empty": "El archivo está vacío.", "missing": "Elija el archivo."},
    )
    words = {"file": ("Archivo CSV", "", "Elija el archivo.")}

    def clean_file(self) -> Any:
        """Return the uploaded file. One that is too large is an error, before it is read into memory."""
        uploaded, max_bytes = self.cleaned_data["file"], settings.CREDITS_IMPORT_MAX_BYTES
        if uploaded.size > max_bytes:
            raise forms.ValidationError(f"El archivo pasa de {max_bytes // 1024**2} MB. Divídalo en varios.")
        return uploaded
