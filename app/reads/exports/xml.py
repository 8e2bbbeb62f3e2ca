"""This module writes GEXF 1.3 and GraphML 1.0.

A user is a node with the id that gephi.csv has, too. Only labels and handles lose the characters that XML 1.0 can't
hold.
"""

from __future__ import annotations

from collections.abc import Generator
from datetime import datetime

from app.reads.exports.cells import FULL, Style, lines, node_ids, rounded, xml_values
from app.reads.exports.emptiness import REASONS
from app.reads.exports.snapshot import Blocks, Snapshot
from app.reads.exports.tables import DIGITS

_GEXF_BEGIN = """\
<?xml version="1.0" encoding="UTF-8"?>
<gexf xmlns="http://gexf.net/1.3" version="1.3">
<meta lastmodifieddate="{day}"><creator>mentiongraph</creator><description>Weights as of {as_of}</description></meta>
<graph mode="static" defaultedgetype="directed">
<attributes class="node">
<attribute id="handle" title="handle" type="string"/>
<attribute id="made" title="mentions_made" type="long"/>
<attribute id="received" title="mentions_received" type="long"/>
</attributes>
<attributes class="edge">
<attribute id="count" title="mention_count" type="long"/>
<attribute id="first" title="first_seen" type="string"/>
<attribute id="last" title="last_seen" type="string"/>
</attributes>
<nodes>
"""
_GEXF_NODE = (
    '<node id="%s" label="%s"><attvalues><attvalue for="handle" value="%s"/><attvalue for="made" value="%s"/>'
    '<attvalue for="received" value="%s"/></attvalues></node>'
)
_GEXF_EDGE = (
    '<edge source="%s" target="%s" weight="%s"><attvalues><attvalue for="count" value="%s"/>'
    '<attvalue for="first" value="%s"/><attvalue for="last" value="%s"/></attvalues></edge>'
)

_GRAPHML_BEGIN = """\
<?xml version="1.0" encoding="UTF-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:schemaLocation="http://graphml.graphdrawing.org/xmlns http://graphml.graphdrawing.org/xmlns/1.0/graphml.xsd">
<key id="as_of" for="graph" attr.name="as_of" attr.type="string"/>
<key id="label" for="node" attr.name="label" attr.type="string"/>
<key id="handle" for="node" attr.name="handle" attr.type="string"/>
<key id="made" for="node" attr.name="mentions_made" attr.type="long"/>
<key id="received" for="node" attr.name="mentions_received" attr.type="long"/>
<key id="weight" for="edge" attr.name="weight" attr.type="double"/>
<key id="count" for="edge" attr.name="mention_count" attr.type="long"/>
<key id="first" for="edge" attr.name="first_seen" attr.type="string"/>
<key id="last" for="edge" attr.name="last_seen" attr.type="string"/>
<graph edgedefault="directed">
<data key="as_of">{as_of}</data>
"""
_GRAPHML_NODE = (
    '<node id="%s"><data key="label">%s</data><data key="handle">%s</data><data key="made">%s</data>'
    '<data key="received">%s</data></node>'
)
_GRAPHML_EDGE = (
    '<edge source="%s" target="%s"><data key="weight">%s</data><data key="count">%s</data>'
    '<data key="first">%s</data><data key="last">%s</data></edge>'
)

_NODE = ("id", "spelling", "handle", "mentions_made", "mentions_received")
_EDGE = ("source", "target", "weight", "mention_count", "first_seen", "last_seen")


def gexf(graph: Snapshot, *, as_of: datetime, guard: bool, style: Style) -> Generator[bytes]:
    """Write GEXF 1.3: first the nodes, then the edges."""
    yield _GEXF_BEGIN.format(day=as_of.date().isoformat(), as_of=as_of.isoformat()).encode()
    for block in _nodes(graph, guard=guard):
        yield lines(block, _GEXF_NODE, *_NODE)
    yield b"</nodes>\n<edges>\n"
    for block in _edges(graph, guard=guard, digits=style.digits or DIGITS):
        yield lines(block, _GEXF_EDGE, *_EDGE)
    yield f"</edges>\n</graph>\n{_trailer(graph)}</gexf>\n".encode()


def graphml(graph: Snapshot, *, as_of: datetime, guard: bool, style: Style) -> Generator[bytes]:
    """Write GraphML: first the nodes, then the edges. Programs read it, so weights have all their digits."""
    yield _GRAPHML_BEGIN.format(as_of=as_of.isoformat()).encode()
    for block in _nodes(graph, guard=guard):
        yield lines(block, _GRAPHML_NODE, *_NODE)
    for block in _edges(graph, guard=guard, digits=style.digits or FULL):
        yield lines(block, _GRAPHML_EDGE, *_EDGE)
    yield f"</graph>\n{_trailer(graph)}</graphml>\n".encode()


def _nodes(graph: Snapshot, *, guard: bool) -> Blocks:
    for users in graph.users():
        ids = xml_values(node_ids(users["spelling"], guard=guard)).alias("id")
        yield users.with_columns(ids, xml_values(users["spelling"]), xml_values(users["handle"]))


def _edges(graph: Snapshot, *, guard: bool, digits: int) -> Blocks:
    for edges in graph.edges():
        ends = (xml_values(node_ids(edges[name], guard=guard)) for name in ("source", "target"))
        yield edges.with_columns(*ends, rounded(edges["weight"], digits))


def _trailer(graph: Snapshot) -> str:
    why = f"<!-- no edges: {REASONS[graph.empty].said} -->\n" if graph.empty else ""
    return f"{why}<!-- complete: {graph.users_read} users, {graph.edges_read} edges -->\n"
