"""Name the five steps of the wizard in their order, and find the first that is not answered yet (M19)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from change_requests.kinds import content
from change_requests.models import FormalRequest

KIND, DATA, REASON, SIGN, REVIEW = "kind", "data", "reason", "sign", "review"
ORDER = (KIND, DATA, REASON, SIGN, REVIEW)
OF_REASON = frozenset({"reason", "effective_date", "evidence"})


class Step(NamedTuple):
    """Hold a step as the line of steps draws it; `state` is "done", "now", or "" for a step ahead."""

    label: str
    state: str
    note: str


def list_steps(step_label: str, current_step: str) -> list[Step]:
    """Return the wizard's five steps: those done, the current one, and those ahead; `step_label` names the second."""
    current = ORDER.index(current_step)
    labels = ("Qué solicita", step_label, "Motivo y evidencia", "Quién firma", "Revise y envíe")
    done = [Step(label, "done", "listo") for label in labels[:current]]
    ahead = [Step(label, "", "") for label in labels[current + 1 :]]
    return [*done, Step(labels[current], "now", ""), *ahead]


def copy_with_draft(formal: FormalRequest, draft: Mapping[str, Any]) -> FormalRequest:
    """Return an unsaved copy of the request with this draft, so that answers can be checked before they are saved."""
    return FormalRequest(
        form=formal.form,
        kind=formal.kind,
        customer=formal.customer,
        requester_id=formal.requester_id,
        revert_of_id=formal.revert_of_id,
        draft=dict(draft),
    )


def find_missing_step(formal: FormalRequest, *, evidence: int) -> tuple[str, str] | None:
    """Return the name of the first step with a missing or wrong answer, and why, or None. `evidence` counts files."""
    problems = content.find_problems(formal, evidence=evidence)
    for field, text in problems.items():
        if field not in OF_REASON:
            return DATA, text
    if problems:  # all are about the reason, the date or the evidence
        return REASON, next(iter(problems.values()))
    if not formal.draft.get("declares"):
        return SIGN, "Falta declarar que sus facultades están vigentes."
    return None
