"""The forms of packages: register one, ask for a change, and each step of a change (M28–M32)."""

from collections.abc import Iterable
from typing import Any

from change_requests.control.views_common import ActForm, Reason, RefusableForm, make_choice
from change_requests.kinds.inputs import Choice, Day, Line, Tick
from change_requests.packages.forms_common import Number, PackageForm, UploadField
from change_requests.packages.models import (
    FileKind,
    IdentifiedCopy,
    LicenceVerdict,
    MaintenanceOption,
    PackagePort,
    SupplierPackage,
)
from change_requests.packages.models.changes import MIN_NEED, MIN_REASON

MAX_TEXT = 4000
AUTHORIZE, REFUSE = "authorize", "refuse"
PASSED, FAILED = "passed", "failed"
Verdict, Who, Outcome = LicenceVerdict.Verdict, MaintenanceOption.Who, PackagePort.Outcome
LARGE = "ZIP o TAR.GZ, hasta 500 MB. Puede cerrar esta página: la subida sigue donde quedó."


class RegisterForm(PackageForm):
    """Ask for what is known of a supplier's package, and for its original (M28, M32)."""

    supplier = Line(label="Proveedor", missing="Escriba el proveedor", most=120)
    name = Line(label="Paquete", help_text="Por ejemplo PAC-500.", missing="Escriba el nombre del paquete", most=60)
    version = Line(label="Versión", help_text="Por ejemplo v3.2.", missing="Escriba la versión", most=30)
    software = Line(label="Software", missing="Escriba qué software trae", most=120)
    credits = Number(label="Créditos", places=0, least=1, missing="Escriba cuántos créditos trae, con número")
    price = Number(label="Precio en pesos", help_text="Sin IVA.", missing="Escriba el precio, por ejemplo 845.00")
    months = Number(
        label="Meses de vigencia de los créditos",
        places=0,
        digits=3,
        least=1,
        missing="Escriba cuántos meses valen los créditos, con número",
    )
    valid_from = Day(label="Se vende desde", missing="Escriba desde qué día se vende")
    valid_until = Day(label="Se vende hasta (opcional)", required=False)
    licence_name = Line(label="Licencia", missing="Escriba cómo se llama la licencia o el contrato", most=120)
    licence_text = Reason(
        label="Qué dice la licencia sobre modificarlo",
        help_text="Con su cláusula.",
        most=MAX_TEXT,
        missing="Escriba qué dice la licencia sobre modificarlo",
    )
    replaces = Choice(
        label="Reemplaza a (opcional)", is_list=True, required=False, missing="Elija un paquete de la lista"
    )
    original = UploadField(
        FileKind.ORIGINAL, label="Original del proveedor", help_text=LARGE, missing="Suba el original del proveedor"
    )

    def __init__(self, *args: Any, packages: Iterable[SupplierPackage] = (), **options: Any) -> None:
        """Make the form; `packages` are those that the new one may replace."""
        super().__init__(*args, **options)
        self.packages = {str(package.pk): package for package in packages}
        choices = [(key, f"{package}, {package.supplier}") for key, package in self.packages.items()]
        self.fields["replaces"].choices = [("", "A ninguno"), *choices]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Validate that the package is not sold until before it is sold."""
        data = super().clean()
        first, last = data.get("valid_from"), data.get("valid_until")
        if first and last and last < first:
            self.add_error("valid_until", "Termina después de que empieza")
        return data

    def make_arguments(self) -> dict[str, Any]:
        """Return the package as its operation takes it."""
        data = super().make_arguments()
        data |= {name: int(data[name]) for name in ("credits", "months")}
        replaced = self.packages.get(data.pop("replaces"))
        return {**data, "replaces_pk": replaced.pk if replaced else None}


class AskForm(PackageForm):
    """Ask what is to change in a package, and why (M28)."""

    package = Choice(label="Paquete", is_list=True, missing="Elija un paquete de la lista")
    title = Line(
        label="Qué se cambia", help_text="Por ejemplo: avisar cuando queden 20 créditos.", missing="", most=120
    )
    need = Reason(
        label="Por qué hace falta",
        least=MIN_NEED,
        most=MAX_TEXT,
        rows=4,
        help_text=f"Al menos {MIN_NEED} caracteres. Con esto decide el Responsable del Área Informática.",
        missing="Escriba por qué hace falta",
    )

    def __init__(
        self, *args: Any, packages: Iterable[SupplierPackage] = (), ported: IdentifiedCopy | None = None, **options: Any
    ) -> None:
        """Make the form; `packages` are those that may be changed, `ported` is the copy that the change carries."""
        super().__init__(*args, **options)
        self.ported = ported
        choices = [(str(package.pk), f"{package}, {package.supplier}") for package in packages]
        self.fields["package"].choices = [("", "Elija un paquete"), *choices]  # type: ignore[attr-defined]
        self.fields["title"].error_messages["required"] = "Escriba qué se cambia"

    def make_arguments(self) -> dict[str, Any]:
        """Return the change as its operation takes it."""
        data = super().make_arguments()
        package_pk = int(data.pop("package"))
        return {**data, "package_pk": package_pk, "port_of_pk": self.ported.pk if self.ported else None}


class AuthorizeForm(PackageForm):
    """Ask the head of IT whether a change is authorized (M28)."""

    asks_password = True
    verdict = Choice(
        label="Decisión",
        choices=[
            (AUTHORIZE, make_choice("Autorizar", "Siguen la licencia y las opciones; hasta entonces nada se mueve")),
            (REFUSE, make_choice("No autorizar", "Termina aquí; se puede pedir otro")),
        ],
        missing="Elija si lo autoriza",
    )
    reason = Reason(
        label="Razón de su decisión",
        most=MAX_TEXT,
        help_text="Obligatoria también al autorizar. Queda en el expediente.",
        missing="Escriba la razón de su decisión",
    )


class LicenceForm(PackageForm):
    """Ask for the verdict on the licence, with its clause and its document (M29)."""

    asks_password = True
    verdict = Choice(
        label="Dictamen",
        choices=[
            (Verdict.ALLOWED, make_choice("Lo permite", "El cambio sigue")),
            (Verdict.NEEDS_CONSENT, make_choice("Pide consentimiento", "Sigue cuando el proveedor lo dé por escrito")),
            (Verdict.FORBIDDEN, make_choice("Lo prohíbe", "Termina aquí, sin vuelta atrás")),
        ],
        missing="Elija el dictamen",
    )
    clause = Line(label="Cláusula", help_text="Por ejemplo 7.2.", missing="Escriba la cláusula", most=60)
    analysis = Reason(
        label="Qué dice y por qué aplica",
        least=MIN_NEED,
        most=MAX_TEXT,
        missing="Escriba qué dice la cláusula y por qué aplica",
        help_text=f"Al menos {MIN_NEED} caracteres.",
    )
    document = UploadField(
        FileKind.LICENCE,
        label="Licencia o contrato",
        help_text="PDF, hasta 10 MB.",
        missing="Suba el documento de la licencia",
    )
    consent = UploadField(
        FileKind.CONSENT,
        label="Consentimiento del proveedor (opcional)",
        help_text="PDF, hasta 10 MB. Solo si la licencia lo pide; puede agregarlo después.",
    )

    def clean(self) -> dict[str, Any]:
        """Validate that a consent comes only with the verdict that asks for it."""
        data = super().clean()
        if self.uploads.get(FileKind.CONSENT) and data.get("verdict") in (Verdict.ALLOWED, Verdict.FORBIDDEN):
            self.add_error("consent", "Va solo si la licencia pide consentimiento; cancele esta subida")
        return data


class ConsentForm(PackageForm):
    """Ask for the supplier's written consent (M29)."""

    asks_password = True
    consent = UploadField(
        FileKind.CONSENT,
        label="Consentimiento del proveedor",
        help_text="PDF, hasta 10 MB.",
        missing="Suba el consentimiento del proveedor",
    )


def _argue(label: str) -> Reason:
    """Return the field for what speaks for or against one option."""
    return Reason(label=label, most=MAX_TEXT, rows=2, missing="Escriba los argumentos de las tres opciones")


class OptionsForm(PackageForm):
    """Ask what speaks for and against each of the three who could modify it, and which one is chosen (M30)."""

    asks_password = True
    own_in_favour = _argue("A favor")
    own_against = _argue("En contra")
    supplier_in_favour = _argue("A favor")
    supplier_against = _argue("En contra")
    third_in_favour = _argue("A favor")
    third_against = _argue("En contra")
    chosen = Choice(label="Quién lo modifica", choices=Who.choices, missing="Elija quién lo modifica")
    reason = Reason(label="Por qué", most=MAX_TEXT, missing="Escriba por qué se elige")

    @property
    def groups(self) -> list[dict[str, Any]]:
        """Return the three options, each with its name and its two fields, for the page."""
        return [
            {"label": label, "in_favour": self[f"{who}_in_favour"], "against": self[f"{who}_against"]}
            for who, label in Who.choices
        ]

    def make_arguments(self) -> dict[str, Any]:
        """Return the options as the operation takes them: by who, a pair of what is for and against."""
        data = super().make_arguments()
        pairs = {who: (data.pop(f"{who}_in_favour"), data.pop(f"{who}_against")) for who in Who.values}
        return {**data, "arguments": pairs}


class ImpactForm(PackageForm):
    """Ask what it costs to maintain the change, its risk, and what happens to the supplier's support (M31)."""

    hours = Number(label="Horas al año", digits=7, missing="Escriba las horas al año, por ejemplo 6")
    cost = Number(label="Costo al año en pesos", digits=12, missing="Escriba el costo al año, por ejemplo 5,400.00")
    risk = Reason(label="Riesgo", most=MAX_TEXT, missing="Escriba qué puede salir mal")
    loses_support = Tick(label="Se pierde soporte del proveedor", required=False)
    support = Reason(
        label="Qué pasa con el soporte del proveedor", most=MAX_TEXT, missing="Escriba qué pasa con el soporte"
    )


class SignForm(PackageForm):
    """Ask the head of IT to sign the impact of our own maintenance: nothing but the password (M31)."""

    asks_password = True


class CopyForm(PackageForm):
    """Ask for the changed copy, its patch, and how to apply it again in a new version (M32)."""

    copy = UploadField(FileKind.COPY, label="Copia modificada", help_text=LARGE, missing="Suba la copia modificada")
    patch = UploadField(
        FileKind.PATCH,
        label="Parche frente al original",
        help_text="Formato diff; con él se vuelve a aplicar en cada versión nueva.",
        missing="Suba el parche",
    )
    change_log = Reason(label="Qué cambió", most=MAX_TEXT, missing="Escriba qué cambió")
    reapply_notes = Reason(
        label="Cómo volver a aplicarlo en una versión nueva",
        most=MAX_TEXT,
        missing="Escriba cómo volver a aplicarlo en una versión nueva",
    )


class TestForm(PackageForm):
    """Ask somebody else than who made the copy whether it works (M32)."""

    __test__ = False  # it is no test of pytest's
    asks_password = True
    # The copy that the person saw; the page writes it, so that a form that was refused has the copy of the new page.
    seen_hash = ActForm.base_fields["seen_hash"]  # type: ignore[assignment]
    passed = Choice(
        label="Resultado",
        choices=[
            (PASSED, make_choice("Funciona", "Sigue liberarla")),
            (FAILED, make_choice("No funciona", "Vuelve al paso 5: hace falta otra copia")),
        ],
        missing="Elija el resultado",
    )
    notes = Reason(label="Qué se probó", most=MAX_TEXT, missing="Escriba qué se probó y qué pasó")

    def make_arguments(self) -> dict[str, Any]:
        """Return the test as its operation takes it."""
        data = super().make_arguments()
        return {**data, "passed": data["passed"] == PASSED, "seen_hash": self.cleaned_data["seen_hash"]}


class ReleaseForm(PackageForm):
    """Ask to put a tested copy into use (M32)."""

    asks_password = True
    note = Reason(label="Nota de la liberación", most=MAX_TEXT, rows=2, missing="Escriba qué se libera y desde cuándo")


class RevertChangeForm(PackageForm):
    """Ask why the original comes back into use (M32)."""

    asks_password = True
    reason = Reason(label="Por qué se vuelve al original", most=MAX_TEXT, rows=2, missing="Escriba por qué se vuelve")


class CancelChangeForm(PackageForm):
    """Ask why a change is given up."""

    reason = Reason(label="Por qué se cancela", most=MAX_TEXT, rows=2, missing="Escriba por qué se cancela")


class EndSaleForm(RefusableForm):
    """Ask until when a package is sold (M28)."""

    valid_until = Day(
        label="Se vende hasta",
        help_text="Se anota una vez; después no cambia.",
        missing="Escriba hasta qué día se vende",
    )


class PortForm(RefusableForm):
    """Ask what became of a copy in a newer version of its package (M32)."""

    outcome = Choice(
        label="Resultado",
        choices=[
            (Outcome.CONFLICT, make_choice("En conflicto", "El parche ya no entra; hace falta un cambio nuevo")),
            (Outcome.NOT_NEEDED, make_choice("Ya no hace falta", "El proveedor lo trae, o nadie lo necesita")),
        ],
        missing="Elija el resultado",
    )
    notes = Reason(
        label="Nota", most=MAX_TEXT, rows=2, missing="Escriba qué pasó", help_text=f"Al menos {MIN_REASON} caracteres."
    )
    copy: IdentifiedCopy | None = None
