"""An MCP server that serves what a file says, whatever that is: `python mcp_written.py FILE`.

FILE is JSON: `tools` as the protocol lists them, and `results` by tool; a call of a tool without one gives back its
arguments. It is read for each request, so that a test can change what the server has.
"""

import json
import sys
from pathlib import Path


def answered(method, params, file):
    written = json.loads(file.read_text(encoding="utf-8"))
    if method == "initialize":
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "written", "version": "1"},
        }
    if method == "tools/list":
        return {"tools": written["tools"]}
    if method == "tools/call":
        echo = {"content": [{"type": "text", "text": json.dumps(params.get("arguments"))}]}
        return written.get("results", {}).get(params["name"], echo)
    return {} if method == "ping" else None


def main():
    file = Path(sys.argv[1])
    for line in sys.stdin:
        request = json.loads(line)
        if "id" not in request or "method" not in request:
            continue
        result = answered(request["method"], request.get("params") or {}, file)
        reply = {"error": {"code": -32601, "message": "no such method"}} if result is None else {"result": result}
        print(json.dumps({"jsonrpc": "2.0", "id": request["id"], **reply}), flush=True)


if __name__ == "__main__":
    main()
