"""Names that are hard to lay out: long, wide, written from right to left."""

from __future__ import annotations

LONG = "somebody_with_a_handle_that_goes_on_and_on_until_no_line_of_the_page_can_hold_it"
SCRIPTS = ("נועה_כהן", "أحمد_علي", "田中太郎", "김민수")
"""Handles that are written from right to left, and wide ones."""
POSTS = "author,text,timestamp\n" + "".join(
    f"{handle},@kettenblatt_kai @{LONG} 1,2026-11-20T1{hour}:00:00Z\n" for hour, handle in enumerate((LONG, *SCRIPTS))
)
"""Posts by and to users whose names are hard to lay out."""
FILE = "תקציר הפוסטים_von_allen_Kanälen_mit_einem_Namen_der_nicht_aufhört_2026.csv"
