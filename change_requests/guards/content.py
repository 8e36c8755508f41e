"""Guard what was asked: versions, assets, evidence and messages of a request (M19, M20)."""

from change_requests.guards.sql_terms import (
    ASSET,
    CLARIFICATION,
    EVIDENCE,
    MAIL_FILE,
    MAIL_TEXT,
    RECEIVED_FORM,
    REQUEST,
    REQUESTED,
    REVISION,
    changed,
    guards,
    no_replace,
    of_the_request,
)
from factureya.core import triggers
from factureya.core.triggers import Guard

_IN_EDITION = of_the_request("f.status IN ('draft', 'returned')")

GUARDS = [
    *triggers.append_only(REVISION, "request_id, no"),
    *guards(
        REVISION,
        "INSERT",
        (
            "revision_follows_an_edit",
            "NOT " + of_the_request("f.status IN ('draft', 'returned') AND NEW.no = f.revision_no + 1"),
            "una versión nueva sigue a la última, en edición",
        ),
        ("revision_says_its_freeze", "NEW.freeze_hours IS NULL", "falta el plazo de espera de la versión"),
        (
            "revision_names_the_requester",
            "NOT " + of_the_request("f.requester_id = NEW.requester_id"),
            "el solicitante es otro",
        ),
        ("revision_hash_is_of_its_payload", "NEW.sha256 <> HASH(NEW.payload)", "el hash no corresponde al contenido"),
        (
            "revision_payload_is_of_its_request",
            "NOT " + of_the_request("f.folio = CONTENT(folio) AND f.form = CONTENT(form) AND f.kind = CONTENT(kind)"),
            "el contenido es de otra solicitud",
        ),
        (
            "revision_items_are_listed_fields",
            f"""NOT EXISTS (SELECT 1 FROM ITEMS(NEW)) OR EXISTS (SELECT 1 FROM ITEMS(NEW)
            WHERE NOT EXISTS (SELECT 1 FROM {ASSET} a JOIN {REQUEST} f ON f.id = NEW.request_id
              WHERE a.code = I.asset AND FIELD_IN(a) AND (f.form = 'access') = (a.code = 'access')))""",
            "un dato solicitado no está en la lista",
        ),
        (
            "revision_items_are_real_changes",
            """EXISTS (SELECT 1 FROM ITEMS(NEW) WHERE I.old IS NULL OR I.new IS NULL OR I.old = I.new)
            OR (SELECT COUNT(*) <> COUNT(DISTINCT I.field) FROM ITEMS(NEW))""",
            "cada dato se pide una vez y cambia",
        ),
    ),
    Guard(
        "requested_asset_is_of_the_customer",
        REQUESTED,
        "INSERT",
        ("NOT " + of_the_request("f.customer_id = NEW.customer_id")),
        "la empresa es otra",
    ),
    *guards(
        REQUESTED,
        "UPDATE",
        (
            "requested_asset_never_changes",
            changed("id request_id asset_id customer_id subject"),
            "el activo solicitado no cambia",
        ),
        (
            "requested_asset_open_as_its_request",
            "OLD.open AND NOT NEW.open AND "
            + of_the_request("f.status IN ('submitted', 'verifying', 'in_approval', 'approved')"),
            "la solicitud sigue abierta",
        ),
    ),
    Guard(
        "requested_asset_no_delete",
        REQUESTED,
        "DELETE",
        f"""NOT EXISTS (SELECT 1 FROM {REQUEST} f WHERE f.id = OLD.request_id
            AND f.status IN ('draft', 'returned'))""",
        "lo solicitado no se borra",
    ),
    triggers.no_truncate(REQUESTED),
    triggers.no_replace(REQUESTED, "id", "request_id, asset_id"),
    *no_replace(
        REQUESTED,
        "requested_asset_{}_replaces_none",
        f"""NEW.open AND EXISTS (SELECT 1 FROM {REQUESTED} q WHERE q.customer_id = NEW.customer_id
                AND q.asset_id = NEW.asset_id AND q.subject = NEW.subject AND q.open AND q.id ≠ NEW.id)""",
    ),
    Guard(
        "evidence_is_its_file",
        EVIDENCE,
        "INSERT",
        """NOT EXISTS (SELECT 1 FROM core_attachment t WHERE t.id = NEW.attachment_id AND t.sha256 = NEW.sha256)""",
        "el hash no es el del archivo",
    ),
    Guard(
        "evidence_never_changes",
        EVIDENCE,
        "UPDATE",
        (
            changed("id request_id attachment_id sha256")
            + " OR (OLD.revision_no IS NOT NULL AND NEW.revision_no ≠ OLD.revision_no)"
            " OR (OLD.dropped_at IS NOT NULL AND NEW.dropped_at ≠ OLD.dropped_at)"
        ),
        "la evidencia no cambia",
    ),
    Guard(
        "evidence_comes_with_an_edit",
        EVIDENCE,
        "INSERT",
        f"NEW.revision_no IS NOT NULL OR NEW.dropped_at IS NOT NULL OR NOT {_IN_EDITION}",
        "la evidencia se agrega al editar",
    ),
    Guard(
        "evidence_dropped_with_an_edit",
        EVIDENCE,
        "UPDATE",
        f"{changed('revision_no dropped_at')} AND NOT {_IN_EDITION}",
        "la evidencia se quita al editar",
    ),
    Guard("evidence_no_delete", EVIDENCE, "DELETE", "OLD.revision_no IS NOT NULL", "la evidencia enviada no se borra"),
    triggers.no_truncate(EVIDENCE),
    triggers.no_replace(EVIDENCE, "id", "attachment_id"),
    *triggers.append_only(CLARIFICATION, "answers_id"),
    Guard(
        "clarification_answers_its_question",
        CLARIFICATION,
        "INSERT",
        f"""NEW.answers_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {CLARIFICATION} c
            WHERE c.id = NEW.answers_id AND c.request_id = NEW.request_id AND c.answers_id IS NULL)""",
        "responde a otra solicitud",
    ),
    *triggers.append_only(MAIL_TEXT),
    *triggers.append_only(MAIL_FILE, "text_id, attachment_id"),
    Guard(
        "mail_file_is_its_file",
        MAIL_FILE,
        "INSERT",
        """NOT EXISTS (SELECT 1 FROM core_attachment t WHERE t.id = NEW.attachment_id AND t.sha256 = NEW.sha256)""",
        "el hash no es el del archivo",
    ),
    *triggers.append_only(RECEIVED_FORM),
    *guards(
        RECEIVED_FORM,
        "INSERT",
        ("received_form_comes_with_an_edit", f"NOT {_IN_EDITION}", "el formato llega antes de enviarse"),
        (
            "received_form_is_its_file",
            """NEW.attachment_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM core_attachment t
            WHERE t.id = NEW.attachment_id AND t.sha256 = NEW.sha256 AND t.size = NEW.size)""",
            "el hash no es el del archivo",
        ),
        (
            "received_form_is_of_its_mail",
            """NOT EXISTS (SELECT 1 FROM core_inboundmessage m
            WHERE m.id = NEW.inbound_id AND m.message_id = NEW.message_id)""",
            "el correo es otro",
        ),
    ),
    Guard("asset_never_changes", ASSET, "UPDATE", changed("id code fields"), "los campos de un activo no cambian"),
    Guard("asset_no_delete", ASSET, "DELETE", message="los activos no se borran"),
    triggers.no_truncate(ASSET),
    triggers.no_replace(ASSET, "id", "code"),
]
