"""The embedded broker: a message is read whole or not at all."""

import os
import time
from pathlib import Path
from queue import Empty

import pytest
from kombu import Connection

from factureya.core.management.commands import up
from factureya.core.running import broker_files


@pytest.fixture
def channel(tmp_path):
    folders = ["messages", "processed", "control"]
    for name in folders:
        (tmp_path / name).mkdir()
    options = {
        "data_folder_in": str(tmp_path / "messages"),
        "data_folder_out": str(tmp_path / "messages"),
        "processed_folder": str(tmp_path / "processed"),
        "control_folder": str(tmp_path / "control"),
    }
    with Connection("filesystem://", transport_options=options) as link:
        yield link.channel()


@pytest.mark.once
@pytest.mark.clause("M6", "M10")
def test_a_worker_never_reads_a_message_that_is_still_being_written(channel, monkeypatch):
    assert isinstance(channel, broker_files.Channel)
    rename, seen = Path.replace, []

    def look_then_rename(source, target):
        assert source.stat().st_size > 0
        with pytest.raises(Empty):
            channel._get("celery")
        seen.append(target)
        rename(source, target)

    monkeypatch.setattr(Path, "replace", look_then_rename)
    channel._put("celery", {"body": "ñ", "properties": {}})
    assert len(seen) == 1
    assert channel._get("celery") == {"body": "ñ", "properties": {}}


@pytest.mark.once
@pytest.mark.clause("M6")
def test_what_a_killed_process_left_half_written_is_removed_at_the_next_start(tmp_path, settings):
    settings.VAR_DIR = tmp_path
    up.make_folders()
    messages = tmp_path / "queue/messages"
    names = ["1_a.celery.msg.part", "2_b.celery.msg.part", "3_c.celery.msg"]
    left, writing, whole = (messages / name for name in names)
    for path in (left, writing, whole):
        path.write_text("{")
    minutes_ago = time.time() - broker_files.ABANDONED_SECONDS - 1
    for path in (left, whole):
        os.utime(path, (minutes_ago, minutes_ago))
    up.make_folders()
    assert set(messages.iterdir()) == {writing, whole}


@pytest.mark.once
@pytest.mark.clause("M6")
@pytest.mark.parametrize("damage", [b"", b'{"bod', b"\xff\xfe\x00", b"null", b"[1]", b"{}"])
def test_reports_25_a_damaged_message_does_not_end_the_worker(channel, tmp_path, damage):
    """Empty, cut, no text, no message: dropped, and the next one is read."""
    (tmp_path / "messages/1_a.celery.msg").write_bytes(damage)
    channel._put("celery", {"body": "ñ", "properties": {}})
    assert channel._get("celery") == {"body": "ñ", "properties": {}}
    with pytest.raises(Empty):
        channel._get("celery")


@pytest.mark.once
@pytest.mark.clause("M6")
@pytest.mark.parametrize("damage", [b"", b'[["celery", "', b"\xff\xfe", b"null", b"[1]"])
def test_reports_25_a_damaged_table_of_the_broker_does_not_keep_it_from_starting(channel, tmp_path, damage):
    """The table says who hears an exchange; whoever declares a queue writes it again."""
    (tmp_path / "control/celery.exchange").write_bytes(damage)
    channel._queue_bind("celery", "celery", "", "celery")
    assert [q.queue for q in channel.get_table("celery")] == ["celery"]
