"""Guard a change of a package: the order of its steps, who took each, and that what was decided stays (M28–M32)."""

from change_requests.guards.sql_terms import changed, guards, no_replace
from change_requests.packages.guards.tables import (
    CHANGE,
    COPY,
    IMPACT,
    OPTION,
    PACKAGE,
    RETURNED,
    VERDICT,
    is_released_copy_of_older_version,
    is_text_written_once,
    is_written_once,
    make_holder_sql,
)
from factureya.core import triggers

_EDGES = {
    "draft": ("authorized", "refused"),
    "authorized": ("licence_checked", "refused"),
    "licence_checked": ("option_chosen", "refused"),
    "option_chosen": ("impact_weighed", "refused"),
    "impact_weighed": ("copied", "refused"),
    "copied": ("tested", "impact_weighed", "refused"),
    "tested": ("released", "refused"),
    "released": ("reverted",),
}
_ALLOWED = " OR ".join(
    f"(OLD.status = '{before}' AND NEW.status = '{after}')" for before, afters in _EDGES.items() for after in afters
)
_LIVE = tuple(status for status in _EDGES if status != "released")


def _moves_to(status: str) -> str:
    """Return the SQL condition that the update moves the change to this status."""
    return f"NEW.status = '{status}' AND OLD.status <> '{status}'"


def _has_copy(condition: str) -> str:
    """Return the SQL condition that the last copy of the change, called `k`, meets a condition."""
    return f"""EXISTS (SELECT 1 FROM {COPY} k WHERE k.change_id = NEW.id AND {condition}
        AND NOT EXISTS (SELECT 1 FROM {COPY} l WHERE l.change_id = k.change_id AND l.number > k.number))"""


_INSERTS = guards(
    CHANGE,
    "INSERT",
    (
        "package_change_born_draft",
        "NEW.status <> 'draft' OR NEW.authorized_by_id IS NOT NULL OR NEW.released_by_id IS NOT NULL",
        "un cambio de paquete empieza por autorizar",
    ),
    (
        "package_change_asked_by_who_may",
        f"""NOT {make_holder_sql("NEW.requester_id", "NEW.requested_at", "supervisor", "implementer", "it_head")}""",
        "lo pide quien tiene el cargo",
    ),
    (
        "package_change_ports_an_older_copy",
        f"NEW.port_of_id IS NOT NULL AND NOT {is_released_copy_of_older_version('NEW.port_of_id', 'NEW.package_id')}",
        "la copia que lleva es de una versión anterior, y se liberó",
    ),
)
_ORDER = guards(
    CHANGE,
    "UPDATE",
    (
        "package_change_facts_stay",
        changed("id folio package_id title need port_of_id requester_id requester_name requested_at form_key"),
        "lo que se pidió no cambia",
    ),
    (
        "package_change_edge_is_lawful",
        f"NEW.status <> OLD.status AND NOT ({_ALLOWED})",
        "un cambio de paquete pasa de un paso al siguiente",
    ),
    (
        "package_change_decided_stays",
        is_written_once(
            "authorized_by_id authorized_at authorization_id released_by_id released_at ended_by_id ended_at"
            " reverted_by_id reverted_at"
        )
        + " OR "
        + is_text_written_once("authorization_reason release_note end_reason end_note revert_reason"),
        "lo que se decidió no cambia",
    ),
    (
        "package_change_authorized_by_it_head",
        f"""OLD.authorized_by_id IS NULL AND NEW.authorized_by_id IS NOT NULL AND (OLD.status <> 'draft'
        OR NEW.status <> 'authorized' OR NOT {make_holder_sql("NEW.authorized_by_id", "NEW.authorized_at", "it_head")}
        OR NOT EXISTS (SELECT 1 FROM accounts_roleassignment a WHERE a.id = NEW.authorization_id
          AND a.user_id = NEW.authorized_by_id AND a.office = 'it_head'))""",
        "lo autoriza el Responsable del Área Informática",
    ),
    (
        "package_change_refused_by_it_head",
        f"""NEW.end_reason = 'not_authorized' AND (OLD.status NOT IN ('draft', 'refused')
        OR NOT {make_holder_sql("NEW.ended_by_id", "NEW.ended_at", "it_head")})""",
        "no lo autoriza el Responsable del Área Informática",
    ),
    (
        "package_change_cancelled_by_who_may",
        f"""{_moves_to("refused")} AND NEW.end_reason = 'cancelled'
        AND NOT {make_holder_sql("NEW.ended_by_id", "NEW.ended_at", "it_head")}
        AND NOT (NEW.ended_by_id = NEW.requester_id
          AND {make_holder_sql("NEW.ended_by_id", "NEW.ended_at", "supervisor", "implementer", "it_head")})""",
        "lo cancela quien lo pidió o el Responsable del Área Informática",
    ),
)
_STEPS = guards(
    CHANGE,
    "UPDATE",
    (
        "package_change_has_its_licence",
        f"""{_moves_to("licence_checked")} AND NOT EXISTS (SELECT 1 FROM {VERDICT} v WHERE v.change_id = NEW.id
        AND (v.verdict = 'allowed' OR (v.verdict = 'needs_consent' AND v.consent_id IS NOT NULL)))""",
        "la licencia no lo permite, o falta el consentimiento",
    ),
    (
        "package_change_ends_by_its_licence",
        f"""NEW.status = 'refused' AND NEW.end_reason = 'licence' AND NOT EXISTS (SELECT 1 FROM {VERDICT} v
        WHERE v.change_id = NEW.id AND v.verdict = 'forbidden' AND v.judged_by_id = NEW.ended_by_id)""",
        "ningún dictamen de esa persona lo prohíbe",
    ),
    (
        "package_change_has_three_options",
        f"""{_moves_to("option_chosen")} AND ((SELECT count(*) FROM {OPTION} o WHERE o.change_id = NEW.id) <> 3
        OR (SELECT count(*) FROM {OPTION} o WHERE o.change_id = NEW.id AND o.chosen) <> 1)""",
        "las tres opciones van argumentadas, y una elegida",
    ),
    (
        "package_change_has_its_impact",
        f"""{_moves_to("impact_weighed")} AND OLD.status = 'option_chosen' AND NOT EXISTS (SELECT 1 FROM {IMPACT} i
        WHERE i.change_id = NEW.id AND (NOT i.is_own OR i.signed_by_id IS NOT NULL))""",
        "falta el impacto, o su segunda firma",
    ),
    (
        "package_change_has_its_copy",
        f"{_moves_to('copied')} AND NOT {_has_copy('k.tested_at IS NULL')}",
        "falta la copia identificada",
    ),
    (
        "package_change_copy_failed",
        f"{_moves_to('impact_weighed')} AND OLD.status = 'copied' AND NOT {_has_copy('NOT k.test_passed')}",
        "la copia no falló su prueba",
    ),
    (
        "package_change_copy_passed",
        f"""NEW.status IN ('tested', 'released') AND NEW.status <> OLD.status
        AND NOT {_has_copy("k.test_passed")}""",
        "la copia no pasó su prueba",
    ),
    (
        "package_change_released_by_another",
        f"""{_moves_to("released")} AND (NOT {
            make_holder_sql("NEW.released_by_id", "NEW.released_at", "it_head", "implementer")
        }
        OR {_has_copy("k.made_by_id = NEW.released_by_id")})""",
        "la libera el Área Informática o un Implementador, y no quien la hizo",
    ),
    (
        "package_change_reverted_by_who_may",
        f"""{_moves_to("reverted")} AND NOT {
            make_holder_sql("NEW.reverted_by_id", "NEW.reverted_at", "it_head", "implementer", "supervisor")
        }""",
        "lo revierte quien tiene el cargo",
    ),
    (
        "package_change_reverted_after_its_copy",
        f"""{_moves_to("reverted")} AND NOT (EXISTS (SELECT 1 FROM {PACKAGE} p WHERE p.id = NEW.package_id
        AND p.in_use_id IS NULL) AND {RETURNED.format(package="NEW.package_id", folio="NEW.folio")})""",
        "antes de revertirlo vuelve a usarse el original",
    ),
)
GUARDS = [
    *_INSERTS,
    *_ORDER,
    *_STEPS,
    *triggers.never_deleted(CHANGE, "id", "folio", "form_key", message="los cambios de paquetes no se borran"),
    *no_replace(
        CHANGE,
        "package_change_{}_replaces_none",
        f"""NEW.status IN {_LIVE!r} AND EXISTS (SELECT 1 FROM {CHANGE} c WHERE c.id ≠ NEW.id
        AND c.package_id = NEW.package_id AND c.status IN {_LIVE!r})""",
    ),
]
