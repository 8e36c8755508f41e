"""Store causes, emergency accounts, the hashes of their critical passwords, and dated delegations (M22, M23)."""

from datetime import datetime

from django.db import models
from django.db.models import PROTECT, CheckConstraint, F, ForeignKey, OneToOneField, Q, UniqueConstraint
from django.db.models.functions import Length, Trim
from django.db.models.lookups import GreaterThanOrEqual

from accounts.models import Office, User
from factureya.core import clock
from factureya.core.models import Chained


class EmergencyCause(Chained):
    """Store a cause for which an emergency may be asked, and how it is confirmed; «otro» does not exist (M23).

    Only the security officer adds one or ends it. An ended cause stays, because grants name it.
    """

    code = models.SlugField("clave", max_length=40, unique=True)
    title = models.CharField("causa", max_length=120)
    procedure = models.TextField("cómo se confirma")
    active = models.BooleanField("vigente", default=True)
    # Empty for the causes that the product brings.
    kept_by = ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="agregó")
    created_at = models.DateTimeField("alta", default=clock.now)
    ended_at = models.DateTimeField("terminada", null=True, blank=True)
    ended_by = ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="terminó")

    class Meta:
        verbose_name = "causa de emergencia"
        verbose_name_plural = "causas de emergencia"
        ordering = ["pk"]
        constraints = [
            CheckConstraint(
                name="cause_has_title_and_procedure",
                condition=GreaterThanOrEqual(Length(Trim("title")), 5)
                & GreaterThanOrEqual(Length(Trim("procedure")), 20),
                violation_error_message="Escriba la causa y cómo se confirma (al menos 20 caracteres).",
            ),
            CheckConstraint(
                name="cause_ends_whole",
                condition=Q(active=True, ended_at__isnull=True, ended_by__isnull=True)
                | Q(active=False, ended_at__isnull=False, ended_by__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def chain(self) -> str:
        return f"emergency-cause:{self.code}"


class EmergencyAccount(Chained):
    """Store an account that exists for emergencies only; at rest nobody can sign in to its user (M22)."""

    class Scope(models.TextChoices):
        FIX = "fix", "Leer clientes y corregir un dato"
        READ = "read", "Solo leer"

    class State(models.TextChoices):
        UNSEALED = "unsealed", "Por sellar"
        SEALED = "sealed", "Sellada"
        GRANTED = "granted", "Autorizándose"
        OPEN = "open", "Abierta"
        REVIEW = "review", "Falta su revisión"
        OVERDUE = "overdue", "Revisión vencida"
        RETIRED = "retired", "Retirada"

    alias = models.SlugField("alias", max_length=40, unique=True)
    user = OneToOneField(User, PROTECT, related_name="emergency_account", verbose_name="usuario")
    purpose = models.CharField("para qué es", max_length=200)
    scope = models.CharField("alcance", max_length=4, choices=Scope, default=Scope.FIX)
    created_by = ForeignKey(User, PROTECT, related_name="+", verbose_name="dio de alta")
    created_at = models.DateTimeField("alta", default=clock.now)
    retired_at = models.DateTimeField("retirada", null=True, blank=True)
    retired_by = ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="retiró")

    class Meta:
        verbose_name = "cuenta de emergencia"
        verbose_name_plural = "cuentas de emergencia"
        ordering = ["alias"]
        constraints = [
            CheckConstraint(name="emergency_scope_is_known", condition=Q(scope__in=["fix", "read"])),
            CheckConstraint(
                name="emergency_account_has_purpose",
                condition=GreaterThanOrEqual(Length(Trim("purpose")), 10),
                violation_error_message="Escriba para qué es la cuenta (al menos 10 caracteres).",
            ),
            CheckConstraint(
                name="emergency_account_retires_whole",
                condition=Q(retired_at__isnull=True, retired_by__isnull=True)
                | Q(retired_at__isnull=False, retired_by__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.alias

    @property
    def chain(self) -> str:
        return f"emergency:{self.alias}"

    def find_credential(self) -> "CriticalCredential | None":
        """Return the account's critical password that is not retired, sealed or not, or None."""
        return self.credentials.filter(retired_at__isnull=True).select_related("custodian_a", "custodian_b").first()

    @property
    def state(self) -> "EmergencyAccount.State":
        """Return the account's present state: only when *sellada* (sealed) can an emergency be asked for."""
        if self.retired_at:
            return self.State.RETIRED
        if (state := self._state_of_grants()) is not None:
            return state
        credential = self.find_credential()
        return self.State.SEALED if credential and credential.is_sealed else self.State.UNSEALED

    def _state_of_grants(self) -> "EmergencyAccount.State | None":
        """Return the state that an emergency in course or not yet reviewed gives the account; None if it has none."""
        statuses = set(
            self.grants.exclude(status__in=["refused", "lapsed", "reviewed"]).values_list("status", flat=True)
        )
        if "open" in statuses:
            return self.State.OPEN
        if "ended" in statuses:
            late = self.grants.filter(status="ended", review__signed_at__isnull=True, review__due_at__lte=clock.now())
            return self.State.OVERDUE if late.exists() else self.State.REVIEW
        return self.State.GRANTED if statuses else None  # requested or authorized

    @property
    def state_label(self) -> str:
        """Return the account's state in Spanish, for example «Por sellar»."""
        return str(self.state.label)


class CriticalCredential(models.Model):
    """Store one generation of an account's critical password: two slow hashes, one of each custodian's half (M22).

    Neither a half nor their join is stored. A hash is "" until its custodian saw the half, once.
    """

    class RetiredReason(models.TextChoices):
        RESEALED = "resealed", "Se selló otra"
        USED = "used", "Se usó"
        TRIES = "tries", "Tres mitades equivocadas"
        ACCOUNT = "account", "Se retiró la cuenta"

    account = ForeignKey(EmergencyAccount, PROTECT, related_name="credentials", verbose_name="cuenta")
    generation = models.PositiveIntegerField("número de sello")
    custodian_a = ForeignKey(User, PROTECT, related_name="+", verbose_name="custodio A")
    custodian_b = ForeignKey(User, PROTECT, related_name="+", verbose_name="custodio B")
    started_by = ForeignKey(User, PROTECT, related_name="+", verbose_name="pidió el sello")
    started_at = models.DateTimeField("pedido", default=clock.now)
    half_a_hash = models.CharField("hash de la mitad A", max_length=255, blank=True)
    half_b_hash = models.CharField("hash de la mitad B", max_length=255, blank=True)
    revealed_a_at = models.DateTimeField("mitad A mostrada", null=True, blank=True)
    revealed_b_at = models.DateTimeField("mitad B mostrada", null=True, blank=True)
    sealed_a_at = models.DateTimeField("mitad A sellada", null=True, blank=True)
    sealed_b_at = models.DateTimeField("mitad B sellada", null=True, blank=True)
    renew_by = models.DateTimeField("renovar antes de", null=True, blank=True)  # set when both halves are sealed
    # When the custodians were told that it is due in some days, and that it is overdue.
    warned_at = models.DateTimeField("aviso de renovación", null=True, blank=True)
    overdue_told_at = models.DateTimeField("aviso de vencida", null=True, blank=True)
    tries = models.PositiveSmallIntegerField("mitades equivocadas", default=0)
    used_at = models.DateTimeField("usada", null=True, blank=True)
    retired_at = models.DateTimeField("retirada", null=True, blank=True)
    retired_reason = models.CharField("por qué se retiró", max_length=10, choices=RetiredReason, blank=True)

    class Meta:
        verbose_name = "contraseña crítica"
        verbose_name_plural = "contraseñas críticas"
        constraints = [
            UniqueConstraint(name="one_live_credential", fields=["account"], condition=Q(retired_at__isnull=True)),
            UniqueConstraint(name="one_credential_per_generation", fields=["account", "generation"]),
            CheckConstraint(
                name="custodians_are_two",
                condition=~Q(custodian_a=F("custodian_b")),
                violation_error_message="Los custodios son dos personas.",
            ),
            CheckConstraint(name="credentials_count_from_one", condition=Q(generation__gte=1)),
            *(
                CheckConstraint(
                    name=f"half_{half}_revealed_whole",
                    condition=Q(**{f"revealed_{half}_at__isnull": True, f"half_{half}_hash": ""})
                    | (Q(**{f"revealed_{half}_at__isnull": False}) & ~Q(**{f"half_{half}_hash": ""})),
                )
                for half in "ab"
            ),
            *(
                CheckConstraint(
                    name=f"half_{half}_sealed_after_revealed",
                    condition=Q(**{f"sealed_{half}_at__isnull": True})
                    | Q(**{f"revealed_{half}_at__isnull": False, f"sealed_{half}_at__gte": F(f"revealed_{half}_at")}),
                )
                for half in "ab"
            ),
            CheckConstraint(
                name="sealed_credential_has_its_renewal",
                condition=Q(sealed_a_at__isnull=False, sealed_b_at__isnull=False, renew_by__isnull=False)
                | (Q(renew_by__isnull=True) & (Q(sealed_a_at__isnull=True) | Q(sealed_b_at__isnull=True))),
            ),
            CheckConstraint(
                name="used_credential_was_sealed", condition=Q(used_at__isnull=True) | Q(renew_by__isnull=False)
            ),
            CheckConstraint(
                name="three_wrong_halves_retire", condition=Q(tries__lte=2) | Q(tries=3, retired_at__isnull=False)
            ),
            CheckConstraint(
                name="credential_retires_whole",
                condition=Q(retired_at__isnull=True, retired_reason="")
                | Q(retired_at__isnull=False, retired_reason__in=["resealed", "used", "tries", "account"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account} n.º {self.generation}"

    @property
    def is_sealed(self) -> bool:
        """Return True if both custodians said that their half is in its envelope, and the credential is in force."""
        return self.renew_by is not None and self.retired_at is None

    @property
    def is_overdue(self) -> bool:
        """Return True if the sealed password should have been renewed; it still opens an emergency."""
        return self.is_sealed and self.renew_by is not None and self.renew_by <= clock.now()

    @property
    def custodian_ids(self) -> set[int]:
        """Return the keys of the two custodians."""
        return {self.custodian_a_id, self.custodian_b_id}

    def find_half(self, user: User) -> str:
        """Return which half this person keeps, "a" or "b", or "" for anybody else."""
        return {self.custodian_a_id: "a", self.custodian_b_id: "b"}.get(user.pk, "")


class Delegation(Chained):
    """Store that somebody stands in for an absent officer between two dates; another person grants it (M23)."""

    OFFICES = (Office.INFORMATION_OWNER, Office.IT_HEAD, Office.SECURITY_OFFICER)

    office = models.CharField("cargo", max_length=20, choices=[(office.value, office.label) for office in OFFICES])
    absent = ForeignKey(User, PROTECT, related_name="+", verbose_name="ausente")
    alternate = ForeignKey(User, PROTECT, related_name="+", verbose_name="suplente")
    starts_at = models.DateTimeField("desde")
    ends_at = models.DateTimeField("hasta")
    granted_by = ForeignKey(User, PROTECT, related_name="+", verbose_name="otorgó")
    granted_at = models.DateTimeField("otorgada", default=clock.now)
    reason = models.CharField("motivo", max_length=300)
    ended_at = models.DateTimeField("terminada antes", null=True, blank=True)
    ended_by = ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="terminó")

    class Meta:
        verbose_name = "suplencia"
        verbose_name_plural = "suplencias"
        constraints = [
            CheckConstraint(
                name="delegation_office_is_known",
                condition=Q(office__in=["information_owner", "it_head", "security_officer"]),
            ),
            CheckConstraint(
                name="delegation_is_to_another",
                condition=~Q(alternate=F("absent")),
                violation_error_message="El suplente es otra persona.",
            ),
            CheckConstraint(
                name="delegation_not_granted_to_oneself",
                condition=~Q(alternate=F("granted_by")),
                violation_error_message="Nadie se nombra suplente a sí mismo.",
            ),
            CheckConstraint(
                name="delegation_ends_after_it_starts",
                condition=Q(ends_at__gt=F("starts_at")),
                violation_error_message="La suplencia termina antes de empezar.",
            ),
            CheckConstraint(
                name="delegation_has_reason",
                condition=GreaterThanOrEqual(Length(Trim("reason")), 10),
                violation_error_message="Escriba el motivo (al menos 10 caracteres).",
            ),
            CheckConstraint(
                name="delegation_ends_whole",
                condition=Q(ended_at__isnull=True, ended_by__isnull=True)
                | Q(ended_at__isnull=False, ended_by__isnull=False, ended_at__lte=F("ends_at")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.alternate} por {self.absent}: {self.get_office_display()}"

    @property
    def chain(self) -> str:
        return f"user:{self.absent_id}"

    def is_in_force(self, at: datetime | None = None) -> bool:
        """Return True if the alternate stands in for the absent officer at the instant `at`, now by default."""
        at = at or clock.now()
        return self.starts_at <= at < (self.ended_at or self.ends_at)
