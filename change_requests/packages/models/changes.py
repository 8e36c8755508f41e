"""Store a change of a supplier's package: its authorization, licence, who modifies it, and the impact (M28–M31)."""

from django.db import models
from django.db.models import PROTECT, CheckConstraint, F, ForeignKey, OneToOneField, Q, UniqueConstraint
from django.db.models.functions import Length, Trim
from django.db.models.lookups import GreaterThanOrEqual

from accounts.models import RoleAssignment, User
from change_requests.packages.models.files import PackageFile
from change_requests.packages.models.suppliers import SupplierPackage
from factureya.core import clock
from factureya.core.models import Chained

MIN_NEED, MIN_REASON = 20, 10  # characters that a need or a reason has at least


class ChangeStatus(models.TextChoices):
    """Name the statuses of a change, in the order of its seven steps."""

    DRAFT = "draft", "Por autorizar"
    AUTHORIZED = "authorized", "Autorizada"
    LICENCE_CHECKED = "licence_checked", "Licencia revisada"
    OPTION_CHOSEN = "option_chosen", "Definido quién modifica"
    IMPACT_WEIGHED = "impact_weighed", "Impacto ponderado"
    COPIED = "copied", "Con copia identificada"
    TESTED = "tested", "Probada"
    RELEASED = "released", "Liberada"
    REFUSED = "refused", "No procede"
    REVERTED = "reverted", "Revertida"


class PackageChange(Chained):
    """Store one change of a supplier's package; nothing of it exists before the head of IT authorizes it (M28)."""

    Status = ChangeStatus
    PREFIX = "PQ"
    LIVE = (
        ChangeStatus.DRAFT,
        ChangeStatus.AUTHORIZED,
        ChangeStatus.LICENCE_CHECKED,
        ChangeStatus.OPTION_CHOSEN,
        ChangeStatus.IMPACT_WEIGHED,
        ChangeStatus.COPIED,
        ChangeStatus.TESTED,
    )

    class EndReason(models.TextChoices):
        NOT_AUTHORIZED = "not_authorized", "No se autorizó"
        LICENCE = "licence", "La licencia no lo permite"
        CANCELLED = "cancelled", "Se canceló"

    folio = models.CharField("folio", max_length=14, unique=True)
    package = ForeignKey(SupplierPackage, PROTECT, related_name="changes", verbose_name="paquete")
    title = models.CharField("qué se cambia", max_length=120)
    need = models.TextField("por qué hace falta")
    # The copy of the version before that this change carries into the new version, if it is a port (M32).
    port_of = ForeignKey(
        "change_requests.IdentifiedCopy",
        PROTECT,
        null=True,
        blank=True,
        related_name="port_changes",
        verbose_name="lleva",
    )
    status = models.CharField("estado", max_length=15, choices=ChangeStatus, default=ChangeStatus.DRAFT)
    requester = ForeignKey(User, PROTECT, related_name="+", verbose_name="pidió")
    requester_name = models.CharField("nombre de quien pidió", max_length=150)
    requested_at = models.DateTimeField("pedido", default=clock.now)
    authorized_by = ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="autorizó")
    authorized_at = models.DateTimeField("autorizado", null=True, blank=True)
    authorization = ForeignKey(
        RoleAssignment, PROTECT, null=True, blank=True, related_name="+", verbose_name="cargo con el que autorizó"
    )
    authorization_reason = models.TextField("por qué se autoriza", blank=True)
    released_by = ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="liberó")
    released_at = models.DateTimeField("liberado", null=True, blank=True)
    release_note = models.TextField("nota de la liberación", blank=True)
    ended_by = ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="terminó")
    ended_at = models.DateTimeField("terminado", null=True, blank=True)
    end_reason = models.CharField("por qué no procede", max_length=14, choices=EndReason, blank=True)
    end_note = models.TextField("motivo", blank=True)
    reverted_by = ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="revirtió")
    reverted_at = models.DateTimeField("revertido", null=True, blank=True)
    revert_reason = models.TextField("por qué se revirtió", blank=True)
    form_key = models.CharField("clave del formulario", max_length=80, unique=True, null=True, blank=True)

    class Meta:
        verbose_name = "cambio de un paquete"
        verbose_name_plural = "cambios de paquetes"
        constraints = [
            UniqueConstraint(
                name="one_live_change_per_package",
                fields=["package"],
                condition=Q(
                    status__in=[
                        "draft",
                        "authorized",
                        "licence_checked",
                        "option_chosen",
                        "impact_weighed",
                        "copied",
                        "tested",
                    ]
                ),
                violation_error_message="Ese paquete ya tiene un cambio en curso.",
            ),
            CheckConstraint(name="package_change_status_is_known", condition=Q(status__in=ChangeStatus.values)),
            CheckConstraint(
                name="package_change_has_need",
                condition=GreaterThanOrEqual(Length(Trim("title")), 5)
                & Q(GreaterThanOrEqual(Length(Trim("need")), MIN_NEED)),
                violation_error_message="Escriba por qué hace falta (al menos 20 caracteres).",
            ),
            CheckConstraint(
                name="package_change_authorized_first",
                condition=Q(
                    status__in=["draft", "refused"],
                    authorized_by__isnull=True,
                    authorized_at__isnull=True,
                    authorization__isnull=True,
                    authorization_reason="",
                )
                | (
                    ~Q(status="draft")
                    & Q(authorized_by__isnull=False, authorized_at__isnull=False, authorization__isnull=False)
                    & Q(GreaterThanOrEqual(Length(Trim("authorization_reason")), MIN_REASON))
                ),
            ),
            CheckConstraint(
                name="package_change_authorized_by_another",
                condition=Q(authorized_by__isnull=True) | ~Q(authorized_by=F("requester")),
                violation_error_message="Quien pide el cambio no lo autoriza.",
            ),
            CheckConstraint(
                name="package_change_released_whole",
                condition=Q(status__in=["released", "reverted"], released_by__isnull=False, released_at__isnull=False)
                | (
                    ~Q(status__in=["released", "reverted"])
                    & Q(released_by__isnull=True, released_at__isnull=True, release_note="")
                ),
            ),
            CheckConstraint(
                name="package_change_refused_whole",
                condition=(
                    Q(status="refused", ended_by__isnull=False, ended_at__isnull=False)
                    & Q(end_reason__in=["not_authorized", "licence", "cancelled"])
                    & Q(GreaterThanOrEqual(Length(Trim("end_note")), MIN_REASON))
                )
                | (~Q(status="refused") & Q(ended_by__isnull=True, ended_at__isnull=True, end_reason="", end_note="")),
            ),
            CheckConstraint(
                name="package_change_reverted_whole",
                condition=(
                    Q(status="reverted", reverted_by__isnull=False, reverted_at__isnull=False)
                    & Q(GreaterThanOrEqual(Length(Trim("revert_reason")), MIN_REASON))
                )
                | (~Q(status="reverted") & Q(reverted_by__isnull=True, reverted_at__isnull=True, revert_reason="")),
            ),
        ]

    def __str__(self) -> str:
        return self.folio

    @property
    def chain(self) -> str:
        return f"package-change:{self.folio}"

    @property
    def is_live(self) -> bool:
        """Return True if the change is neither released nor ended."""
        return self.status in self.LIVE


class LicenceVerdict(models.Model):
    """Store what the licence says of a change: the verdict, the clause, the document, and the consent if any (M29)."""

    class Verdict(models.TextChoices):
        ALLOWED = "allowed", "Lo permite"
        NEEDS_CONSENT = "needs_consent", "Pide el consentimiento del proveedor"
        FORBIDDEN = "forbidden", "Lo prohíbe"

    change = OneToOneField(PackageChange, PROTECT, related_name="licence_verdict", verbose_name="cambio")
    verdict = models.CharField("dictamen", max_length=13, choices=Verdict)
    clause = models.CharField("cláusula", max_length=60)
    analysis = models.TextField("qué dice y por qué aplica")
    document = ForeignKey(PackageFile, PROTECT, related_name="+", verbose_name="documento de la licencia")
    judged_by = ForeignKey(User, PROTECT, related_name="+", verbose_name="dictaminó")
    judged_by_name = models.CharField("nombre de quien dictaminó", max_length=150)
    judged_at = models.DateTimeField("cuándo", default=clock.now)
    # Written once, and only if the licence asks for it.
    consent = ForeignKey(
        PackageFile, PROTECT, null=True, blank=True, related_name="+", verbose_name="consentimiento del proveedor"
    )
    consent_by = ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="agregó")
    consent_at = models.DateTimeField("consentimiento agregado", null=True, blank=True)

    class Meta:
        verbose_name = "dictamen de la licencia"
        verbose_name_plural = "dictámenes de licencias"
        constraints = [
            CheckConstraint(
                name="licence_verdict_is_known", condition=Q(verdict__in=["allowed", "needs_consent", "forbidden"])
            ),
            CheckConstraint(
                name="licence_verdict_cites_its_clause",
                condition=GreaterThanOrEqual(Length(Trim("clause")), 1)
                & Q(GreaterThanOrEqual(Length(Trim("analysis")), MIN_NEED)),
                violation_error_message="Cite la cláusula y escriba qué dice (al menos 20 caracteres).",
            ),
            CheckConstraint(
                name="licence_consent_is_whole",
                condition=Q(consent__isnull=True, consent_by__isnull=True, consent_at__isnull=True)
                | Q(verdict="needs_consent", consent__isnull=False, consent_by__isnull=False, consent_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.change_id}: {self.get_verdict_display()}"

    @property
    def permits(self) -> bool:
        """Return True if the licence lets the change go on: allowed, or its supplier consented."""
        return self.verdict == self.Verdict.ALLOWED or self.consent_id is not None


class MaintenanceOption(models.Model):
    """Store what speaks for and against one of the three who could modify a package; one is chosen (M30)."""

    class Who(models.TextChoices):
        OWN = "own", "Factureya"
        SUPPLIER = "supplier", "El proveedor"
        THIRD = "third", "Un tercero"

    change = ForeignKey(PackageChange, PROTECT, related_name="options", verbose_name="cambio")
    who = models.CharField("quién", max_length=8, choices=Who)
    in_favour = models.TextField("a favor")
    against = models.TextField("en contra")
    chosen = models.BooleanField("elegida", default=False)
    reason = models.TextField("por qué se elige", blank=True)  # of the chosen one alone
    argued_by = ForeignKey(User, PROTECT, related_name="+", verbose_name="decidió")
    argued_by_name = models.CharField("nombre de quien decidió", max_length=150)
    argued_at = models.DateTimeField("cuándo", default=clock.now)

    class Meta:
        verbose_name = "opción de mantenimiento"
        verbose_name_plural = "opciones de mantenimiento"
        constraints = [
            UniqueConstraint(name="one_option_per_who", fields=["change", "who"]),
            UniqueConstraint(name="one_chosen_option", fields=["change"], condition=Q(chosen=True)),
            CheckConstraint(name="option_who_is_known", condition=Q(who__in=["own", "supplier", "third"])),
            CheckConstraint(
                name="option_is_argued",
                condition=GreaterThanOrEqual(Length(Trim("in_favour")), MIN_REASON)
                & Q(GreaterThanOrEqual(Length(Trim("against")), MIN_REASON)),
                violation_error_message="Escriba qué hay a favor y en contra de las tres (al menos 10 caracteres).",
            ),
            CheckConstraint(
                name="chosen_option_has_reason",
                condition=(Q(chosen=True) & Q(GreaterThanOrEqual(Length(Trim("reason")), MIN_REASON)))
                | Q(chosen=False, reason=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.change_id}: {self.get_who_display()}"


class ImpactEstimate(models.Model):
    """Store what maintaining the changed package will cost, and what support is lost (M31).

    If Factureya itself maintains it, the head of IT signs the estimate too.
    """

    change = OneToOneField(PackageChange, PROTECT, related_name="impact", verbose_name="cambio")
    is_own = models.BooleanField("lo mantiene Factureya")
    hours = models.DecimalField("horas al año", max_digits=7, decimal_places=2)
    cost = models.DecimalField("costo al año", max_digits=12, decimal_places=2)
    risk = models.TextField("riesgo")
    loses_support = models.BooleanField("se pierde soporte del proveedor")
    support = models.TextField("qué pasa con el soporte del proveedor")
    estimated_by = ForeignKey(User, PROTECT, related_name="+", verbose_name="estimó")
    estimated_by_name = models.CharField("nombre de quien estimó", max_length=150)
    estimated_at = models.DateTimeField("cuándo", default=clock.now)
    signed_by = ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="segunda firma")
    signed_at = models.DateTimeField("firmado", null=True, blank=True)

    class Meta:
        verbose_name = "impacto del mantenimiento"
        verbose_name_plural = "impactos del mantenimiento"
        constraints = [
            CheckConstraint(name="impact_is_not_negative", condition=Q(hours__gte=0, cost__gte=0)),
            CheckConstraint(
                name="own_impact_is_weighed",
                condition=Q(is_own=False) | Q(hours__gt=0, cost__gt=0),
                violation_error_message="Si lo mantiene Factureya, escriba las horas y el costo al año.",
            ),
            CheckConstraint(
                name="impact_has_its_texts",
                condition=GreaterThanOrEqual(Length(Trim("risk")), MIN_REASON)
                & Q(GreaterThanOrEqual(Length(Trim("support")), MIN_REASON)),
                violation_error_message="Escriba el riesgo y qué pasa con el soporte (al menos 10 caracteres).",
            ),
            CheckConstraint(
                name="impact_signed_whole",
                condition=Q(signed_by__isnull=True, signed_at__isnull=True)
                | Q(is_own=True, signed_by__isnull=False, signed_at__isnull=False),
            ),
            CheckConstraint(
                name="impact_signed_by_another",
                condition=Q(signed_by__isnull=True) | ~Q(signed_by=F("estimated_by")),
                violation_error_message="Quien estimó el impacto no lo firma.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.change_id}: {self.hours} horas"

    @property
    def is_complete(self) -> bool:
        """Return True if nothing is missing: the head of IT signed, or Factureya does not maintain it."""
        return not self.is_own or self.signed_by_id is not None
