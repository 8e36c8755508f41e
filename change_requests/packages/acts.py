"""What a person may do with a change, step by step: each with its words, its form and its operation (M28–M32)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from accounts.models import Proof, User
from change_requests.packages import forms, operations
from change_requests.packages.forms_common import PackageForm
from change_requests.packages.models import PackageChange

Perform = Callable[[PackageChange, User, Proof, dict[str, Any]], PackageChange]


@dataclass(frozen=True)
class Act:
    """Hold an act: its name in `policy.list_acts`, its words, its form, and what is done and said."""

    name: str
    path: str  # the last part of its address
    title: str
    lead: str
    button: str
    form_class: type[PackageForm]
    perform: Perform
    done: str
    is_bad: bool = False
    template: str = "packages/partials/act.html"


def _call(operation: Callable[..., PackageChange]) -> Perform:
    """Return a function that calls the operation with the form's arguments."""

    def perform(change: PackageChange, actor: User, proof: Proof, arguments: dict[str, Any]) -> PackageChange:
        return operation(change.pk, actor=actor, proof=proof, **arguments)

    return perform


def _decide(change: PackageChange, actor: User, proof: Proof, arguments: dict[str, Any]) -> PackageChange:
    """Authorize or refuse a change, as the form says."""
    is_authorized = arguments["verdict"] == forms.AUTHORIZE
    operation = operations.authorize_change if is_authorized else operations.refuse_change
    return operation(change.pk, reason=arguments["reason"], actor=actor, proof=proof)


ACTS = (
    Act(
        "authorize",
        "autorizar",
        "1. ¿Autoriza este cambio?",
        "Hasta que lo autorice no se mueve nada, tampoco se sube nada.",
        "Registrar mi decisión",
        forms.AuthorizeForm,
        _decide,
        "Quedó registrada su decisión; avisamos a quien lo pidió.",
    ),
    Act(
        "judge_licence",
        "licencia",
        "2. Dictamine la licencia",
        "Cite la cláusula y suba el documento. Si lo prohíbe, el cambio termina aquí.",
        "Registrar el dictamen",
        forms.LicenceForm,
        _call(operations.judge_licence),
        "Quedó registrado el dictamen.",
    ),
    Act(
        "add_consent",
        "consentimiento",
        "2. Suba el consentimiento del proveedor",
        "La licencia lo pide; sin él no se sigue.",
        "Agregar el consentimiento",
        forms.ConsentForm,
        _call(operations.add_consent),
        "Quedó agregado el consentimiento; sigue decidir quién modifica.",
    ),
    Act(
        "choose_option",
        "opciones",
        "3. Decida quién lo modifica",
        "Escriba qué hay a favor y en contra de las tres opciones; después elija una.",
        "Registrar la decisión",
        forms.OptionsForm,
        _call(operations.choose_option),
        "Quedó decidido quién lo modifica.",
        template="packages/partials/act_options.html",
    ),
    Act(
        "estimate_impact",
        "impacto",
        "4. Pondere el impacto de mantenerlo",
        "Qué cuesta cada año, qué puede salir mal y qué pasa con el soporte.",
        "Registrar el impacto",
        forms.ImpactForm,
        _call(operations.estimate_impact),
        "Quedó registrado el impacto.",
    ),
    Act(
        "sign_impact",
        "firmar-impacto",
        "4. Firme el impacto",
        "Factureya lo mantendrá: hace falta la firma del Responsable del Área Informática. Léalo en «Lo ya decidido».",
        "Firmar el impacto",
        forms.SignForm,
        _call(operations.sign_impact),
        "Quedó firmado; sigue la copia identificada.",
    ),
    Act(
        "make_copy",
        "copia",
        "5. Suba la copia identificada",
        "El original no se toca. La copia lleva su propia etiqueta y su propia huella; si fuera igual al original, se "
        "rechaza.",
        "Pasar a pruebas",
        forms.CopyForm,
        _call(operations.make_copy),
        "Quedó guardada la copia; ahora la prueba alguien más.",
        template="packages/partials/act_copy.html",
    ),
    Act(
        "test_copy",
        "prueba",
        "6. Pruebe la copia",
        "Descárguela abajo, de «Lo ya decidido». La prueba alguien distinto de quien la hizo.",
        "Registrar la prueba",
        forms.TestForm,
        _call(operations.record_test),
        "Quedó registrada la prueba.",
    ),
    Act(
        "release",
        "liberar",
        "7. Libere la copia",
        "Desde entonces los clientes usan esta copia. Volver al original es un botón.",
        "Liberar la copia",
        forms.ReleaseForm,
        _call(operations.release_change),
        "La copia quedó en uso.",
    ),
    Act(
        "revert",
        "revertir",
        "Volver al original",
        "El original vuelve a estar en uso, byte por byte el que entregó el proveedor. La copia se conserva.",
        "Volver al original",
        forms.RevertChangeForm,
        _call(operations.revert_change),
        "El original está en uso otra vez; puede descargarlo en esta página.",
        is_bad=True,
    ),
    Act(
        "cancel",
        "cancelar",
        "Cancelar el cambio",
        "Termina aquí; se puede pedir otro.",
        "Cancelar el cambio",
        forms.CancelChangeForm,
        _call(operations.cancel_change),
        "El cambio se canceló.",
        is_bad=True,
    ),
)
