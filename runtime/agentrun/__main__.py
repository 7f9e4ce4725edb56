"""`python -m agentrun`."""

from agentrun.cli import main

main()
