"""Show what was typed when a session ended, on the page of its form."""

from typing import Any

from django import template

from accounts.web import form_memory
from factureya.core.forms import list_texts

register = template.Library()


@register.inclusion_tag("partials/held.html", takes_context=True)
def held_words(context: template.Context) -> dict[str, Any]:
    """Return the fields that were typed before a login, the long texts among them, and where they were posted (M17)."""
    fields = dict(form_memory.read_fields_to_show(context["request"])) if "request" in context else {}
    posted_to = fields.pop("posted_to", "")
    return {"posted_to": posted_to, "fields": fields, "texts": list_texts(fields)}
