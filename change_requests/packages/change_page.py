"""One change of a package as its page shows it to one person: steps, decisions, what is missing (M28–M32)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from accounts.models import User
from change_requests.packages import operations, policy, progress, wording
from change_requests.packages.models import IdentifiedCopy, MaintenanceOption, PackageChange, PackageFile
from change_requests.packages.wording import Chip
from factureya.core.templatetags.fy import when

Status = PackageChange.Status
MISSING_TITLES = {"Probada": "Probada por alguien más", "Liberada": "Liberada; volver al original es un botón"}
DONE, NOW, AHEAD = "done", "now", "todo"
JOINED = (
    "package__original__check_row",
    "package__in_use",
    "requester",
    "authorized_by",
    "released_by",
    "ended_by",
    "reverted_by",
    "port_of__package",
    "licence_verdict__document",
    "licence_verdict__consent",
    "licence_verdict__consent_by",
    "impact__signed_by",
)


@dataclass(frozen=True)
class Step:
    """Hold a step of a change: done, now or todo."""

    title: str
    state: str


@dataclass(frozen=True)
class Decided:
    """Hold what was decided in one step: the result, who and when, the words that were written, and its files."""

    title: str
    result: str
    who: str
    words: Sequence[tuple[str, str]] = ()  # (what it is about, the text)
    files: Sequence[PackageFile] = ()


@dataclass(frozen=True)
class OthersUpload:
    """Hold an upload that somebody else began; `may_drop` says that the reader may cancel it."""

    token: str
    text: str
    may_drop: bool


@dataclass(frozen=True)
class Missing:
    """Hold a step that is still to do, and whose turn it is if it is the first one."""

    title: str
    detail: str
    is_now: bool


class ChangePage:
    """Read what the page of a change shows; everything is read once, when it is asked for."""

    def __init__(self, change: PackageChange, user: User) -> None:
        self.change, self.user = change, user
        self.package, self.original = change.package, change.package.original
        self.chip: Chip = wording.make_change_chip(change)
        self.title = f"{self.package}: {change.title}"
        self.asked = f"Lo pidió {change.requester_name}, {when(change.requested_at)}"
        self.original_sha256 = wording.group_hash(self.original.sha256)
        self.checked = wording.describe_check(self.original)

    @cached_property
    def acts(self) -> list[str]:
        """Return the names of what the reader may do now."""
        return policy.list_acts(self.user, self.change)

    @cached_property
    def copies(self) -> list[IdentifiedCopy]:
        """Return the identified copies of the change, the oldest first; the last one is the one that counts."""
        joined = ("file", "patch", "tested_by")
        return list(self.change.copies.select_related(*joined).order_by("number"))

    @cached_property
    def options(self) -> list[MaintenanceOption]:
        """Return the three options of who modifies the package, or none."""
        return list(self.change.options.order_by("pk"))

    @cached_property
    def others_uploads(self) -> list[OthersUpload]:
        """Return what others upload for the change: while it is there, nobody else uploads a file of its kind."""
        uploads = self.change.uploads.exclude(started_by=self.user).select_related("started_by").order_by("pk")
        return [
            OthersUpload(
                upload.token,
                f"{upload.started_by} sube «{upload.name}»: {wording.describe_progress(upload)}",
                policy.why_not_drop_upload(self.user, upload) is None,
            )
            for upload in uploads
        ]

    @property
    def next_label(self) -> str:
        """Return the label that the next copy of this package will have."""
        return self.package.make_label(operations.find_next_number(self.package))

    @property
    def steps(self) -> list[Step]:
        """Return the seven steps: of an ended change those that were done, and none is now."""
        present = progress.find_step(self.change)
        done = (
            present - 1
            if present
            else len({part.title for part in self.decided})
            if self.is_refused
            else len(progress.STEPS)
        )
        states = [DONE if n <= done else NOW if n == present else AHEAD for n in range(1, len(progress.STEPS) + 1)]
        return [Step(title, state) for title, state in zip(progress.STEPS, states, strict=True)]

    @property
    def missing(self) -> list[Missing]:
        """Return the steps that are still to do; of the first one whose turn it is."""
        present = progress.find_step(self.change)
        if not present:
            return []
        detail = self._list_offices()
        return [
            Missing(MISSING_TITLES.get(title, title), detail, is_now=number == present)
            for number, title in enumerate(progress.STEPS[present - 1 :], present)
        ]

    @property
    def is_refused(self) -> bool:
        """Return True if the change ended before it was released."""
        return self.change.status == Status.REFUSED

    @property
    def turn(self) -> str:
        """Return what the change waits for and of whom, for who can do nothing now; "" for an ended one."""
        turn = progress.find_turn(self.change)
        if turn is None:
            return ""
        return f"Falta {turn.text}. Le toca a: {self._list_offices()}."

    def _list_offices(self) -> str:
        """Return the offices whose turn it is; "" for an ended change."""
        turn = progress.find_turn(self.change)
        return " o ".join(str(office.label) for office in turn.offices) if turn else ""

    @property
    def end(self) -> tuple[str, str]:
        """Return how a refused or reverted change ended, and the words of who ended it."""
        change = self.change
        if self.is_refused:
            return f"{change.get_end_reason_display()} · {change.ended_by}, {when(change.ended_at)}", change.end_note
        if change.status == Status.REVERTED:
            return f"Volvió el original · {change.reverted_by}, {when(change.reverted_at)}", change.revert_reason
        return "", ""

    @cached_property
    def decided(self) -> list[Decided]:
        """Return what was decided so far, in the order of the steps."""
        parts = (
            self._tell_authorization(),
            self._tell_licence(),
            self._tell_options(),
            self._tell_impact(),
            *self._tell_copies(),
            self._tell_release(),
        )
        return [part for part in parts if part is not None]

    def _tell_authorization(self) -> Decided | None:
        change = self.change
        if change.authorized_at is None:
            return None
        who = f"{change.authorized_by}, Responsable del Área Informática · {when(change.authorized_at)}"
        return Decided("1. Autorización", "Autorizado", who, [("Razón", change.authorization_reason)])

    def _tell_licence(self) -> Decided | None:
        verdict = getattr(self.change, "licence_verdict", None)
        if verdict is None:
            return None
        who = f"Dictamen de {verdict.judged_by_name} · {when(verdict.judged_at)}"
        if verdict.consent:
            who += f"; consentimiento agregado por {verdict.consent_by}, {when(verdict.consent_at)}"
        return Decided(
            "2. Licencia",
            f"{verdict.get_verdict_display()}, cláusula {verdict.clause}",
            who,
            [("Qué dice", verdict.analysis)],
            [file for file in (verdict.document, verdict.consent) if file],
        )

    def _tell_options(self) -> Decided | None:
        chosen = next((option for option in self.options if option.chosen), None)
        if chosen is None:
            return None
        words = [("Por qué", chosen.reason)]
        for option in self.options:
            who = option.get_who_display()
            words += [(f"{who}, a favor", option.in_favour), (f"{who}, en contra", option.against)]
        result = f"{chosen.get_who_display()}. A favor y en contra de las tres opciones, por escrito"
        return Decided("3. Quién modifica", result, f"{chosen.argued_by_name} · {when(chosen.argued_at)}", words)

    def _tell_impact(self) -> Decided | None:
        impact = getattr(self.change, "impact", None)
        if impact is None:
            return None
        support = "se pierde soporte" if impact.loses_support else "el proveedor mantiene su soporte"
        cost = f"{wording.show_number(impact.hours)} horas al año, {wording.show_money(impact.cost)}; {support}"
        who = f"{impact.estimated_by_name} · {when(impact.estimated_at)}"
        if impact.signed_by:
            who += f". Segunda firma de {impact.signed_by} · {when(impact.signed_at)}"
        elif impact.is_own:
            who += ". Falta la segunda firma"
        return Decided("4. Impacto de mantenerlo", cost, who, [("Riesgo", impact.risk), ("Soporte", impact.support)])

    def _tell_copies(self) -> list[Decided]:
        return [part for copy in self.copies for part in (self._tell_copy(copy), self._tell_test(copy)) if part]

    def _tell_copy(self, copy: IdentifiedCopy) -> Decided:
        return Decided(
            "5. Copia identificada",
            copy.label,
            f"{copy.made_by_name} · {when(copy.made_at)}",
            [
                ("Qué cambió", copy.change_log),
                ("Cómo volver a aplicarlo", copy.reapply_notes),
                ("Huella (SHA-256)", wording.group_hash(copy.sha256)),
            ],
            [copy.file, copy.patch],
        )

    def _tell_test(self, copy: IdentifiedCopy) -> Decided | None:
        if copy.tested_at is None:
            return None
        result = f"{copy.label} {'funciona' if copy.test_passed else 'no funciona'}"
        who = f"{copy.tested_by} · {when(copy.tested_at)}"
        return Decided("6. Prueba", result, who, [("Qué se probó", copy.test_notes)])

    def _tell_release(self) -> Decided | None:
        change = self.change
        if change.released_at is None:
            return None
        who = f"{change.released_by} · {when(change.released_at)}"
        return Decided("7. Liberación", f"{self.copies[-1].label} se puso en uso", who, [("Nota", change.release_note)])
