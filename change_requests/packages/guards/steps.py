"""Guard what each step of a change writes: verdict, options, impact, copy and port (M29–M32)."""

from change_requests.guards.sql_terms import changed, guards, no_replace
from change_requests.packages.guards.tables import (
    CHANGE,
    COPY,
    FILE,
    IMPACT,
    OPTION,
    PACKAGE,
    PORT,
    VERDICT,
    is_file_of,
    is_released_copy_of_older_version,
    is_written_once,
    make_holder_sql,
    of_its_change,
)
from factureya.core import triggers

_VERDICTS = [
    *guards(
        VERDICT,
        "INSERT",
        (
            "licence_judged_after_authorization",
            f"NOT {of_its_change('''c.status = 'authorized' ''')}",
            "la licencia se dictamina después de la autorización",
        ),
        (
            "licence_judged_by_who_may",
            f"NOT {make_holder_sql('NEW.judged_by_id', 'NEW.judged_at', 'supervisor', 'security_officer')}",
            "la dictamina quien tiene el cargo",
        ),
        (
            "licence_has_its_document",
            f"NOT {is_file_of('document_id', 'licence')} OR NEW.consent_id IS NOT NULL",
            "falta el documento de la licencia",
        ),
    ),
    *guards(
        VERDICT,
        "UPDATE",
        (
            "licence_verdict_stays",
            changed("id change_id verdict clause analysis document_id judged_by_id judged_by_name judged_at")
            + " OR "
            + is_written_once("consent_id consent_by_id consent_at"),
            "un dictamen no cambia",
        ),
        (
            "licence_consent_is_a_file",
            f"NEW.consent_id IS NOT NULL AND NOT {is_file_of('consent_id', 'consent')}",
            "el consentimiento es un archivo",
        ),
        (
            "licence_consent_in_its_step",
            f"""OLD.consent_id IS NULL AND NEW.consent_id IS NOT NULL
            AND (NOT {of_its_change("c.status = 'authorized'")}
            OR NOT {make_holder_sql("NEW.consent_by_id", "NEW.consent_at", "supervisor", "security_officer")})""",
            "el consentimiento se agrega en su paso, por quien tiene el cargo",
        ),
    ),
    *triggers.never_deleted(VERDICT, "id", "change_id", message="los dictámenes no se borran"),
]
_OPTIONS = [
    *guards(
        OPTION,
        "INSERT",
        (
            "option_argued_in_its_step",
            f"NOT {of_its_change('''c.status = 'licence_checked' ''')}",
            "quién modifica se decide después de la licencia",
        ),
        (
            "option_chosen_by_it_head",
            f"NOT {make_holder_sql('NEW.argued_by_id', 'NEW.argued_at', 'it_head')}",
            "lo decide el Responsable del Área Informática",
        ),
    ),
    *triggers.append_only(OPTION, "change_id, who", update="lo argumentado no cambia"),
    *no_replace(
        OPTION,
        "option_{}_replaces_none",
        f"NEW.chosen AND EXISTS (SELECT 1 FROM {OPTION} o WHERE o.change_id = NEW.change_id AND o.chosen)",
        "INSERT",
    ),
]
_IS_OWN = f"EXISTS (SELECT 1 FROM {OPTION} o WHERE o.change_id = NEW.change_id AND o.chosen AND o.who = 'own')"
_IMPACTS = [
    *guards(
        IMPACT,
        "INSERT",
        (
            "impact_estimated_in_its_step",
            f"NOT {of_its_change('''c.status = 'option_chosen' ''')}",
            "el impacto se estima después de decidir quién modifica",
        ),
        (
            "impact_says_who_maintains",
            f"(NEW.is_own AND NOT {_IS_OWN}) OR (NOT NEW.is_own AND {_IS_OWN})",
            "el impacto es de la opción elegida",
        ),
        (
            "impact_estimated_by_who_may",
            f"""NEW.signed_by_id IS NOT NULL
            OR NOT {make_holder_sql("NEW.estimated_by_id", "NEW.estimated_at", "supervisor", "implementer")}""",
            "lo estima quien tiene el cargo, y se firma después",
        ),
    ),
    *guards(
        IMPACT,
        "UPDATE",
        (
            "impact_stays",
            changed(
                "id change_id is_own hours cost risk loses_support support estimated_by_id estimated_by_name"
                " estimated_at"
            )
            + " OR "
            + is_written_once("signed_by_id signed_at"),
            "el impacto no cambia",
        ),
        (
            "impact_signed_by_it_head",
            f"""OLD.signed_by_id IS NULL AND NEW.signed_by_id IS NOT NULL
            AND (NOT {of_its_change("c.status = 'option_chosen'")}
            OR NOT {make_holder_sql("NEW.signed_by_id", "NEW.signed_at", "it_head")})""",
            "lo firma el Responsable del Área Informática",
        ),
    ),
    *triggers.never_deleted(IMPACT, "id", "change_id", message="los impactos no se borran"),
]
_COPIES = [
    *guards(
        COPY,
        "INSERT",
        (
            "copy_made_in_its_step",
            f"NOT {of_its_change('''c.status = 'impact_weighed' AND c.package_id = NEW.package_id''')}",
            "la copia se hace después del impacto, y del paquete de su cambio",
        ),
        (
            "copy_has_its_hashes",
            f"""NOT EXISTS (SELECT 1 FROM {FILE} f WHERE f.id = NEW.file_id AND f.kind = 'copy'
              AND f.sha256 = NEW.sha256)
            OR NOT EXISTS (SELECT 1 FROM {PACKAGE} p JOIN {FILE} o ON o.id = p.original_id
              WHERE p.id = NEW.package_id AND o.sha256 = NEW.original_sha256)""",
            "las huellas son las de la copia y las del original",
        ),
        ("copy_has_its_patch", f"NOT {is_file_of('patch_id', 'patch')}", "falta el parche"),
        (
            "copy_has_its_label",
            f"""NOT EXISTS (SELECT 1 FROM {PACKAGE} p WHERE p.id = NEW.package_id
              AND NEW.label = p.name || '-' || p.version || '+fy.' || CAST(NEW.number AS text))
            OR NEW.number <> (SELECT COALESCE(MAX(k.number), 0) + 1 FROM {COPY} k
              WHERE k.package_id = NEW.package_id)""",
            "la etiqueta es la siguiente del original",
        ),
        (
            "copy_made_by_who_may",
            f"""NEW.tested_by_id IS NOT NULL
            OR NOT {make_holder_sql("NEW.made_by_id", "NEW.made_at", "supervisor", "implementer")}""",
            "la hace quien tiene el cargo, y se prueba después",
        ),
    ),
    *guards(
        COPY,
        "UPDATE",
        (
            "copy_stays",
            changed(
                "id change_id package_id number label file_id original_sha256 sha256 patch_id change_log reapply_notes"
                " made_by_id made_by_name made_at"
            )
            + " OR "
            + is_written_once("tested_by_id tested_at test_passed")
            + " OR (OLD.test_notes <> '' AND NEW.test_notes <> OLD.test_notes)",
            "una copia no cambia",
        ),
        (
            "copy_tested_in_its_step",
            f"""OLD.tested_by_id IS NULL AND NEW.tested_by_id IS NOT NULL
            AND (NOT {of_its_change("c.status = 'copied'")}
            OR NOT {make_holder_sql("NEW.tested_by_id", "NEW.tested_at", "supervisor", "implementer", "it_head")})""",
            "la prueba quien tiene el cargo, en su paso",
        ),
    ),
    *triggers.never_deleted(
        COPY, "id", "label", "file_id", "patch_id", "package_id, number", message="las copias no se borran"
    ),
]
_PORTS = [
    *guards(
        PORT,
        "INSERT",
        (
            "port_of_a_released_copy",
            f"NOT {is_released_copy_of_older_version('NEW.copy_id', 'NEW.package_id')}",
            "la copia es de una versión anterior, y se liberó",
        ),
        (
            "port_not_needed_while_carried",
            f"""NEW.outcome = 'not_needed' AND EXISTS (SELECT 1 FROM {CHANGE} c WHERE c.package_id = NEW.package_id
            AND c.port_of_id = NEW.copy_id AND c.status NOT IN ('released', 'refused', 'reverted'))""",
            "un cambio en curso la lleva",
        ),
        (
            "port_applied_by_its_change",
            f"""NEW.outcome = 'applied' AND NOT EXISTS (SELECT 1 FROM {CHANGE} c WHERE c.id = NEW.change_id
            AND c.package_id = NEW.package_id AND c.port_of_id = NEW.copy_id AND c.status = 'released')""",
            "solo la aplica un cambio liberado que la lleva",
        ),
        (
            "port_recorded_by_who_may",
            f"""NOT {make_holder_sql("NEW.decided_by_id", "NEW.decided_at", "supervisor", "implementer", "it_head")}
            OR EXISTS (SELECT 1 FROM {PORT} q WHERE q.copy_id = NEW.copy_id AND q.package_id = NEW.package_id
              AND q.outcome IN ('applied', 'not_needed'))""",
            "lo anota quien tiene el cargo, y lo definitivo se queda",
        ),
    ),
    *triggers.append_only(
        PORT, "change_id", "copy_id, package_id, outcome", update="lo anotado de una versión no cambia"
    ),
]
GUARDS = [*_VERDICTS, *_OPTIONS, *_IMPACTS, *_COPIES, *_PORTS]
