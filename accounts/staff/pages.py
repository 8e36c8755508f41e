"""Share what the admin's pages of accounts need."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.forms import Form
from django.http import HttpRequest

from accounts import operations

ROWS = 50  # a page of a list; who looks for somebody else searches
MAX_QUERY = 100  # characters of a search


def page_context(request: HttpRequest, title: str, **more: Any) -> dict[str, Any]:
    """Return the admin's own context with a title and what the page shows."""
    return {**admin.site.each_context(request), "title": title, "subtitle": "", **more}


def get_search_text(request: HttpRequest) -> str:
    """Return what was typed into the search of the list, without NUL characters."""
    return request.GET.get("q", "").replace("\0", "").strip()[:MAX_QUERY]


def attempt_operation(
    request: HttpRequest, form: Form | None, done_text: str, operation: Callable[..., Any], *args: Any, **kwargs: Any
) -> bool:
    """Call an operation on accounts as the signed-in member of staff, and return True if it was done.

    If done, the next page shows `done_text`. If refused, `form` shows the reason; without a form the next page does.
    """
    try:
        operation(*args, actor=request.user, **kwargs)
    except operations.Refused as refusal:
        if form is None:
            messages.error(request, str(refusal))
        else:
            form.add_error(None, str(refusal))
        return False
    messages.success(request, done_text)
    return True
