"""How many automatic mails may answer mails (M6)."""

from django.db import models


class MailQuota(models.Model):
    """How many automatic mails went out for `name` since `since`; its row is the lock (`tickets.answer_limits`)."""

    name = models.CharField(max_length=300, primary_key=True)
    since = models.DateTimeField()
    count = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name}: {self.count}"
