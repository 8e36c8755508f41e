"""The pages of packages for the tests: their addresses, files as a browser uploads them, and a step by its form."""

from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from accounts.models import User
from change_requests.packages.models import PackageChange
from factureya.testing.pages import make_client
from factureya.testing.people import PASSWORD


def find_address(name: str, *args: Any) -> str:
    """Return the address of a page of packages."""
    return reverse(f"packages:{name}", args=args)


def make_file(name: str, content: bytes) -> SimpleUploadedFile:
    """Return a file as a browser uploads it."""
    return SimpleUploadedFile(name, content)


def send(person: User, change: PackageChange, act: str, **data: Any) -> Any:
    """Post a step of the change as a browser does, with the password and the last field."""
    data = {"password": PASSWORD, **data, "completo": "1"}
    return make_client(person).post(find_address(act, change.folio), data)
