"""This module writes tables of text: CSV for people, for Gephi and for neo4j-admin, and JSON Lines."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import polars as pl

from app.posts.tables.formulas import guarded_column
from app.reads.exports.cells import Style, csv_cells, json_strings, lines, node_ids, rounded
from app.reads.exports.snapshot import Snapshot

_EDGES = "source,target,mention_count,weight,first_seen,last_seen\n"
_GEPHI = "Source,Target,Weight,Type,mention_count,first_seen,last_seen\n"
_NODES = "Id,Label,mentions_made,mentions_received\n"
_NEO4J_NODES = "handle:ID(User),spelling,mentions_made:long,mentions_received:long,:LABEL\n"
_NEO4J_EDGES = (
    ":START_ID(User),:END_ID(User),mention_count:long,weight:double,first_seen:datetime,last_seen:datetime,:TYPE\n"
)


DIGITS = 4
"""Significant digits of weights in tables for people."""


def edges_csv(graph: Snapshot, *, guard: bool, style: Style) -> Generator[bytes]:
    """Write one edge a line."""
    yield _head(_EDGES, style)
    for block in graph.edges():
        names = ((guarded_column(block[name]) if guard else block[name]) for name in ("source", "target"))
        yield lines(
            block.with_columns(*(csv_cells(each, style.delimiter) for each in names), _weights(block, style)),
            _pattern("%s,%s,%s,%s,%s,%s", style),
            "source", "target", "mention_count", "weight", "first_seen", "last_seen",
        )  # fmt: skip


def gephi_csv(graph: Snapshot, *, guard: bool, style: Style) -> Generator[bytes]:
    """Write one edge a line, in the columns that Gephi's spreadsheet import knows, and in three more columns."""
    yield _head(_GEPHI, style)
    for block in graph.edges():
        ids = (node_ids(block[name], guard=guard) for name in ("source", "target"))
        yield lines(
            block.with_columns(*(csv_cells(each, style.delimiter) for each in ids), _weights(block, style)),
            _pattern("%s,%s,%s,Directed,%s,%s,%s", style),
            "source", "target", "weight", "mention_count", "first_seen", "last_seen",
        )  # fmt: skip


def nodes_csv(graph: Snapshot, *, guard: bool, style: Style) -> Generator[bytes]:
    """Write one user a line. `Id` is the user's id, which gephi.csv has in Source and Target."""
    yield _head(_NODES, style)
    for block in graph.users():
        label = guarded_column(block["spelling"]) if guard else block["spelling"]
        ids = csv_cells(node_ids(block["spelling"], guard=guard), style.delimiter)
        yield lines(
            block.with_columns(ids.alias("id"), csv_cells(label, style.delimiter)),
            _pattern("%s,%s,%s,%s", style),
            "id", "spelling", "mentions_made", "mentions_received",
        )  # fmt: skip


def _head(columns: str, style: Style) -> bytes:
    return (("\ufeff" if style.bom else "") + _pattern(columns, style)).encode()


def _pattern(fields: str, style: Style) -> str:
    return fields.replace(",", style.delimiter)


def _weights(block: pl.DataFrame, style: Style) -> pl.Series:
    weights = rounded(block["weight"], DIGITS if style.digits is None else style.digits)
    return weights if style.decimal == "." else weights.str.replace(".", style.decimal, literal=True)


def edges_jsonl(graph: Snapshot) -> Generator[bytes]:
    """Write one edge a line, as a JSON object. `archived_at` is null for an edge of the graph."""
    for block in graph.edges():
        told = block.with_columns(
            json_strings(block["source"]),
            json_strings(block["target"]),
            pl.when(pl.col("archived_at") == "")
            .then(pl.lit("null"))
            .otherwise('"' + pl.col("archived_at") + '"')
            .alias("archived_at"),
        )
        yield lines(
            told,
            '{"source":%s,"target":%s,"mention_count":%s,"weight":%s,'
            '"first_seen":"%s","last_seen":"%s","archived_at":%s}',
            "source", "target", "mention_count", "weight", "first_seen", "last_seen", "archived_at",
        )  # fmt: skip


class _Pipe:
    """The file that ZipFile writes to. `taken` returns the bytes written since the last call."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def flush(self) -> None:
        pass

    def taken(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken


def neo4j_zip(graph: Snapshot) -> Generator[bytes]:
    """Write nodes.csv and relationships.csv for `neo4j-admin database import`. Handles are not changed."""
    pipe = _Pipe()
    file_like: Any = pipe
    # Level 1 is the fastest, and takes as long as the rest of the export. Higher levels take several times as long
    # and save little.
    with ZipFile(file_like, "w", ZIP_DEFLATED, compresslevel=1) as archive:
        for name, parts in (("nodes.csv", _neo4j_nodes(graph)), ("relationships.csv", _neo4j_edges(graph))):
            with archive.open(name, "w", force_zip64=True) as file:
                for part in parts:
                    file.write(part)
                    yield pipe.taken()
    yield pipe.taken()


def _neo4j_nodes(graph: Snapshot) -> Generator[bytes]:
    yield _NEO4J_NODES.encode()
    for block in graph.users():
        told = block.with_columns(csv_cells(block["handle"]), csv_cells(block["spelling"]))
        yield lines(told, "%s,%s,%s,%s,User", "handle", "spelling", "mentions_made", "mentions_received")


def _neo4j_edges(graph: Snapshot) -> Generator[bytes]:
    yield _NEO4J_EDGES.encode()
    for block in graph.edges(spelled=False):
        told = block.with_columns(csv_cells(block["source"]), csv_cells(block["target"]))
        yield lines(
            told,
            "%s,%s,%s,%s,%s,%s,MENTIONS",
            "source", "target", "mention_count", "weight", "first_seen", "last_seen",
        )  # fmt: skip
