"""Workbooks for tests: the parts of an xlsx, written by hand, since writers of xlsx leave out what others write."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

_NS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
TYPES = "[Content_Types].xml"


def zipped(files: Mapping[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these files, the same bytes each time: the files are dated as early as a zip can date them."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=method)
    return out.getvalue()


def text(value: str) -> str:
    """A cell with a text of its own."""
    return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'


def row(*cells: str, number: int | None = None) -> str:
    """A row of cells."""
    return f"<row{f' r={quoteattr(str(number))}' if number else ''}>{''.join(cells)}</row>"


def parts(
    sheets: Mapping[str, str],
    *,
    shared: str | None = None,
    styles: str | None = None,
    properties: str = "",
    states: Mapping[str, str] | None = None,
) -> dict[str, bytes]:
    """The parts of a workbook. `sheets`: by name the XML of the rows."""
    related = [
        f'<Relationship Id="r{n}" Type="{_REL}/worksheet" Target="worksheets/s{n}.xml"/>' for n in range(len(sheets))
    ]
    listed = [
        f'<sheet name={quoteattr(name)} sheetId="{n + 1}" r:id="r{n}" state="{(states or {}).get(name, "visible")}"/>'
        for n, name in enumerate(sheets)
    ]
    found = {
        TYPES: "<Types/>",
        "_rels/.rels": f'<Relationships><Relationship Id="a" Type="{_REL}/officeDocument" Target="xl/workbook.xml"/>'
        "</Relationships>",
    }
    for kind, part, content in (("sharedStrings", "sharedStrings.xml", shared), ("styles", "styles.xml", styles)):
        if content is not None:
            found[f"xl/{part}"] = content
            related.append(f'<Relationship Id="{kind}" Type="{_REL}/{kind}" Target="/xl/{part}"/>')
    found["xl/workbook.xml"] = (
        f'<workbook xmlns="{_NS}" xmlns:r="{_REL}">{properties}<sheets>{"".join(listed)}</sheets></workbook>'
    )
    found["xl/_rels/workbook.xml.rels"] = f"<Relationships>{''.join(related)}</Relationships>"
    for n, rows in enumerate(sheets.values()):
        found[f"xl/worksheets/s{n}.xml"] = f'<worksheet xmlns="{_NS}"><sheetData>{rows}</sheetData></worksheet>'
    return {name: ('<?xml version="1.0" encoding="UTF-8"?>' + content).encode() for name, content in found.items()}


def workbook(*rows: str, **more: str) -> bytes:
    """A workbook with one sheet."""
    return zipped(parts({"Posts": "".join(rows)}, **more))  # type: ignore[arg-type]
