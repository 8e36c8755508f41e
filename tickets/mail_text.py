"""What of a mail goes into a ticket, whoever puts it there: its subject as one line, its words as one text (M17)."""

from factureya.core.files.from_mail import Kept

MAX_SUBJECT = 120
NO_TEXT = "(El correo no traía texto.)"
REFUSED_FILES = "Archivos del correo que no se pudieron agregar:"


def subject_line(subject: str) -> str:
    """Return one line that fits; the whole of it is in the original."""
    line = " ".join(subject.split())
    return line if len(line) <= MAX_SUBJECT else f"{line[: MAX_SUBJECT - 1]}…"


def message_text(own_words: str, text: str, kept: Kept) -> str:
    """Return the customer's new words, all of them if nothing but a quote was found; then the refused files."""
    words = own_words.strip() or text.strip()
    if not words and kept.files:
        words = "Adjunto: " + ", ".join(file.name for file in kept.files)
    parts = [words or NO_TEXT]
    if kept.refusals:
        parts.append("\n".join([REFUSED_FILES, *(f"- {line}" for line in kept.refusals)]))
    return "\n\n".join(parts)
