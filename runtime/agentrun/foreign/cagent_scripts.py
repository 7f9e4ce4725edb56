"""The scripts of a Docker cagent file as shell tools: their arguments arrive as variables, there as here."""

from __future__ import annotations

import re
from typing import Any

from agentrun.foreign.cagent_kit import Kit, Wiring
from agentrun.foreign.cagent_words import TOOLSET_REASONS
from agentrun.foreign.fields import Fields
from agentrun.foreign.yaml_text import prose, without_templates

_USED = re.compile(r"(?<!\\)\$(?:\{([A-Za-z_]\w*)|([A-Za-z_]\w*))")
_ASSIGNED = re.compile(r"\b([A-Za-z_]\w*)=|\b(?:for|read(?:\s+-\w+)*)\s+([A-Za-z_]\w*)")
_ALWAYS_THERE = frozenset(
    ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PWD", "OLDPWD", "IFS", "RANDOM", "SECONDS", "UID", "PPID")
)


def add_scripts(fields: Fields, kit: Kit, wiring: Wiring) -> None:
    common = wiring.environment(fields, "the scripts")
    kit.said.append(wiring.instruction(fields))
    chosen = [one for one, _ in fields.texts("tools")]
    for name, node in fields.members("shell").items():
        what = f"{fields.what}: `{name[:60]}`"
        if chosen and name not in chosen:
            wiring.draft.leave(node, what, "`tools` does not list it")
        elif not node.is_mapping:
            wiring.draft.leave(node, what, f"a mapping is expected, not {node.kind}")
        else:
            _add(name, Fields(node, what, wiring.draft), common, kit, wiring)
    fields.leave_switched_on("defer", TOOLSET_REASONS["defer"])
    fields.rest(TOOLSET_REASONS)


def _add(name: str, fields: Fields, common: dict[str, str], kit: Kit, wiring: Wiring) -> None:
    command = fields.text("cmd")
    parameters = wiring.parameters(fields, texts=True)
    written = {**common, **wiring.environment(fields, name)}
    env: dict[str, Any] = {one: without_templates(value) for one, value in written.items()}
    cwd = wiring.folder(fields)
    description = prose(fields.text("description")).strip() or f"Runs: {command.strip()[:200]}"
    fields.rest()
    if not command.strip():
        wiring.draft.leave(fields.node, fields.what, "it has no `cmd`")
        return
    properties = parameters["properties"]
    env |= {one: f"{{{{ args.{one} }}}}" for one in properties}
    for variable in _outer_variables(command):
        env.setdefault(variable, f"${{{variable}:-}}")
    may_lack = len(parameters.get("required", ())) < len(properties)
    shell: dict[str, Any] = {"script": _as_cagent_runs(command, may_lack=may_lack), "cwd": cwd}
    shell |= {"env": env} if env else {}
    data: dict[str, Any] = {"description": description}
    data |= {"parameters": parameters} if properties else {}
    made = wiring.draft.tool(name, {**data, "require_approval": "always", "shell": shell})
    kit.names.append(made)
    kit.functions[name] = made


def _outer_variables(command: str) -> list[str]:
    """Those that a command uses and does not set: cagent hands its whole environment on."""
    own = {one for found in _ASSIGNED.finditer(command) for one in found.groups() if one} | _ALWAYS_THERE
    used = [found[1] or found[2] for found in _USED.finditer(command)]
    return [one for one in dict.fromkeys(used) if one not in own]


def _as_cagent_runs(command: str, *, may_lack: bool) -> str:
    """cagent's shell has no `-e` and no `-u`: what is left out is empty there, and a failure ends nothing."""
    text = prose(command).strip("\n")
    switch = ("e" if re.search(r"[;\n]", text) else "") + ("u" if may_lack else "")
    return f"set +{switch}\n{text}\n" if switch else f"{text}\n"
