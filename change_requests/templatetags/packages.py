"""Show what is here of an upload, for the forms of packages (M32)."""

from typing import Any

from django import template
from django.forms import BoundField
from django.urls import reverse

from change_requests.packages.forms_common import PackageForm
from change_requests.packages.models import PackageFile
from change_requests.packages.wording import UploadState, describe_patch, describe_upload

register = template.Library()


@register.simple_tag
def upload_of(form: PackageForm, field: BoundField) -> UploadState:
    """Return what is here of the upload for one of the form's file fields."""
    kind: Any = getattr(field.field, "kind", "")
    return describe_upload(form.uploads.get(kind))


@register.filter
def patch_facts(file: PackageFile) -> str:
    """Return what a stored patch changes; "" for another file."""
    return describe_patch(file)


@register.simple_tag
def upload_address(folio: str, field: BoundField) -> str:
    """Return the address that takes the pieces of a change's file."""
    return reverse("packages:pieces", args=[folio, getattr(field.field, "kind", "")])
