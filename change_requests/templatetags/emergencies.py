"""Tell the pages of mesa de control which reviews of emergencies are overdue (M27)."""

from django import template
from django.template import Context

from change_requests.emergency.list_page import OverdueReview, list_overdue

register = template.Library()


@register.simple_tag(takes_context=True)
def overdue_reviews(context: Context) -> list[OverdueReview]:
    """Return the reviews that are overdue, the oldest first; one statement, and one more if there are any."""
    return list_overdue(context["request"].user)
