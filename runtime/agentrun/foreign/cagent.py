"""Docker cagent (docker agent) files: each of their agents as an agent of a project, with the tools that it has.

What `sub_agents` lists is called and returns, so those are tools; `handoffs` are hand-offs.
"""

from __future__ import annotations

from typing import Any

from agentrun.foreign.cagent_kit import Kit, duration
from agentrun.foreign.cagent_models import Models, with_fallback
from agentrun.foreign.cagent_permissions import Permissions
from agentrun.foreign.cagent_tools import Toolsets
from agentrun.foreign.cagent_words import AGENT_REASONS, TOP_REASONS
from agentrun.foreign.converted import Converted
from agentrun.foreign.draft import Draft
from agentrun.foreign.fields import Fields
from agentrun.foreign.yaml_text import prose, without_templates
from agentrun.spec.nodes import Node
from agentrun.spec.types import LimitsSpec
from agentrun.strict.schema import make_strict

_MAX_STARTERS = 50


def from_cagent(root: Node, origin: str) -> Converted:
    return _File(Fields(root, "", Draft(origin))).converted()


class _File:
    def __init__(self, top: Fields) -> None:
        self._top = top
        self._draft = draft = top.draft
        self._agents = top.members("agents")
        self._names = {name: draft.name(name, "agent") for name in self._agents}
        self._models = Models(draft, top.members("models"), top.members("providers"))
        self._toolsets = Toolsets(draft, top.members("mcps"))
        self._shared = top.members("toolsets")
        self._commands = top.members("commands")
        self._budgets = top.members("budgets")
        self._used: set[str] = set()
        self._permissions = Permissions(draft, top.inner("permissions", "permissions"))

    def converted(self) -> Converted:
        top, draft = self._top, self._draft
        top.skip("version", "metadata")
        self._budget = self._limits_of(top.inner("budget", "budget"))
        agents: dict[str, tuple[Fields, Kit]] = {}
        for name, node in self._agents.items():
            fields = Fields(node, f"agent {name[:60]}", draft)
            if node.is_mapping:
                agents[name] = fields, self._kit(fields)
                self._permissions.functions |= {one.lower() for one in agents[name][1].functions}
            else:
                draft.leave(node, fields.what, f"an agent is a mapping, not {node.kind}")
        for name, (fields, kit) in agents.items():
            draft.agents[self._names[name]] = self._agent(name, fields, kit)
        for section, known in (("toolsets", self._shared), ("commands", self._commands), ("budgets", self._budgets)):
            for name, node in known.items():
                if f"{section}/{name}" not in self._used:
                    draft.leave(node, f"{section}: `{name[:60]}`", "no agent uses it")
        self._models.rest()
        self._toolsets.rest()
        self._permissions.rest()
        top.rest(TOP_REASONS)
        return draft.converted()

    def _agent(self, name: str, fields: Fields, kit: Kit) -> dict[str, Any]:
        own = self._names[name]
        agents = self._sub_agents(name, fields)
        handoffs = self._handoffs(name, fields)
        data: dict[str, Any] = {"description": prose(fields.text("description")).strip()}
        if not data["description"]:
            data["description"] = f"The agent {own}."
        data |= self._model(fields)
        prompt = self._prompt(fields, kit)
        data |= {"system_prompt": prompt} if prompt else {}
        data["tools"] = [*kit.names, *({"agent": one} for one in agents)]
        data |= {"handoffs": handoffs} if handoffs else {}
        data |= self._output(fields)
        rules = self._permissions.of(kit, agents, handoffs)
        data |= {"permissions": rules} if rules else {}
        limits = self._limits(fields)
        data |= {"limits": limits} if limits else {}
        starters = self._starters(fields)
        data |= {"starters": starters} if starters else {}
        for key in ("code_mode_tools", "add_description_parameter", "add_environment_info", "readonly", "skills"):
            fields.leave_switched_on(key, AGENT_REASONS[key])
        fields.skip("name")
        fields.rest(AGENT_REASONS)
        return {key: value for key, value in data.items() if value != []}

    # -- what an agent calls

    def _kit(self, fields: Fields) -> Kit:
        kit = Kit()
        for node in fields.items("toolsets"):
            self._toolsets.add(node, fields.what, kit)
        for name, place in fields.texts("use_toolsets"):
            shared = self._shared.get(name)
            if shared is None:
                self._draft.leave(place, fields.told("use_toolsets"), f"there is no toolset `{name[:60]}` in the file")
            else:
                self._used.add(f"toolsets/{name}")
                self._toolsets.add(shared, fields.what, kit)
        kit.names = list(dict.fromkeys(kit.names))
        kit.said = [one for one in dict.fromkeys(kit.said) if one]
        return kit

    def _sub_agents(self, name: str, fields: Fields) -> list[str]:
        """Those that can be tools: calls in a circle have no end here."""
        found: list[str] = []
        for other, place in fields.texts("sub_agents"):
            if not self._is_here(other):
                why = "an agent of elsewhere is not fetched: import its file, and list it in `tools`"
                self._draft.leave(place, f"{fields.what}: sub-agent `{other[:80]}`", why)
            elif not self._draft.may_call(self._names[name], self._names[other]):
                why = "agents that call each other in a circle have no end: `handoffs` may form circles"
                self._draft.leave(place, f"{fields.what}: sub-agent `{other[:80]}`", why)
            elif self._names[other] not in found:
                found.append(self._names[other])
        return found

    def _is_here(self, name: str) -> bool:
        node = self._agents.get(name)
        return node is not None and node.is_mapping

    def _handoffs(self, name: str, fields: Fields) -> list[str]:
        found: list[str] = []
        for other, place in fields.texts("handoffs"):
            if not self._is_here(other) or other == name:
                why = "no other agent of the file is called so"
                self._draft.leave(place, f"{fields.what}: handoff `{other[:80]}`", why)
            elif self._names[other] not in found:
                found.append(self._names[other])
        return found

    # -- model and prompt

    def _model(self, fields: Fields) -> dict[str, Any]:
        written = fields.text("model")
        place = fields.peek("model") or fields.node
        model, parallel = self._models.of(written, place, fields.told("model") if written else fields.what)
        fallback = fields.inner("fallback")
        if fallback is not None:
            others = [self._models.of(one, node, fallback.what)[0] for one, node in fallback.texts("models")]
            model = with_fallback(model, others)
            retries = fallback.whole("retries", least=-1)
            if retries:
                model = {
                    **({"name": model} if isinstance(model, str) else model),
                    "max_retries": max(min(retries, 20), 0),
                }
            fallback.rest(
                {
                    "cooldown": "each request begins with the first model",
                    "no_fallback_status_codes": "any failure of the first model leads to the next one",
                }
            )
        return {"model": model} | ({} if parallel is None else {"parallel_tool_calls": parallel})

    def _prompt(self, fields: Fields, kit: Kit) -> str:
        text = fields.text("instruction")
        if "${env." in text:
            why = "variables in an instruction stay text: a parameter of the agent can hold it, `{{ args.NAME }}`"
            self._draft.leave(fields.peek("instruction") or fields.node, fields.told("instruction"), why)
        parts = [without_templates(prose(text)).strip("\n"), *kit.said]
        if fields.flag("add_date"):
            parts.append("Today's date: {{ run.date }}")
        whole = "\n\n".join(one for one in parts if one.strip())
        return f"{whole}\n" if "\n" in whole else whole

    def _output(self, fields: Fields) -> dict[str, Any]:
        output = fields.inner("structured_output")
        if output is None:
            return {}
        given = output.inner("schema")
        wanted = {} if given is None else self._draft.schema(given.node, given.what, given.node.data())
        made: dict[str, Any] = {"name": _legal(output.text("name"))}
        if description := prose(output.text("description")).strip():
            made["description"] = description
        if output.flag("strict"):
            if isinstance(wanted, dict) and not make_strict(wanted).refusals:
                made["strict"] = True
            else:
                output.leave("strict", "the schema is none that OpenAI's strict mode takes")
        if output.text("mode") not in ("", "native"):
            output.leave("mode", "the schema is the service's `response_format`, and the answer is validated")
        output.rest()
        return {"response_format": {"type": "json_schema", "json_schema": {**made, "schema": wanted}}}

    # -- limits and starters

    def _limits(self, fields: Fields) -> dict[str, Any]:
        limits: dict[str, Any] = {}
        turns = fields.whole("max_iterations")
        if turns:
            limits["max_turns"] = turns
        elif turns == 0:
            default = LimitsSpec().max_turns
            fields.leave(
                "max_iterations", f"turns always have a limit: {default}, unless `limits: {{max_turns: …}}` says"
            )
        repeated = fields.whole("max_consecutive_tool_calls")
        if repeated:
            limits["max_repeated_calls"] = max(repeated, 2)
        limits |= self._budget
        for name, place in fields.texts("budgets"):
            node = self._budgets.get(name)
            if node is None or not node.is_mapping:
                self._draft.leave(place, fields.told("budgets"), f"there is no budget `{name[:60]}` in the file")
                continue
            self._used.add(f"budgets/{name}")
            self._draft.note("limits hold for one user message, and agents that are called as tools share them")
            for key, value in self._limits_of(Fields(node, f"budgets: `{name[:60]}`", self._draft)).items():
                limits[key] = min(value, limits.get(key, value))
        return limits

    def _limits_of(self, budget: Fields | None) -> dict[str, Any]:
        if budget is None:
            return {}
        found = {
            "max_cost_usd": budget.number("max_cost"),
            "max_total_tokens": budget.whole("max_tokens"),
            "timeout": duration(budget.text("max_time")),
        }
        budget.rest()
        return {key: value for key, value in found.items() if value}

    def _starters(self, fields: Fields) -> list[str]:
        found: list[str] = []
        groups = [fields.take("commands")]
        for name, place in fields.texts("use_commands"):
            group = self._commands.get(name)
            self._used.add(f"commands/{name}")
            groups.append(group)
            if group is None:
                self._draft.leave(place, fields.told("use_commands"), f"there is no `{name[:60]}` in `commands`")
        for group in groups:
            entries = [] if group is None else group.content if group.is_list else [group]
            for entry in entries:
                for name, node in entry.content.items() if entry.is_mapping else ():
                    text = self._command(name, node, fields)
                    found += [text] if text else []
        return list(dict.fromkeys(found))[:_MAX_STARTERS]

    def _command(self, name: str, node: Node, fields: Fields) -> str | None:
        """A command as the message that it sends. One that does more is left."""
        what = f"{fields.what}: command `{name[:60]}`"
        text = node.content
        if node.is_mapping:
            command = Fields(node, what, self._draft)
            text = command.text("instruction")
            command.skip("description")
            command.rest({"agent": "a message goes to the agent that one talks to", "url": "agentrun opens no browser"})
        if not isinstance(text, str) or not text.strip():
            if not node.is_mapping:
                self._draft.leave(node, what, f"a text is expected, not {node.kind}")
            return None
        if "$" in text or "!`" in text:
            self._draft.leave(
                node, what, "starters are sent as they are: they hold no arguments, variables or commands"
            )
            return None
        return prose(text).strip()


def _legal(name: str) -> str:
    from agentrun.spec.function_names import made_name

    legal = "".join(one if one.isascii() and (one.isalnum() or one in "_-") else "_" for one in name).strip("_-")
    return made_name(legal or "answer")
