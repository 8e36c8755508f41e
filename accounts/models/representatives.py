"""Store who may ask on behalf of a company: its legal representative and the holders of powers (M8)."""

from datetime import date, datetime

from django.db import models
from django.db.models import PROTECT, CheckConstraint, F, ForeignKey, Q, UniqueConstraint
from django.utils import timezone

from accounts.models.companies import Customer, Power
from factureya.core import clock
from factureya.core.models import Attachment

SEPARATOR = " | "
LINE = ("name", "rfc", "email", "power_kind", "instrument", "valid_from", "valid_until")


class RepresentativeQuerySet(models.QuerySet["Representative"]):
    """Find representatives."""

    def in_force(self, at: datetime | None = None) -> "RepresentativeQuerySet":
        """Return the representatives whose powers are in force on the day of `at` (now by default) and not revoked."""
        at = at or clock.now()
        day = timezone.localdate(at)
        valid = self.filter(valid_from__lte=day).filter(Q(valid_until__isnull=True) | Q(valid_until__gte=day))
        return valid.filter(Q(revoked_at__isnull=True) | Q(revoked_at__gt=at))


class Representative(models.Model):
    """Store a person with powers to act for a company; the row is revoked and never deleted.

    Only the execution of an approved request writes it for a verified company (M1). `verify_company` writes the first
    one just before the company becomes verified.
    """

    Power = Power

    customer = ForeignKey(Customer, PROTECT, related_name="representatives", verbose_name="empresa")
    # Empty until the person has an account; it is the account with this mail, and stays so.
    user = ForeignKey("User", PROTECT, null=True, blank=True, related_name="representations", verbose_name="persona")
    name = models.CharField("nombre", max_length=150)
    rfc = models.CharField("RFC", max_length=13, blank=True)
    email = models.EmailField("correo")
    power_kind = models.CharField("carácter", max_length=20, choices=Power, default=Power.LEGAL_REPRESENTATIVE)
    instrument = models.CharField("instrumento", max_length=200, blank=True)
    valid_from = models.DateField("poderes desde")
    valid_until = models.DateField("poderes hasta", null=True, blank=True)  # that day included
    document = ForeignKey(Attachment, PROTECT, null=True, blank=True, related_name="+", verbose_name="documento")
    verified_by = ForeignKey("User", PROTECT, related_name="+", verbose_name="comprobó")
    verified_at = models.DateTimeField("comprobado", default=clock.now)
    revoked_at = models.DateTimeField("revocado", null=True, blank=True)
    revoked_by = ForeignKey("User", PROTECT, null=True, blank=True, related_name="+", verbose_name="revocó")

    objects = RepresentativeQuerySet.as_manager()

    class Meta:
        verbose_name = "representante"
        verbose_name_plural = "representantes"
        constraints = [
            UniqueConstraint(
                name="one_open_representation",
                fields=["customer", "user"],
                condition=Q(revoked_at__isnull=True, user__isnull=False),
                violation_error_message="Esa persona ya representa a la empresa.",
            ),
            UniqueConstraint(
                name="one_open_representation_by_mail",
                fields=["customer", "email"],
                condition=Q(revoked_at__isnull=True),
                violation_error_message="Esa persona ya representa a la empresa.",
            ),
            CheckConstraint(
                name="powers_end_after_they_begin",
                condition=Q(valid_until__isnull=True) | Q(valid_until__gte=F("valid_from")),
                violation_error_message="El poder termina antes de empezar.",
            ),
            CheckConstraint(
                name="power_kind_is_known", condition=Q(power_kind__in=["legal_representative", "attorney"])
            ),
            CheckConstraint(
                name="revoked_representative_names_who",
                condition=Q(revoked_at__isnull=True, revoked_by__isnull=True)
                | Q(revoked_at__isnull=False, revoked_by__isnull=False),
            ),
            # The line of a request is compared as one text: a bar inside a value could shift the others.
            CheckConstraint(
                name="representative_has_no_bars",
                condition=~Q(name__contains="|") & ~Q(instrument__contains="|") & ~Q(email__contains="|"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.get_power_kind_display()})"

    @property
    def line(self) -> str:
        """Return the representative as one text, which the old and new values of a request hold (`compose_line`)."""
        return compose_line(**{name: getattr(self, name) for name in LINE})

    def is_in_force(self, at: datetime | None = None) -> bool:
        """Return True if the powers of this representative are in force at `at` (now by default) and not revoked.

        Lists use the query `in_force`, which follows the same rule.
        """
        at = at or clock.now()
        day = timezone.localdate(at)
        is_valid = self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)
        return is_valid and (self.revoked_at is None or self.revoked_at > at)


def compose_line(**values: date | str | None) -> str:
    """Return one text for a representative, in the order of LINE; dates are YYYY-MM-DD, and an open end is empty."""
    return SEPARATOR.join(str(values.get(name) or "") for name in LINE)


def decompose_line(line: str) -> dict[str, str]:
    """Return a representative's values by field name, from the line that `compose_line` made; "" gives empty ones."""
    values = line.split(SEPARATOR) if line else [""] * len(LINE)
    return dict(zip(LINE, values, strict=True))
