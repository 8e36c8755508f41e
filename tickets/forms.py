"""Define the customer's forms. Every field has its own Spanish message for each kind of error (M16, M17)."""

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from django import forms
from django.core.validators import MaxLengthValidator
from django.utils.html import format_html
from django.utils.safestring import SafeString

from factureya.core import numbers
from factureya.core.files import store
from factureya.core.forms import FilesField, FilesMixin, PortalForm, Text
from factureya.core.models import Attachment
from tickets import message_text
from tickets.catalogue.models import Team
from tickets.catalogue.reading import find_team, is_for_customers, list_categories
from tickets.models import NUMBER_PREFIX, Ticket

MAX_SUBJECT = 120
CFDI_UUID_CHARACTERS = 36
MAX_PASTED = 200  # of a folio with what was copied along with it
WRONG_UUID_LENGTH = "El folio fiscal debe tener 36 caracteres; escribió %(show_value)d"
WRONG_NUMBER = "Revise el número: hay un carácter cambiado"


def _by_kind(problem: str, question: str) -> SafeString:
    """Return a field's label in two wordings, for a problem and for a question. The stylesheet hides one of them."""
    return format_html('<span class="fy-if-problem">{}</span><span class="fy-if-question">{}</span>', problem, question)


class CategoryField(forms.ChoiceField):
    """Offer the categories in use; they are read only when they are shown.

    A posted category must be one that customers choose. Whether it is still in use, the operation asks, which refuses.
    """

    def valid_value(self, value: str) -> bool:
        return is_for_customers(value)


class TicketForm(FilesMixin):
    """Ask for a new ticket, guided (M17): what it is about, how it hurts, what happened, the steps (M4)."""

    NO_DESCRIPTION = "Escriba qué pasó"
    NO_QUESTION = "Escriba qué necesita saber"
    NO_STEPS = "Escriba los pasos que siguió, para que podamos reproducir el problema"
    asks_steps = True  # a form that an agent fills in asks nobody for them

    subject = forms.CharField(
        label=_by_kind("¿Cuál es el problema?", "¿De qué se trata?"),
        help_text=_by_kind(
            "Una frase con un solo problema. Si tiene dos, levante dos tickets.",
            "Una frase con un solo asunto. Si tiene dos, levante dos tickets.",
        ),
        max_length=MAX_SUBJECT,
        widget=forms.TextInput(),
        error_messages={
            "required": "Escriba el problema en una frase, por ejemplo el mensaje que le muestra el sistema",
            "max_length": "El problema va en una frase de hasta 120 caracteres; escribió %(show_value)d",
            "null_characters_not_allowed": "La frase trae un carácter que no se puede guardar; escríbala de nuevo",
        },
    )
    category = CategoryField(
        label="¿Sobre qué es?",
        widget=forms.Select(),  # `__init__` sets how the choices are read
        error_messages={
            "required": "Elija sobre qué es el problema",
            "invalid_choice": "Elija sobre qué es el problema, de la lista",
        },
    )
    impact = forms.TypedChoiceField(
        label="¿Cómo le afecta?",
        choices=list(reversed(Ticket.Impact.choices)),
        coerce=int,
        widget=forms.RadioSelect(),
        error_messages={
            "required": "Elija cómo le afecta",
            "invalid_choice": "Elija cómo le afecta, de las tres opciones",
        },
    )
    description = Text(
        label=_by_kind("¿Qué pasó?", "¿Qué necesita saber?"),
        help_text=_by_kind("Copie tal cual el mensaje de error, si aparece.", ""),
        missing=NO_DESCRIPTION,
    )
    steps = Text(
        label="¿Qué pasos siguió?",
        help_text="Uno por renglón, desde que entró hasta que falló. Con esto lo reproducimos sin llamarle.",
        required=False,
    )
    expected = Text(label="¿Qué esperaba que pasara? (opcional)", required=False, rows=2)
    cfdi_uuid = forms.CharField(
        label="Folio fiscal (opcional)",
        help_text="Si el problema es con un comprobante. Tiene 36 caracteres y está al pie del PDF.",
        required=False,
        validators=[MaxLengthValidator(MAX_PASTED, WRONG_UUID_LENGTH)],
        widget=forms.TextInput(attrs={"class": "fy-mono", "autocomplete": "off", "spellcheck": "false"}),
        error_messages={
            "null_characters_not_allowed": "El folio fiscal trae un carácter que no se puede guardar; cópielo de nuevo"
        },
    )
    files = FilesField(  # type: ignore[assignment]
        _by_kind("Imágenes de la pantalla y archivos (opcional)", "Archivos (opcional)")
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        list_once = cache(lambda: [("", "Elija una opción"), *list_categories(for_customers=True)])
        self.fields["category"].choices = list_once  # type: ignore[attr-defined]
        for name in ("steps", "expected"):  # by it the stylesheet tells an empty box
            self.fields[name].widget.attrs["placeholder"] = " "

    def full_clean(self) -> None:
        """Validate the form of a new ticket. If the customer left the text of a question empty, the error says so."""
        if self.is_bound and self.is_question and "description" in self.fields:  # for a mail there is no such field
            self.fields["description"].error_messages["required"] = self.NO_QUESTION
        super().full_clean()

    @property
    def is_question(self) -> bool:
        """Return whether the customer chose a question or a sale, which needs no steps to reproduce it (M4)."""
        has_question_impact = self["impact"].value() == str(Ticket.Impact.QUESTION.value)
        return has_question_impact or find_team(str(self["category"].value() or "")) == Team.SALES

    def clean(self) -> dict[str, Any]:
        """Require the steps that led to a problem. A question needs none, and agents are not asked for them (M17)."""
        data = super().clean() or {}
        is_missing = not data.get("steps") and "steps" not in self.errors
        if is_missing and self.asks_steps and not self.is_question:
            self.add_error("steps", self.NO_STEPS)
        return data

    def clean_subject(self) -> str:
        return " ".join(self.cleaned_data["subject"].split())

    def clean_cfdi_uuid(self) -> str:
        """Return the fiscal folio, typed with or without hyphens, in upper case with them; "" if none was typed."""
        text = self.cleaned_data["cfdi_uuid"].strip()
        if not text:
            return ""
        compact = text.replace("-", "")
        if len(text) != CFDI_UUID_CHARACTERS and len(compact) != CFDI_UUID_CHARACTERS - 4:  # without its 4 hyphens
            raise forms.ValidationError(
                f"El folio fiscal debe tener {CFDI_UUID_CHARACTERS} caracteres; escribió {len(text)}"
            )
        if not re.fullmatch(r"[0-9A-Fa-f]{32}", compact):
            raise forms.ValidationError(
                "El folio fiscal lleva números, letras de la A a la F y guiones; cópielo del pie del PDF"
            )
        return numbers.format_fiscal_folio(text)

    def build_arguments(self) -> dict[str, Any]:
        """Return what the person typed as arguments of `operations.open_ticket`; the answers become one text."""
        data = self.cleaned_data
        body = join_answers(data["description"], data["steps"], data["expected"])
        return {
            "subject": data["subject"],
            "category": data["category"],
            "impact": data["impact"],
            "body": body,
            "files": self.kept,  # stored when the form was posted
            **{name: data[name] for name in Ticket.FACTS},
        }

    @property
    def facts(self) -> list[forms.BoundField]:
        return [self[name] for name in Ticket.FACTS]


class InformationForm(FilesMixin):
    """Ask for a message of the customer in an open ticket; files alone are enough (M11, M13)."""

    body = Text(label="Su mensaje", help_text="Lo lee quien tiene su caso.", required=False)
    files = FilesField("Archivos (opcional)")  # type: ignore[assignment]
    MISSING = "Escriba su mensaje o agregue un archivo"

    def __init__(self, *args: Any, is_waiting: bool = False, is_confirming: bool = False, **options: Any) -> None:
        self.is_confirming = is_confirming  # «Enviar y confirmar»: a text is welcome, not needed
        super().__init__(*args, **options)
        if is_waiting:
            self.fields["body"].help_text = "Al enviarlo, el ticket vuelve a Abierto y el plazo se detiene."

    def take_files(self, kept: list[Attachment], refusals: Iterable[store.RefusedFile]) -> None:
        """Keep the stored files (`kept`) in the form of a customer's message, and require that it has a text or a file.

        A confirmation that the problem is solved needs neither. `refusals` are the files that were not accepted.
        """
        super().take_files(kept, refusals)
        is_empty = not kept and not self.errors and not self.cleaned_data["body"].strip()
        if is_empty and not self.is_confirming:
            self.add_error("body", self.MISSING)

    def build_arguments(self) -> dict[str, Any]:
        """Return the customer's message as arguments of the operations. If it has only files, its text names them."""
        body = self.cleaned_data["body"].strip()
        if not body and self.kept:
            body = "Adjunto: " + ", ".join(file.name for file in self.kept)
        return {"body": body, "files": self.kept}


class FollowUpForm(InformationForm):
    """Ask what is still wrong, for the ticket that continues a closed one (M12)."""

    MISSING = "Escriba qué sigue pasando"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["body"].label = "¿Qué sigue pasando?"
        self.fields["body"].help_text = "No hace falta repetir lo anterior: la conversación queda enlazada."


class LookUpForm(PortalForm):
    """Ask for number and registered mail (M10, M16). The check character finds a mistyped number."""

    number = forms.CharField(
        label="Número de seguimiento",
        help_text="Con o sin guiones, mayúsculas o minúsculas.",
        max_length=40,
        widget=forms.TextInput(
            attrs={"class": "fy-mono", "autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
        ),
        error_messages={
            "required": "Escriba su número de seguimiento, por ejemplo FY-7K4M-92Q0",
            "max_length": "El número tiene 8 caracteres después de FY, por ejemplo FY-7K4M-92Q0",
            "null_characters_not_allowed": WRONG_NUMBER,
        },
    )
    email = forms.EmailField(
        label="Correo registrado",
        help_text="El que dio de alta en Factureya.",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
        error_messages={
            "required": "Escriba su correo registrado",
            "invalid": "Escriba el correo completo, como nombre@empresa.com",
            "max_length": "Un correo tiene hasta 254 caracteres; escribió %(show_value)d",
            "null_characters_not_allowed": "Escriba el correo completo, como nombre@empresa.com",
        },
    )

    def clean_number(self) -> str:
        """Return the ticket's number as we write it. The error says if its length is wrong, or a character in it."""
        text = self.cleaned_data["number"]
        try:
            return numbers.parse_number(NUMBER_PREFIX, text)
        except numbers.InvalidNumber as error:
            compact = re.sub(r"[\s\-–]", "", text)  # "FY-7K4M-92Q0" becomes "FY7K4M92Q0"; FY may be missing
            length = len(compact) - 2 if compact.upper().startswith(NUMBER_PREFIX) else len(compact)
            if length != numbers.RANDOM_CHARACTERS + 1:  # with the check character
                raise forms.ValidationError(
                    f"El número tiene 8 caracteres después de FY; escribió {max(length, 0)}"
                ) from error
            raise forms.ValidationError(WRONG_NUMBER) from error

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


def join_answers(description: str, steps: str, expected: str = "") -> str:
    """Return the ticket form's answers as one text: description, numbered steps and expected result under headings."""
    lines = [drop_number(line) for line in steps.splitlines() if line.strip()]
    numbered = "\n".join(f"{position}. {line}" for position, line in enumerate(lines, 1))
    parts = [_trim_lines(description)]
    if numbered:  # a ticket opened by phone may have none
        parts.append(f"{message_text.STEPS}:\n{numbered}")
    if expected.strip():
        parts.append(f"{message_text.EXPECTED}:\n{_trim_lines(expected)}")
    return "\n\n".join(parts)


def drop_number(line: str) -> str:
    """Return a step without the number that its writer put before it, because the steps are numbered anew."""
    match = message_text.NUMBERED_LINE.fullmatch(line)  # "2) Abrir": group 2 is "Abrir"
    return match.group(2).strip() if match else line.strip()


def _trim_lines(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
