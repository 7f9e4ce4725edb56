"""Events of runs, written by hand at round times, and a real project, for tests of what becomes of them."""

import json

from agentrun.engine import events
from agentrun.engine.messages import Usage
from projects import write_project

BEGIN = 1_800_000_000.0


class Told:
    """Writes events: each call is one event, `at` seconds after the beginning."""

    def __init__(self, run_id="run1", parent=None):
        self.run_id = run_id
        self.parent = {} if parent is None else {"parent_run_id": parent}
        self.seq = 0

    def __call__(self, kind, at, **fields):
        self.seq += 1
        return kind(run_id=self.run_id, seq=self.seq, time=BEGIN + at, **self.parent, **fields)

    def started(self, at=0.0, agent="desk", model="gpt-5", input="hi"):
        return self(events.RunStarted, at, agent=agent, model=model, args={}, input=input)

    def turn(self, at, number=1):
        return self(events.TurnStarted, at, turn=number)

    def turned(self, at, number=1, message=None, finish="stop", usage=(100, 20), cost_usd=0.25):
        counted = None if usage is None else Usage(usage[0], usage[1], sum(usage))
        said = message or {"role": "assistant", "content": "hello"}
        return self(
            events.TurnFinished, at, turn=number, message=said, finish_reason=finish, usage=counted, cost_usd=cost_usd
        )

    def decided(self, at, call_id="c1", name="refund", approved=True, by="user", reason="always asked", **more):
        told = {"call_id": call_id, "name": name, "approved": approved, "by": by, "reason": reason}
        return self(events.ApprovalDecided, at, **told, **more)

    def called(self, at, call_id="c1", name="refund", **arguments):
        return self(events.ToolStarted, at, call_id=call_id, name=name, arguments=arguments)

    def result(self, at, call_id="c1", name="refund", result="ok", error=None, duration_s=1.0):
        told = result if error is None else json.dumps({"error": {"type": error, "message": result}})
        return self(
            events.ToolFinished,
            at,
            call_id=call_id,
            name=name,
            result=told,
            is_error=error is not None,
            duration_s=duration_s,
        )

    def ended(self, at, reason="answered", text="hello", error=None):
        return self(
            events.RunFinished,
            at,
            reason=reason,
            text=text,
            output=None,
            usage=Usage(100, 20, 120),
            cost_usd=0.25,
            error=error,
        )


def a_run_with_an_expert():
    """Two calls at once, one of them an agent's; then a call that waited for a person and failed."""
    desk, expert = Told("desk1"), Told("expert1", parent="desk1")
    return [
        desk.started(0),
        desk.turn(0),
        desk(events.TextDelta, 1, text="let me see"),
        desk.turned(2, finish="tool_calls"),
        desk.called(2, "c1", "ask_expert", input="why"),
        expert.started(2, agent="expert", model="small"),
        expert.turn(2),
        desk.called(2, "c2", "find_order", id=7),
        desk.result(5, "c2", "find_order"),
        expert.turned(6),
        expert.ended(6),
        desk.result(6, "c1", "ask_expert"),
        desk.turn(6, 2),
        desk.turned(7, 2, finish="tool_calls"),
        desk.decided(9, "c3"),
        desk.called(9, "c3"),
        desk.result(10, "c3", error="http_status", result="404"),
        desk.turn(10, 3),
        desk.turned(12, 3),
        desk.ended(12),
    ]


def by_name(spans):
    found = {}
    for span in spans:
        found.setdefault(span.name, []).append(span)
    return found


PROJECT = {
    "agents/desk.yaml": """
        description: A desk.
        model:
          api: scripted
          script:
            - tool_calls:
              - {name: ask_expert, arguments: {input: CANARY-arguments}, id: c1}
              - {name: look, arguments: {what: CANARY-arguments}, id: c2}
              usage: {input_tokens: 812, output_tokens: 21, total_tokens: 833, cached_tokens: 400}
            - tool_calls:
              - {name: CANARY_invented, arguments: {}, id: c3}
              - {name: fail, arguments: {}, id: c4}
              - {name: look, arguments: {CANARY: 1}, id: c5}
              usage: {input_tokens: 900, output_tokens: 21, total_tokens: 921}
            - {content: CANARY-answer, usage: {input_tokens: 1000, output_tokens: 10, total_tokens: 1010}}
          prices: {input: 2, output: 8}
        system_prompt: CANARY-prompt
        tools: [ask_expert, look, fail]
        permissions:
          - {ask: fail, when: "{{ 'CANARY' != '' }}"}
    """,
    "agents/expert.yaml": """
        description: An expert.
        model:
          api: scripted
          script:
            - {content: CANARY-of-the-expert, usage: {input_tokens: 80, output_tokens: 2, total_tokens: 82}}
    """,
    "tools.d/ask_expert.yaml": "{description: Asks., agent: expert}\n",
    "tools.d/look.yaml": """
        description: Looks.
        parameters: {type: object, properties: {what: {type: string}}, required: [what]}
        python: things:look
    """,
    "tools.d/fail.yaml": "{description: Fails., python: 'things:fail'}\n",
    "things.py": """
        def look(what):
            return "CANARY-result " + what

        def fail():
            raise ValueError("CANARY-error")
    """,
}


def traced_project(folder):
    return write_project(folder, PROJECT)
