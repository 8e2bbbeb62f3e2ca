"""The parts of the reference that are made from the code: settings, commands, presets, problems, rejects, routes.

A page of docs/reference has a line `% generated: settings` where the text of `settings` below belongs. Each function
returns Markdown (MyST). The functions read whatever the code defines, so a new setting or route needs no edit here.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from textwrap import dedent
from typing import Any, NamedTuple, get_type_hints

import click
import msgspec
import yaml

from app import errors
from app import settings as app_settings
from app.control.audit_events import MEANING as AUDITED
from app.control.audit_events import Action
from app.errors import MentiongraphError
from app.graph.profiles import PROFILES
from app.http.asgi import create_app
from app.ledger.warnings import MEANING as WARNINGS
from app.ledger.warnings import Code
from app.log_events import MEANING as LOGGED
from app.metrics.table import LABELS, METRICS, SERVED, Metric, Source
from app.posts.looking.presets import PRESETS, Shape
from app.posts.screening import MEANING, Reason
from app.reads.exports.emptiness import REASONS, Empty
from app.settings import Settings
from ops.cli import COMMANDS, EXIT_CODES, SECTIONS, main
from ops.processes import ROOT

Schema = dict[str, Any]

_PLACE = re.compile(r"^% generated: (\w+)$", re.MULTILINE)
_METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
_BOUNDS = {
    "ge": "at least",
    "gt": "more than",
    "le": "at most",
    "lt": "less than",
    "min_length": "characters, at least:",
}
_PROCESSORS = ("worker_processes",)
"""Settings whose default depends on the machine that reads it."""
_LEVELS = {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"}
_LOG_METHODS = {*_LEVELS.values(), "exception", "log"}
_UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def filled(page: str) -> str:
    """The text of a page, with each generated part in its place."""
    return _PLACE.sub(lambda place: PARTS[place[1]](), page)


def settings() -> str:
    """Every setting, in the groups and the order of app/settings.py."""
    hints = get_type_hints(Settings, include_extras=True)
    defaults = {field.name: field.default for field in msgspec.structs.fields(Settings)}
    texts = app_settings.environment(Settings())
    wanted = {getattr(row, "variable", ""): str(getattr(row, "wanted", "")) for row in app_settings.describe()}
    lines: list[str] = []
    group = None
    for name, hint in hints.items():
        metas = [meta for meta in hint.__metadata__ if isinstance(meta, msgspec.Meta)]
        if (found := _group(metas) or "All settings") != group:
            group = found
            lines += [f"## {group}", ""]
        description = next((meta.description for meta in metas if meta.description), "")
        variable = app_settings.PREFIX + name.upper()
        default = "the number of processors" if name in _PROCESSORS else _default(defaults[name], texts[variable])
        values = [f"Value: {_escaped(wanted[variable])}."] if wanted.get(variable) else _bounds(metas)
        facts = " ".join([f"Default: {default}.", *values])
        lines += [f"### {variable}", "", _escaped(description), "", facts, ""]
    return "\n".join(lines)


def _group(metas: list[msgspec.Meta]) -> str | None:
    """The group that a setting's annotation names, if it names one."""
    for meta in metas:
        group = {**(meta.extra_json_schema or {}), **(meta.extra or {})}.get("group") or meta.title
        if group:
            return str(getattr(group, "value", group))
    return None


def _bounds(metas: list[msgspec.Meta]) -> Iterator[str]:
    for meta in metas:
        for name, text in _BOUNDS.items():
            if (bound := getattr(meta, name)) is not None:
                yield f"{text.capitalize()} {bound:g}."
        if meta.pattern:
            yield f"Pattern: {_code(meta.pattern)}."


def _default(value: object, text: str) -> str:
    """A default as the environment has it (`text`), and a size in the unit that people use."""
    if isinstance(value, bool):
        return _code(text.lower())
    if isinstance(value, int):
        for unit, name in _UNITS:
            if value >= unit and value % unit == 0:
                return f"{_code(text)} ({value // unit} {name})"
    return _code(text.removesuffix(".0") if isinstance(value, float) else text) or "empty"


def commands() -> str:
    """Every command with its help and its options, and the exit codes."""
    lines: list[str] = []
    for title, section in SECTIONS.items():
        lines += [f"## {title}", ""]
        for name in section:
            command = main.get_command(click.Context(main), name)
            if command is not None:
                lines += [f"### mentiongraph {name}", "", *_command(name, command)]
                for below, each in sorted(command.commands.items()) if isinstance(command, click.Group) else ():
                    lines += [f"#### mentiongraph {name} {below}", "", *_command(f"{name} {below}", each)]
    lines += ["## Exit codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code} | {_cell(meaning)} |" for code, meaning in EXIT_CODES.items()]
    return "\n".join(lines)


def _command(name: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=f"mentiongraph {name}")
    yield from ["```text", " ".join([f"mentiongraph {name}", *command.collect_usage_pieces(context)]), "```", ""]
    yield from _paragraphs(inspect.cleandoc(command.help or ""))
    records = [record for param in command.get_params(context) if (record := param.get_help_record(context))]
    if records:
        yield from ["| option | meaning |", "|---|---|"]
        yield from (f"| {_code(option)} | {_cell(meaning)} |" for option, meaning in records)
        yield ""


def _paragraphs(help_text: str) -> Iterator[str]:
    r"""The help of a command: paragraphs that click leaves as they are (they begin with `\b`) become blocks."""
    for paragraph in help_text.split("\n\n"):
        if paragraph.startswith("\b"):
            head, _, rest = paragraph.removeprefix("\b").strip("\n").partition("\n")
            yield from [_escaped(head), "", "```text", dedent(rest), "```", ""]
        else:
            yield from [_escaped(paragraph), ""]


def problems() -> str:
    """Every problem that has a name, with its HTTP status and the exit code of a command that meets it."""
    for module in {f"ops.cli.{entry.module}" for entry in COMMANDS.values()} | {"ops.demo.show"}:
        importlib.import_module(module)  # it may name problems of its own
    rows = {(kind.code, kind.status, kind.exit_code): kind for kind in sorted(_kinds(), key=lambda kind: kind.code)}
    lines: list[str] = []
    for kind in rows.values():
        title, _, more = inspect.cleandoc(kind.__doc__ or "").partition("\n")
        facts = f"Type {_code(errors.PROBLEM_TYPE_PREFIX + kind.code)}. Exit code {kind.exit_code}."
        if _is_answered(kind):
            facts = f"HTTP status {kind.status}. {facts}"
        lines += [f"## {kind.code}", "", _escaped(title), ""]
        lines += [_escaped(more.strip()), ""] if more.strip() else []
        lines += [facts, ""]
    return "\n".join(lines)


def _is_answered(kind: type[MentiongraphError]) -> bool:
    """Whether the API can answer this; the command line has failures of its own."""
    return kind.__module__ == errors.__name__ and str(getattr(kind, "where", "")) != "command line"


def problem_codes() -> set[str]:
    """The codes of all problems."""
    return {kind.code for kind in _kinds()}


def _kinds() -> Iterator[type[MentiongraphError]]:
    waiting: list[type[MentiongraphError]] = [MentiongraphError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        # A class for several problems has no code of its own, or that of its parent.
        if "code" in vars(kind) and kind.__module__.split(".")[0] in {"app", "ops"}:
            yield kind


def rejects() -> str:
    """Every reject code, in the order in which a row is checked."""
    lines = ["| code | meaning |", "|---|---|"]
    lines += [f"| {_code(reason.value)} | {_cell(MEANING[reason])} |" for reason in Reason]
    return "\n".join(lines)


def warnings() -> str:
    """Every warning of an upload, the most harmful first."""
    lines: list[str] = []
    for code in Code:
        row = WARNINGS[code]
        lines += [f"## {code.value}", "", f"**{_escaped(row.title)}.** {_escaped(row.meaning)}", ""]
        lines += [f"What to do: {_escaped(row.to_do)}", ""]
    return "\n".join(lines)


def empty_exports() -> str:
    """Every reason why an export has no edges, in the order in which they are looked for."""
    lines = ["| code | meaning | what to do |", "|---|---|---|"]
    lines += [f"| {_code(code.value)} | {_cell(REASONS[code].said)} | {_cell(REASONS[code].to_do)} |" for code in Empty]
    return "\n".join(lines)


def audit_actions() -> str:
    """Every action of audit events."""
    lines = ["| action | meaning |", "|---|---|"]
    lines += [f"| {_code(action.value)} | {_cell(AUDITED[action])} |" for action in Action]
    return "\n".join(lines)


class Logged(NamedTuple):
    """One call that logs: where, at which levels, which events, with which fields."""

    module: str
    line: int
    levels: tuple[str, ...]
    events: tuple[str, ...]
    """Empty: it is no literal."""
    fields: tuple[str, ...]


def logged() -> Iterator[Logged]:
    """Every call of a logger in the code."""
    for room in ("app", "workers", "ops"):
        for file in sorted((ROOT / room).rglob("*.py")):
            module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Call) and (found := _logged(module, node)) is not None:
                    yield found


def _logged(module: str, call: ast.Call) -> Logged | None:
    match call.func:
        case ast.Attribute(value=ast.Name(id="log" | "logger"), attr=method) if method in _LOG_METHODS:
            pass
        case _:
            return None
    literals = [tuple(_literals(argument)) for argument in call.args]
    levels: tuple[str, ...] = ("error",) if method == "exception" else (method,)
    if method == "log":
        levels = tuple(_LEVELS[number] for number in literals.pop(0))
    fields = tuple(each.arg for each in call.keywords if each.arg not in {None, "exc_info"} and each.arg is not None)
    return Logged(module, call.lineno, levels, literals[0] if literals else (), fields)


def _literals(node: ast.expr) -> Iterator[Any]:
    match node:
        case ast.Constant(value=value):
            yield value
        case ast.IfExp(body=one, orelse=other):
            yield from _literals(other)
            yield from _literals(one)
        case _:
            return


def log_events() -> str:
    """Every event of the logs, with its levels, its fields and the loggers that log it."""
    calls = list(logged())
    lines: list[str] = []
    for event, meaning in LOGGED.items():
        of_event = [call for call in calls if event in call.events]
        fields = sorted({field for call in of_event for field in call.fields})
        levels = [level for level in _LEVELS.values() if any(level in call.levels for call in of_event)]
        loggers = sorted({call.module for call in of_event})
        facts = f"Level {', '.join(levels)}. Logger {', '.join(map(_code, loggers))}."
        if fields:
            facts += f" Fields {', '.join(map(_code, fields))}."
        lines += [f"## {event}", "", _escaped(meaning), "", facts, ""]
    return "\n".join(lines)


RULES = ROOT / "ops" / "monitoring" / "prometheus" / "rules"
_TEMPLATE = re.compile(r"\{\{ (?:\$labels\.)?(\$?\w+)[^}]* \}\}")


def alert_rules() -> list[Schema]:
    """Every alert of the rules: the promises first, then the causes."""
    files = [yaml.safe_load((RULES / f"{name}.yml").read_text("utf-8")) for name in ("promises", "causes")]
    return [rule for file in files for group in file["groups"] for rule in group["rules"] if "alert" in rule]


def runbook_of(rule: Schema) -> str:
    """The name of an alert's page in docs/runbooks."""
    return str(rule["annotations"]["runbook_url"]).rpartition("/")[2].removesuffix(".html")


def alerts() -> str:
    """Every alert with its condition, its first command and its runbook."""
    lines = ["| alert | | says |", "|---|---|---|"]
    rules = alert_rules()
    lines += [
        f"| [{rule['alert']}](#{rule['alert'].lower()}) | {rule['labels']['severity']} "
        f"| {_cell(_untemplated(rule['annotations']['summary']))} |"
        for rule in rules
    ]
    for rule in rules:
        notes, lasting = rule["annotations"], f", for {rule['for']}" if "for" in rule else ""
        lines += ["", f"## {rule['alert']}", "", _escaped(_untemplated(notes["summary"])), ""]
        lines += [_escaped(_untemplated(notes["description"])), ""]
        link = f"[{runbook_of(rule)}](../runbooks/{runbook_of(rule)}.md)"
        lines += [f"A {rule['labels']['severity']}{lasting}. Runbook: {link}."]
        lines += ["", "```text", rule["expr"].strip(), "```"]
    return "\n".join(lines)


def _untemplated(text: str) -> str:
    """A text of a rule, with a word in place of what Prometheus puts in."""
    return _TEMPLATE.sub(lambda found: "N" if found[1] == "$value" else found[1].upper(), text)


def presets() -> str:
    """Every preset with what it reads, by the shape of its files."""
    lines: list[str] = []
    for shape, title in ((Shape.CSV, "CSV"), (Shape.JSON, "JSON")):
        lines += [
            f"## {title}",
            "",
            "| preset | files of | author | text | post id | profile |",
            "|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {_code(each.name)} | {_cell(each.title)} | {_places(each.author) or '`author_is`'} "
            f"| {_places(each.text)} | {_places(each.id)} | {_code(each.profile)} |"
            for each in PRESETS
            if each.shape is shape
        ]
        lines.append("")
    lines += ["## What to know", ""]
    lines += [f"- {_code(each.name)}: {_cell(each.note)}" for each in PRESETS if each.note]
    return "\n".join(lines)


def _places(path: str | None) -> str:
    """Columns or paths, the first that is there being meant; of many, the first few."""
    places = (path or "").split("|")
    shown = [_code(place) for place in places[:_PLACES_SHOWN] if place]
    return ", or ".join(shown) + (", …" if len(places) > _PLACES_SHOWN else "")


_PLACES_SHOWN = 3


def profiles() -> str:
    """Every profile with its rule and its source."""
    lines = ["| profile | version | a mention is | the rule is stated in |", "|---|---|---|---|"]
    lines += [
        f"| {_code(each.name)} | {each.version} | {_cell(each.about)} | {_cell(each.source)} |"
        for each in PROFILES.values()
    ]
    return "\n".join(lines)


def openapi() -> Schema:
    """The OpenAPI document, as the API serves it at /doc/openapi.json."""
    document: Schema = create_app(Settings()).openapi_schema.to_schema()
    return document


def routes() -> str:
    """Every route, by tag, with its parameters and answers."""
    document = openapi()
    described = {tag["name"]: tag.get("description", "") for tag in document.get("tags", [])}
    by_tag: dict[str, list[str]] = {tag: [] for tag in described}
    for path, item in sorted(document["paths"].items(), key=lambda found: found[0].replace("_", "~")):
        for method in _METHODS:
            if method in item:
                operation = item[method]
                tag = next(iter(operation.get("tags", [])), "other")
                by_tag.setdefault(tag, []).extend(_operation(document, f"{method.upper()} {path}", operation))
    lines: list[str] = []
    for tag, operations in by_tag.items():
        if operations:
            lines += [f"## {tag.capitalize()}", "", _escaped(described.get(tag, "")), "", *operations]
    return "\n".join(lines)


def _operation(document: Schema, name: str, operation: Schema) -> Iterator[str]:
    yield from [f"### {name}", "", _escaped(operation.get("summary", "")), ""]
    if description := operation.get("description"):
        yield from [_escaped(description), ""]
    needs = [" and ".join(map(_code, each["key"])) for each in operation.get("security", [])]
    yield from [f"Scope: {', or '.join(needs) or 'none; the route needs no key'}.", ""]
    if parameters := [_resolved(document, each) for each in operation.get("parameters", [])]:
        yield from ["| parameter | in | value | meaning |", "|---|---|---|---|"]
        for each in parameters:
            needed = " (required)" if each.get("required") and each["in"] != "path" else ""
            value = _cell(_type(document, each.get("schema", {})))
            yield f"| {_code(each['name'])} | {each['in']}{needed} | {value} | {_cell(each.get('description', ''))} |"
        yield ""
    if body := operation.get("requestBody"):
        yield from [f"Body: {', '.join(_code(kind) for kind in body.get('content', {}))}.", ""]
    yield from ["| answer | content | meaning |", "|---|---|---|"]
    for status, answer in operation.get("responses", {}).items():
        found = _resolved(document, answer)
        content = ", ".join(_code(kind) for kind in found.get("content", {}))
        yield f"| {status} | {content} | {_cell(found.get('description', ''))} |"
    yield ""


def _resolved(document: Schema, found: Schema) -> Schema:
    """What a reference stands for."""
    if "$ref" not in found:
        return found
    target: Schema = document
    for step in found["$ref"].removeprefix("#/").split("/"):
        target = target[step]
    return target


def _type(document: Schema, schema: Schema) -> str:
    """The values that a schema allows, in few words."""
    schema = _resolved(document, schema)
    if alternatives := schema.get("oneOf") or schema.get("anyOf") or schema.get("allOf"):
        return ", or ".join(_type(document, each) for each in alternatives if each.get("type") != "null")
    words = [" | ".join(_code(str(each)) for each in schema["enum"])] if "enum" in schema else [_named(schema)]
    if "items" in schema:
        words.append(f"of {_type(document, schema['items'])}")
    words += [f"{text} {schema[key]:g}" for key, text in (("minimum", "from"), ("maximum", "to")) if key in schema]
    if (default := schema.get("default")) is not None:
        words.append(f"(default {_code(str(default).lower() if isinstance(default, bool) else str(default))})")
    return " ".join(words)


def _named(schema: Schema) -> str:
    kind = schema.get("type", "any")
    return str(schema.get("format") or (kind if isinstance(kind, str) else " | ".join(kind)))


def _code(text: str) -> str:
    """Text as code in a line or a cell."""
    return f"`{text}`".replace("|", "\\|") if text else ""


def _escaped(text: str) -> str:
    """Plain text as Markdown: what stands between backticks is code, and nothing else is markup."""
    parts = text.split("`")
    return "`".join(
        part if odd % 2 else re.sub(r"([\\*_<>\[\]|{}#$])", r"\\\1", part) for odd, part in enumerate(parts)
    )


def _cell(text: str) -> str:
    """Plain text, or text with code between backticks, in a cell of a table."""
    parts = " ".join(text.split()).split("`")
    return "`".join(
        part.replace("\\|", "|").replace("|", "\\|") if odd % 2 else re.sub(r"([\\*_<>\[\]|{}#$])", r"\\\1", part)
        for odd, part in enumerate(parts)
    )


def metrics() -> str:
    """Every metric, by where it comes from, and the meaning of each label."""
    lines: list[str] = []
    for source in Source:
        found = [metric for metric in METRICS if source in metric.source]
        lines += [f"## {SERVED[source].title}", "", _escaped(SERVED[source].meaning), ""]
        lines += ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
        lines += [
            f"| {_code(each.full_name)} | {each.kind} | {', '.join(map(_code, each.labels))} "
            f"| {_cell(each.help)}{_buckets(each)} |"
            for each in found
        ]
        lines.append("")
    lines += ["## Labels", "", "| label | meaning |", "|---|---|"]
    lines += [f"| {_code(name)} | {_cell(meaning)} |" for name, meaning in LABELS.items()]
    return "\n".join(lines)


def _buckets(metric: Metric) -> str:
    return f" Buckets: {', '.join(f'{bound:g}' for bound in metric.buckets)} s." if metric.buckets else ""


PARTS: dict[str, Callable[[], str]] = {
    "metrics": metrics,
    "settings": settings,
    "commands": commands,
    "problems": problems,
    "rejects": rejects,
    "warnings": warnings,
    "empty_exports": empty_exports,
    "audit_actions": audit_actions,
    "log_events": log_events,
    "alerts": alerts,
    "presets": presets,
    "profiles": profiles,
    "routes": routes,
}
