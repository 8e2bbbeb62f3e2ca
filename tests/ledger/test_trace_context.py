"""W3C Trace Context, by its rules: https://www.w3.org/TR/trace-context/."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ledger import trace_context
from app.ledger.trace_context import MOST_CHARACTERS, of_request, passed_on, read

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("header", "flags"),
    [
        (f"00-{TRACE}-{SPAN}-01", 1),
        (f"00-{TRACE}-{SPAN}-00", 0),
        (f" 00-{TRACE}-{SPAN}-03\t", 3),
        (f"00-{TRACE}-{SPAN}-ff", 3),  # unknown flags are not passed on
        (f"01-{TRACE}-{SPAN}-01", 1),
        (f"cc-{TRACE}-{SPAN}-01-what the future will be like", 1),
    ],
)
def test_a_valid_traceparent_is_continued(header: str, flags: int) -> None:
    found = of_request([header], [], traced=False)

    assert (found.trace_id, found.parent, found.flags) == (TRACE, SPAN, flags)
    assert found.span_id != SPAN
    assert found.traceparent == f"00-{TRACE}-{found.span_id}-{flags:02x}"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        f"ff-{TRACE}-{SPAN}-01",
        f"0-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-0g",
        f"00-{TRACE}-{SPAN}-01-",
        f"00-{TRACE}-{SPAN}-01-more",
        f"cc-{TRACE}-{SPAN}-01more",
        f"00-{TRACE}{SPAN}-01",
        f"00_{TRACE}_{SPAN}_01",
        f"00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{TRACE[:-1]}١-{SPAN}-01",
    ],
)
@pytest.mark.parametrize("traced", [True, False])
def test_a_trace_begins_where_there_is_no_valid_one(header: str, traced: bool) -> None:
    found = of_request([header], ["a=1"], traced=traced)

    assert found.trace_id != TRACE
    assert (found.parent, found.state, found.sampled) == (None, None, traced)
    assert read(found.traceparent) is not None


def test_two_traceparents_are_none() -> None:
    header = f"00-{TRACE}-{SPAN}-01"

    assert of_request([header, header], [], traced=True).parent is None


@pytest.mark.parametrize(
    ("headers", "state"),
    [
        (["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"], "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
        (["rojo=1", "congo=2"], "rojo=1,congo=2"),
        (["rojo=1 ,\t congo=2,,"], "rojo=1,congo=2"),
        (["fw529a3039@dt=FfffAf"], "fw529a3039@dt=FfffAf"),
        (["a=b c", "0t@v=1"], "a=b c,0t@v=1"),
        (["rojo=1,rojo=2"], None),
        (["Rojo=1"], None),
        (["rojo"], None),
        (["rojo="], None),
        (["rojo=a=b"], None),
        (["rojo=\x00"], None),
        (["rojo=é"], None),
        ([f"{'a' * 257}=1"], None),
        ([f"a={'b' * 257}"], None),
        ([",".join(f"a{number}=1" for number in range(33))], None),
        ([",".join(f"a{number}=1" for number in range(32))], ",".join(f"a{number}=1" for number in range(32))),
        ([], None),
        ([""], None),
    ],
)
def test_a_tracestate_is_passed_on_if_it_is_valid(headers: list[str], state: str | None) -> None:
    assert of_request([f"00-{TRACE}-{SPAN}-01"], headers, traced=True).state == state


def test_of_a_long_tracestate_long_members_go_first_and_then_the_last() -> None:
    short, long = [f"k{number}={'v' * 60}" for number in range(9)], f"long={'v' * 256}"

    assert passed_on([long, *short[:3]]) == ",".join([long, *short[:3]])
    assert passed_on([long, *short[:5]]) == ",".join(short[:5])
    assert passed_on([long, *short]) == ",".join(short[:8])
    assert len(",".join(short[:8])) <= MOST_CHARACTERS < len(",".join(short))


@given(st.lists(st.text(), max_size=3), st.lists(st.text(), max_size=3))
def test_whatever_is_sent_the_answer_is_valid(traceparents: list[str], tracestates: list[str]) -> None:
    found = of_request(traceparents, tracestates, traced=True)

    assert read(found.traceparent) is not None
    assert found.state is None or (len(found.state) <= MOST_CHARACTERS and found.state.isascii())


def test_derived_ids_are_the_same_each_time_and_differ_by_every_part() -> None:
    made = {trace_context.derived(*parts) for parts in (("a", "bc"), ("ab", "c"), ("a", "b", "c"), ("a", 1), ("a", 2))}

    assert len(made) == 5
    assert trace_context.derived("a", 1) == trace_context.derived("a", "1")
    assert len(trace_context.derived("a", size=16)) == 32
