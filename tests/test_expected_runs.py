"""Expectations of cases that are really run: what tools send, refused calls, agents behind tools, several messages."""

from cases_in_process import problems_of, run_project

SHOP = {
    "agents/shop.yaml": """
        system_prompt: You sell.
        model: {api: scripted, script: [{content: hello}], prices: {input: 1, output: 2}}
        tools: [order, log, ask, sum]
        permissions: [{ask: order}]
    """,
    "agents/adder.yaml": """
        system_prompt: You add.
        model: {api: scripted, script: [{content: hello}]}
        tools: [sum]
    """,
    "tools.d/order.yaml": """
        description: Orders a thing.
        parameters:
          type: object
          properties:
            what: {type: string}
            pieces: {type: integer, default: 1}
          required: [what]
        http:
          url: https://shop.test/orders/{what}
          method: POST
          json: {n: "{{ args.pieces }}"}
          headers: {X-Shop: main}
    """,
    "tools.d/log.yaml": """
        description: Shows the log.
        parameters: {type: object, properties: {lines: {type: integer}}, required: [lines]}
        shell: {command: [git, log, -n, "{{ args.lines }}"]}
    """,
    "tools.d/ask.yaml": """
        description: Asks the one who adds.
        parameters: {type: object, properties: {input: {type: string}}, required: [input]}
        agent: adder
    """,
    "tools.d/sum.yaml": """
        description: Adds.
        parameters: {type: object, properties: {a: {type: integer}}}
        python: calc:add
    """,
    "calc.py": "def add(a=1):\n    return a\n",
}


def run_cases(folder, cases):
    head = "agent: shop\ncases:\n"
    return run_project(folder, SHOP | {"tests/shop.test.yaml": head + cases})


def test_requests_are_compared_with_what_tools_would_have_sent(tmp_path):
    results = run_cases(
        tmp_path,
        """
  - name: as expected
    args: {input: go}
    model:
      - tool_calls: [{name: order, arguments: {what: a b}}, {name: log, arguments: {lines: 3}}]
      - {content: Ordered., usage: {input_tokens: 90, output_tokens: 10}}
    approve: [order]
    tools: {order: {status: 201, json: {id: 1}}, log: {stdout: "one\\n"}}
    expect:
      calls:
        any_order:
          - name: order
            arguments: {pieces: 1}
            result: {where: {id: 1}}
            request:
              method: POST
              url: https://shop.test/orders/a%20b
              headers: {x-shop: main}
              json: {n: 1}
          - {name: log, request: {argv: [git, log, -n, "3"], cwd: {contains: /}}}
        same_turn: [log, order]
      approvals: [order]
      turns: 2
      tokens: 100
      cost_usd: {at_most: 0.01}
      no_secrets: true
  - name: not as expected
    args: {input: go}
    model: [{tool_calls: [{name: order, arguments: {what: pen}}]}, {content: Ordered.}]
    approve: [order]
    tools: {order: {status: 201, json: {id: 1}}}
    expect:
      calls: [{name: order, request: {url: {contains: /ink}, json: {n: 2}}}]
""",
    )
    assert problems_of(results["as expected"]) == []
    (failure,) = results["not as expected"].shown.failures
    assert 'the url does not contain "/ink"' in failure.message
    assert failure.got == 'POST https://shop.test/orders/pen\n{\n  "n": 1\n}'
    assert failure.expected == 'POST ‹the url contains "/ink"›\n{\n  "n": 2\n}'


def test_a_refused_call_has_its_defaults_and_no_request(tmp_path):
    results = run_cases(
        tmp_path,
        """
  - name: refused
    args: {input: go}
    model: [{tool_calls: [{name: order, arguments: {what: pen}}]}, {content: Then not.}]
    refuse: {order: too dear}
    expect:
      answer: {contains: not}
      approvals: [order]
      calls: {exact: [{name: order, arguments: {pieces: 1}, error: denied, result: {contains: too dear}}]}
  - name: its request
    args: {input: go}
    model: [{tool_calls: [{name: order, arguments: {what: pen}}]}, {content: Then not.}]
    refuse: [order]
    expect: {calls: [{name: order, request: {method: POST}}]}
""",
    )
    assert problems_of(results["refused"]) == []
    assert problems_of(results["its request"]) == [
        "the call of `order` is not as expected: `order` sent nothing: the call was not made (`denied`)"
    ]


def test_calls_of_agents_behind_tools_and_of_earlier_messages_count(tmp_path):
    results = run_cases(
        tmp_path,
        """
  - name: within
    conversation:
      - user: first
        expect: {calls: {exact: [ask, {name: sum, after: ask}]}}
      - user: second
        expect: {calls: {exact: [sum]}, turns: 2}
    model: &turns
      - tool_calls: [{name: ask, arguments: {input: add}}]
      - tool_calls: [{name: sum, arguments: {a: 2}}]
      - content: "2"
      - content: It is 2.
      - tool_calls: [{name: sum}]
      - content: "1"
    tools: {sum: [{result: 2}, {result: 1}]}
    expect:
      calls: [ask, {name: sum, arguments: {a: 2}}, {name: sum, after: sum}]
      answer: "1"
      agent: shop
  - name: without
    conversation: [{user: first}, {user: second}]
    model: *turns
    tools: {sum: [{result: 2}, {result: 1}]}
    expect:
      calls: {never: [s*], in_order: [{name: sum, request: {argv: []}}]}
""",
    )
    # the call of `sum` is made while that of `ask` goes on: its result is not known yet
    assert problems_of(results["within"]) == [
        "the call of `sum` is not as expected: the result of `ask` was not known before it"
    ]
    request, never = problems_of(results["without"])
    assert "only requests of http and shell tools are seen" in request
    assert never == "`sum` was called 2 times, and must never be"


def test_a_tool_that_is_not_there_counts_as_called(tmp_path):
    results = run_cases(
        tmp_path,
        """
  - name: unknown
    args: {input: go}
    model: [{tool_calls: [{name: nothing, arguments: {}}]}, {content: Sorry.}]
    expect: {calls: {never: ["*"]}}
""",
    )
    assert problems_of(results["unknown"]) == ["`nothing` was called 1 time, and must never be"]
