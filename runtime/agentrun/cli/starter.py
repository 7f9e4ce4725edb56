"""The files of a new project: an agent, its tools, a test. Texts only; `init.py` writes them.

The two tools that the agent uses run on any POSIX machine, without a network and without a key.
"""

from __future__ import annotations

_HELLO = """\
# yaml-language-server: $schema=../.agentrun/schemas/agent.schema.json
description: Tells the time and how full the disks of this machine are.
model: ${AGENTRUN_MODEL:-gpt-4.1-mini}
system_prompt: |
  You help the user of this machine, in one or two sentences. Today is {{ run.date }}.
  Look before you answer, and say only what the tools told you.
tools:
  - current_time
  - disk_usage
  # - get_weather  # asks a public service; the tool is ready in tools.d/
starters:
  - What time is it?
  - How full are the disks?
"""

_CURRENT_TIME = """\
# yaml-language-server: $schema=../.agentrun/schemas/tool.schema.json
description: The date, the time and the time zone now.
read_only: true
shell:
  command: [date, "+%Y-%m-%d %H:%M:%S %Z"]
"""

_DISK_USAGE = """\
# yaml-language-server: $schema=../.agentrun/schemas/tool.schema.json
description: Disk space, used and free, of every file system, or of the one that holds a path.
parameters:
  type: object
  properties:
    path: {type: string, minLength: 1, description: "A file or folder, such as /tmp. Default: all file systems."}
  additionalProperties: false
read_only: true
shell:
  command: [df, -h, --, "{{ args.path }}"] # an argument that is left out drops its element
"""

_GET_WEATHER = """\
# yaml-language-server: $schema=../.agentrun/schemas/tool.schema.json
# No agent lists it yet: take the `#` before its name out in agents/hello.yaml.
description: The weather in a city now, in one line.
parameters:
  type: object
  properties:
    city: {type: string, minLength: 1, description: "The city, such as Oslo."}
  required: [city]
  additionalProperties: false
http:
  base_url: https://wttr.in
  url: /{city}?format=4
"""

_TEST = """\
# yaml-language-server: $schema=../.agentrun/schemas/test.schema.json
agent: hello
cases:
  - name: looks at the clock before it answers
    args: {input: "What time is it?"}
    model: # a script stands in for the model
      - tool_calls: [{name: current_time}]
      - content: It is noon.
    tools: {current_time: {stdout: "2026-01-02 12:00:00 UTC"}} # and a stub for what the command would print
    expect:
      answer: {contains: noon}
      calls: [current_time]

  - name: tells how full a disk is
    args: {input: "How full is /tmp?"}
    model:
      - tool_calls: [{name: disk_usage, arguments: {path: /tmp}}]
      - content: It is 42 % full.
    tools:
      disk_usage:
        stdout: |
          Filesystem  Size  Used Avail Use% Mounted on
          /dev/sda1    98G   41G   57G  42% /
    expect:
      answer: {contains: 42 %}
      calls: [{name: disk_usage, request: {argv: [df, -h, --, /tmp]}}]
"""

_GITIGNORE = """\
.env
__pycache__/
"""

_README = """\
# An agentrun project

    agentrun validate                      # check every file
    agentrun test                          # run the cases in tests/: no key, no network
    agentrun chat hello --model offline    # talk to the agent: no key, no network
    agentrun inspect hello                 # what it can do
    agentrun tools call disk_usage --arg path=/tmp

Agents stand in `agents/`, tools in `tools.d/`, tests in `tests/`. To ask a real model, set OPENAI_API_KEY in the
environment, or write it to `.env` and pass `--env-file .env`. AGENTRUN_MODEL names another model.
`agentrun schema --write .agentrun/schemas` renews the schemas that editors complete and check the files with.
"""

FILES = {
    "agents/hello.yaml": _HELLO,
    "tools.d/current_time.yaml": _CURRENT_TIME,
    "tools.d/disk_usage.yaml": _DISK_USAGE,
    "tools.d/get_weather.yaml": _GET_WEATHER,
    "tests/hello.test.yaml": _TEST,
    ".gitignore": _GITIGNORE,
    "README.md": _README,
}
SCHEMAS = ".agentrun/schemas"
