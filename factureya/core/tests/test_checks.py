"""What the check of a deployment says before the web process finds out."""

import os

import pytest

from factureya.core import checks

pytestmark = pytest.mark.clause("M6")


def warned(settings, folder, var=None) -> list[str]:
    settings.STATIC_ROOT, settings.VAR_DIR = folder, var or folder.parent
    return [warning.id for warning in checks.check_static_files()]


def test_servers_b3_static_files_that_the_service_cannot_read(settings, tmp_path):
    folder = tmp_path / "static"
    assert warned(settings, folder) == ["core.W001"]
    folder.mkdir(mode=0o700)
    assert warned(settings, folder) == []
    folder.chmod(0o000)
    if os.geteuid():
        assert warned(settings, folder) == ["core.W001"]
        return
    folder.chmod(0o700)  # as the documented install left it: made by root, in the folder of the service
    os.chown(tmp_path, 65534, 65534)
    assert warned(settings, folder) == ["core.W001"]
    folder.chmod(0o755)
    assert warned(settings, folder) == []
