"""Speed, beside what the same work costs without agentrun: `make bench`, or `python -m benchmarks.run`.

run.py            what is measured, in turns, printed and kept
conversations.py  the work that contenders do against a model server
crowd.py          1,000 conversations at once; crowd_worker.py is the process that has them
commands.py       the work of whole commands: cold starts and `validate`
cases.py          the work of `agentrun test`
sessions.py       finding a session among many, and what keeping one costs
requests.py       one request late in a conversation: `python -m benchmarks.requests`
results.py        samples to medians, spreads and ratios; Markdown and JSON
record.py         the file that samples are kept in, and the machine they are of
targets.py        what agentrun is to reach, and whether it does
report.py         `docs/performance.md` from that file: `python -m benchmarks.report`
plot.py           its picture
server.py         the model server
worker.py         the process of one contender
environments.py   the Python environment of each, made when it is missing
peer.py           how such processes are started and spoken to
plain_check.py    what `validate` is compared with
contenders/       who takes part, one a file
task.py           what all of them are given: prompt, tools, functions
project/          the same task as files of agentrun
"""
