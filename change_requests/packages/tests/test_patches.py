"""What a patch changes is counted by the numbers of its parts, whatever its lines look like (M32)."""

import pytest

from change_requests.packages.patches import count_changes

pytestmark = [pytest.mark.once, pytest.mark.clause("M32")]
TWO_FILES = """diff --git a/saldo.py b/saldo.py
--- a/saldo.py
+++ b/saldo.py
@@ -1,3 +1,4 @@
 uno
--- dos
+++ dos
+tres
 cuatro
@@ -9 +10 @@ def avisa():
-viejo
\\ No newline at end of file
+nuevo
--- a/otro.py
+++ b/otro.py
@@ -0,0 +1,2 @@
+a
+b
"""


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        (TWO_FILES, (2, 7)),
        ("diff --git a/x b/y\nrename from x\nrename to y\n", (1, 0)),
        ("", (0, 0)),
        ("1c1\n< uno\n---\n> dos\n", (0, 0)),
        ("@@ -1,999999999 +1,999999999 @@\n+solo\n", (0, 1)),
    ],
)
def test_files_and_lines_are_counted(text: str, counts: tuple[int, int]):
    assert count_changes(text.encode().splitlines(keepends=True)) == counts
