"""Store the attention hours, the days without attention, how they were changed, and when each sweep last ran."""

from django.conf import settings
from django.db import models
from django.db.models import PROTECT, CheckConstraint, F, ForeignKey, Q

from factureya.core import clock
from factureya.core.models.events import Chained


class Holiday(models.Model):
    """Store a day without attention: Mexico's statutory holidays (seeded) and the company's own days.

    `core.hours.changes` adds and deletes rows after an event, and the guards accept nothing else (M2, M26).
    """

    day = models.DateField("día", unique=True)
    name = models.CharField("nombre", max_length=100)

    class Meta:
        verbose_name = "día inhábil"
        verbose_name_plural = "horario y días inhábiles"
        ordering = ["-day"]

    def __str__(self) -> str:
        return f"{self.day:%d/%m/%Y} {self.name}"


class AttentionWeek(models.Model):
    """Store the attention hours of a week, from a day on until another row begins; rows are never changed (M2).

    Of two rows that begin on the same day, the later one counts. `core.hours.week` writes and reads `hours`.
    """

    starts_on = models.DateField("desde")
    hours = models.CharField("horas", max_length=400)

    class Meta:
        verbose_name = "horario de atención"
        verbose_name_plural = "horarios de atención"

    def __str__(self) -> str:
        return f"desde {self.starts_on:%d/%m/%Y}"


class CalendarChange(Chained):
    """Store a change of hours or of a holiday that somebody asked for, and who decided it (M2).

    If it moves an open deadline to an earlier time (`shortens`), a second person must approve it.
    """

    class Kind(models.TextChoices):
        ADD_HOLIDAY = "add_holiday", "Agregar un día inhábil"
        REMOVE_HOLIDAY = "remove_holiday", "Quitar un día inhábil"
        HOURS = "hours", "Cambiar el horario"

    class Status(models.TextChoices):
        PROPOSED = "proposed", "Espera a una segunda persona"
        APPLIED = "applied", "Hecho"
        DECLINED = "declined", "No se hizo"

    kind = models.CharField("qué", max_length=20, choices=Kind)
    status = models.CharField("estado", max_length=10, choices=Status)
    day = models.DateField("día")  # the holiday, or the first day of the new hours
    name = models.CharField("motivo", max_length=100, blank=True)  # of the holiday
    hours = models.CharField("horas", max_length=400, blank=True)  # of the new week
    shortens = models.BooleanField("adelanta un plazo")
    form_key = models.CharField("clave del formulario", max_length=80, unique=True)
    proposed_by = ForeignKey(settings.AUTH_USER_MODEL, PROTECT, related_name="+", verbose_name="lo pidió")
    proposed_at = models.DateTimeField("pedido")
    decided_by = ForeignKey(
        settings.AUTH_USER_MODEL, PROTECT, null=True, blank=True, related_name="+", verbose_name="lo decidió"
    )
    decided_at = models.DateTimeField("decidido", null=True, blank=True)

    class Meta:
        verbose_name = "cambio del calendario"
        verbose_name_plural = "cambios del calendario"
        constraints = [
            CheckConstraint(
                name="shortened_deadline_needs_a_second_person",
                condition=~Q(status="applied") | Q(shortens=False) | ~Q(decided_by=F("proposed_by")),
            ),
            CheckConstraint(
                name="calendar_change_names_who_decided",
                condition=Q(status="proposed", decided_by__isnull=True, decided_at__isnull=True)
                | Q(status__in=["applied", "declined"], decided_by__isnull=False, decided_at__isnull=False),
            ),
            CheckConstraint(
                name="calendar_change_is_of_its_kind",
                condition=Q(kind="hours", name="") & ~Q(hours="")
                | Q(kind__in=["add_holiday", "remove_holiday"], hours="") & ~Q(name=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.day:%d/%m/%Y} {self.name}".strip()

    @property
    def chain(self) -> str:
        return "calendar"


class CalendarMove(models.Model):
    """Store a deadline that an applied change of the calendar still has to move; `core.hours.moving` deletes it (M2).

    Only a change that moves many deadlines has such rows, until a worker has moved the last one.
    """

    change = ForeignKey(CalendarChange, PROTECT, related_name="pending_moves", verbose_name="cambio")
    source = models.CharField("de qué", max_length=20)  # the name of a `core.hours.deadlines.Source`
    target = models.BigIntegerField("renglón")  # the key of a ticket or a request
    column = models.CharField("plazo", max_length=20)
    due_before = models.DateTimeField("antes")
    due_after = models.DateTimeField("después")

    class Meta:
        verbose_name = "plazo por mover"
        verbose_name_plural = "plazos por mover"
        constraints = [
            models.UniqueConstraint(
                name="a_change_moves_a_deadline_once", fields=["change", "source", "target", "column"]
            )
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.target}: {self.column}"


class Heartbeat(models.Model):
    """Store when a sweep last ran; /readyz reports it."""

    name = models.CharField(max_length=40, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name

    @classmethod
    def beat(cls, name: str) -> None:
        """Store that the sweep `name` ran now."""
        cls.objects.update_or_create(name=name, defaults={"at": clock.now()})
