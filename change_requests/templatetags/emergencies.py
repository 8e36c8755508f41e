"""Tell the pages of mesa de control which reviews of emergencies are overdue (M27)."""

from django import template

from change_requests.emergency.list_page import list_overdue
from change_requests.emergency.models import EmergencyGrant

register = template.Library()


@register.simple_tag
def overdue_reviews() -> list[EmergencyGrant]:
    """Return the emergencies whose review is overdue, the oldest first; one statement."""
    return list_overdue()
