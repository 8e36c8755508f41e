"""The cache of files: a damaged one is a missing one (finding reports 25; M10)."""

import subprocess
import sys

import pytest
from django.conf import settings

from factureya.core.running.cache_files import FileCache

pytestmark = [pytest.mark.clause("M10"), pytest.mark.once]


@pytest.fixture
def cache(tmp_path):
    return FileCache(str(tmp_path / "cache"), {})


@pytest.mark.parametrize("damage", [b"", b"\x80\x05", b"garbage", b"\x80\x04N.x", b"\x80\x04X\x01\x00\x00\x00a."])
def test_reports_25_a_damaged_file_counts_as_none(cache, tmp_path, damage):
    """Read, counted up, made longer, added: as if the key had never been there."""
    for act, said in (
        (lambda: cache.get("k", "nada"), "nada"),
        (lambda: cache.touch("k"), False),
        (lambda: "k" in cache and cache.get("k"), None),
        (lambda: cache.get_or_set("k", "nuevo"), "nuevo"),
    ):
        cache.set("k", "viejo")
        (file,) = (tmp_path / "cache").iterdir()
        file.write_bytes(damage)
        assert act() in (said, False)
    cache.set("k", 1)
    assert (cache.incr("k"), cache.add("k", 7), cache.touch("k")) == (2, False, True)


@pytest.mark.parametrize("url", [{}, {"CACHE_URL": "filecache:///tmp/otro"}])
def test_the_cache_of_files_is_ours(tmp_path, url):
    """The one of the embedded run, and whichever folder CACHE_URL names."""
    variables = {"ENV_FILE": "", "SECRET_KEY": "x" * 50, "VAR_DIR": str(tmp_path), **url}
    loaded = subprocess.run(
        [sys.executable, "-c", "from factureya import settings as s; print(s.CACHES)"],
        cwd=settings.BASE_DIR,
        env=variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "factureya.core.running.cache_files.FileCache" in loaded.stdout
