"""Show what is here of an upload, and hashes in groups, for the pages of packages (M32)."""

from typing import Any

from django import template
from django.forms import BoundField
from django.urls import reverse

from change_requests.packages import wording
from change_requests.packages.forms import PackageForm
from change_requests.packages.models import PackageUpload

register = template.Library()
register.filter("group_hash", wording.group_hash)


@register.simple_tag
def upload_amount(upload: PackageUpload | None) -> str:
    """Return how much of an upload is here, «201 MB · completo» or «128 de 201 MB; elija el mismo archivo…»."""
    return wording.describe_upload(upload)


@register.simple_tag
def upload_of(form: PackageForm, field: BoundField) -> PackageUpload | None:
    """Return the upload that the form has for one of its file fields, or None."""
    kind: Any = getattr(field.field, "kind", "")
    return form.uploads.get(kind)


@register.simple_tag
def upload_address(folio: str, field: BoundField) -> str:
    """Return the address that takes the pieces of a change's file."""
    return reverse("packages:pieces", args=[folio, getattr(field.field, "kind", "")])
