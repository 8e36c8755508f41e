"""Store what a supervisor edits: categories, the explanations of what is out of scope, and the sales team (M4, M9).

A row is never changed but to end it: who edits ends the old row and adds another. So an old ticket keeps its words.
"""

from django.db import models
from django.db.models import Q

from accounts.models import User
from factureya.core import clock
from factureya.core.models import Chained


class Team(models.TextChoices):
    """Name the teams of the desk: a category belongs to one, and so does each of its tickets (M4)."""

    SUPPORT = "support", "Soporte"
    SALES = "sales", "Ventas"


class Scope(models.TextChoices):
    """Name what is not our service: the customer's internet, and the customer's equipment (M9)."""

    INTERNET = "internet", "Internet"
    EQUIPMENT = "equipment", "Equipo"


class TicketCategory(Chained):
    """Store what a ticket can be about; the ticket holds the slug, whose label never changes."""

    slug = models.CharField("clave", max_length=20, unique=True)
    label = models.CharField("nombre", max_length=60)
    team = models.CharField("equipo", max_length=10, choices=Team)
    is_for_customers = models.BooleanField("la elige el cliente", default=True)
    position = models.PositiveSmallIntegerField("orden")
    added_at = models.DateTimeField("desde", default=clock.now)
    ended_at = models.DateTimeField("hasta", null=True, blank=True)
    form_key = models.CharField("clave del formulario", max_length=80, unique=True, null=True, blank=True)

    class Meta:
        verbose_name = "categoría"
        verbose_name_plural = "categorías"
        constraints = [
            models.CheckConstraint(name="category_has_label", condition=~Q(label="")),
            models.CheckConstraint(name="category_team_is_known", condition=Q(team__in=["support", "sales"])),
            models.UniqueConstraint(
                name="one_category_in_use_per_label", fields=["label"], condition=Q(ended_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def chain(self) -> str:
        """Return the name of the category's event chain."""
        return f"category:{self.slug}"


class ScopeExplanation(Chained):
    """Store what we answer when a problem is not of our service, one text in use for each scope (M9)."""

    scope = models.CharField("qué queda fuera", max_length=10, choices=Scope)
    text = models.TextField("explicación")
    added_at = models.DateTimeField("desde", default=clock.now)
    ended_at = models.DateTimeField("hasta", null=True, blank=True)

    class Meta:
        verbose_name = "explicación"
        verbose_name_plural = "explicaciones"
        constraints = [
            models.CheckConstraint(name="explanation_has_text", condition=~Q(text="")),
            models.CheckConstraint(name="scope_is_known", condition=Q(scope__in=["internet", "equipment"])),
            models.UniqueConstraint(
                name="one_explanation_in_use_per_scope", fields=["scope"], condition=Q(ended_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"Fuera de alcance: {self.get_scope_display()}"

    @property
    def chain(self) -> str:
        """Return the name of the event chain of this scope's explanations."""
        return f"scope:{self.scope}"


class SalesMember(models.Model):
    """Store who takes the tickets of sales, from when to when; the events stand in the person's chain (M4)."""

    user = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name="persona")
    added_at = models.DateTimeField("desde", default=clock.now)
    ended_at = models.DateTimeField("hasta", null=True, blank=True)
    form_key = models.CharField("clave del formulario", max_length=80, unique=True, null=True, blank=True)

    class Meta:
        verbose_name = "persona de Ventas"
        verbose_name_plural = "equipo de Ventas"
        constraints = [
            models.UniqueConstraint(
                name="one_open_membership_of_sales", fields=["user"], condition=Q(ended_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} en Ventas"
