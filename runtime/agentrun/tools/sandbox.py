"""Runs a command inside bubblewrap: what it sees, what it can write, and whether this machine can do that at all.

Owns the argument list for `bwrap` (`wrap`, pure) and the refusals: a call that asks for a sandbox never runs without
one. It knows nothing of templates and results; how a process runs and ends is `process.py`'s.

- A user namespace in every case, for root too: the process limit counts in it, and a sandbox is the same thing
  whoever runs it. Where namespaces are forbidden the call is refused.
- No `--new-session`: a call has a session of its own without a terminal, so there is none to type into.
- Sockets can be connected to on a read-only mount. Those below /run, /tmp and /var/tmp are hidden; one that lies
  elsewhere isn't.
- What is bound is found out here and not by bwrap, so that a link which a command left in a folder that it may write
  never decides what the next command may write.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from agentrun.errors import ToolFailure
from agentrun.spec.types import SandboxSpec, ShellSpec
from agentrun.tools.process import Completed, run_process
from agentrun.tools.program import locate

# A sandbox has its own, empty ones.
_TMP = Path("/tmp")  # noqa: S108
HIDDEN = (Path("/run"), _TMP, Path("/var/tmp"))  # noqa: S108
# They are memory, so each has a bound.
_TMP_BYTES = 256 * 1024 * 1024
_SMALL_BYTES = 16 * 1024 * 1024
MAX_PROCESSES = 64
# bwrap's own limit, its options included.
_MAX_ARGUMENTS = 9_000
# Older kernels count all processes of the user wherever the limit was set: 64 would leave a desktop none.
_COUNTS_BY_NAMESPACE = (5, 14)
# A shell doesn't pass on variables with other names.
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SYSTEM = {Path("/"): ["--ro-bind", "/", "/"], Path("/dev"): ["--dev", "/dev"], Path("/proc"): ["--proc", "/proc"]}
_NOT_RUN = "the command was not run"

_working: set[tuple[str, bool]] = set()  # (bwrap, network) that made a sandbox in this process


def sandbox_of(spec: ShellSpec) -> SandboxSpec | None:
    """What is asked for: `true` is the strictest."""
    return SandboxSpec() if spec.sandbox is True else spec.sandbox or None


def wrap(
    argv: Sequence[str],
    *,
    bwrap: str,
    cwd: Path,
    hidden: Iterable[Path] = HIDDEN,
    seen: Iterable[Path] = (),
    write: Iterable[Path] = (),
    network: bool = False,
    max_processes: int | None = MAX_PROCESSES,
    max_memory_mb: int | None = None,
) -> list[str]:
    """The argument list that runs `argv` in a sandbox. All paths are absolute, exist and hold no links.

    `hidden` are replaced by empty folders; `seen` can be read and `write` written, also below those.
    """
    mounts = dict(_SYSTEM)
    mounts |= {path: _memory(path, _TMP_BYTES if path == _TMP else _SMALL_BYTES) for path in hidden}
    mounts |= {Path("/dev/shm"): _memory(Path("/dev/shm"), _SMALL_BYTES)}  # noqa: S108
    mounts |= {path: ["--ro-bind", str(path), str(path)] for path in seen}
    mounts |= {path: ["--bind", str(path), str(path)] for path in write}
    return [
        bwrap,
        "--unshare-user",
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
        *([] if network else ["--unshare-net"]),
        "--die-with-parent",
        *("--cap-drop", "ALL"),
        *(word for path in sorted(mounts) for word in mounts[path]),  # what lies inside another comes after it
        # Root's files below /proc/sys are root's in here too, and /dev is memory without a bound.
        *("--remount-ro", "/proc", "--remount-ro", "/dev"),
        *("--chdir", str(cwd)),
        "--",
        *("/bin/sh", "-c", _launch_script(max_processes, max_memory_mb), "sh"),
        *argv,
    ]


def _memory(path: Path, size_bytes: int) -> list[str]:
    return ["--size", str(size_bytes), "--tmpfs", str(path)]


def _launch_script(max_processes: int | None, max_memory_mb: int | None) -> str:
    """Sets the limits, inside the namespaces, says so, and becomes the command. The command is data here: `"$@"`.

    The kernel doesn't hold root to the limit of processes. `-u` is bash's and busybox's name for it, `-p` dash's.
    """
    limits = [f"ulimit -u {max_processes} || ulimit -p {max_processes}"] if max_processes else []
    limits += [f"ulimit -v {max_memory_mb * 1024}"] if max_memory_mb else []
    told = "{ echo 'the limits could not be set' >&2; exit 1; }"
    lines = [f"{{ {limit}; }} 2>/dev/null || {told}" for limit in limits]
    said = ["echo >&3", "exec 3>&-"]  # the command can't write there
    return "; ".join([*lines, *said, "unset PWD OLDPWD SHLVL", 'exec "$@"'])  # bwrap and the shell made these three


class Sandbox:
    """`write` are absolute, in the order of `spec.write`; `environ` is agentrun's environment, where bwrap is found."""

    def __init__(self, spec: SandboxSpec, *, write: Sequence[Path], environ: Mapping[str, str]) -> None:
        self._spec = spec
        self._write = write
        self._environ = environ
        self._max_processes = MAX_PROCESSES if _counts_by_namespace(os.uname().release) else None

    async def run(
        self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: bytes, script: Path | None = None
    ) -> Completed:
        """As `run_process`. `script` is a file that the command reads, wherever it lies. Raises `ToolFailure`."""
        bwrap = _find_bwrap(self._environ)
        view = _view_of(self._write, cwd)
        program = locate(argv[0], cwd=cwd, env=env)
        if view.hides(program.resolve()):
            places = ", ".join(map(str, view.hidden))
            raise _refused(f"the program `{program}` lies where a sandbox is empty ({places})")
        for name in env:
            if not _VARIABLE.fullmatch(name):
                raise _refused(
                    f"the variable `{name}` can't be passed into a sandbox: only letters, digits and `_` can"
                )
        await self._require_sandboxes(bwrap)
        by_path = argv[0].startswith("-") or "PATH" not in env
        wrapped = self._wrap([str(program) if by_path else argv[0], *argv[1:]], bwrap, view, script)
        if len(wrapped) > _MAX_ARGUMENTS:
            most = len(argv) - len(wrapped) + _MAX_ARGUMENTS
            message = f"the command has {len(argv):,} arguments, and in a sandbox it can have at most {most:,}"
            raise ToolFailure("invalid_arguments", message)
        completed = await run_process(wrapped, cwd=cwd, env=env, stdin=stdin, in_sandbox=True, leftover=script)
        if reason := _setup_failure(completed):
            raise _refused(f"its sandbox could not be set up: {reason}")
        return completed

    def _wrap(self, argv: Sequence[str], bwrap: str, view: _View, script: Path | None = None) -> list[str]:
        seen = [*view.seen, *([script.resolve()] if script else [])]
        if self._spec.network and view.hides(resolver := Path("/etc/resolv.conf").resolve()) and resolver.exists():
            seen.append(resolver)
        return wrap(
            argv,
            bwrap=bwrap,
            cwd=view.cwd,
            hidden=view.hidden,
            seen=seen,
            write=view.write,
            network=self._spec.network,
            max_processes=self._max_processes,
            max_memory_mb=self._spec.max_memory_mb,
        )

    async def _require_sandboxes(self, bwrap: str) -> None:
        """Whether this machine lets bwrap do its work: tried once."""
        case = (bwrap, self._spec.network)
        if case in _working:
            return
        root = Path("/")
        probe = wrap(
            ["true"], bwrap=bwrap, cwd=root, hidden=(), network=self._spec.network, max_processes=self._max_processes
        )
        completed = await run_process(probe, cwd=root, env={"PATH": os.defpath}, in_sandbox=True)
        if reason := _setup_failure(completed):
            advice = "a container, a kernel setting or AppArmor may forbid namespaces"
            raise _refused(f"`{bwrap}` is installed and can make no sandbox here: {reason}; {advice}")
        _working.add(case)


def _find_bwrap(environ: Mapping[str, str]) -> str:
    found = shutil.which("bwrap", path=environ.get("PATH", os.defpath))
    if found is None:
        raise _refused("its `sandbox` needs `bwrap`, which is not in PATH; install the package bubblewrap (Linux only)")
    return str(Path(found).absolute())


def _setup_failure(completed: Completed) -> str | None:
    """What bwrap says that it could not do; None where the command began."""
    if completed.begun:
        return None
    said = completed.stderr.decode(errors="replace").partition("\n")[0].removeprefix("bwrap: ")
    return said or f"bwrap ended with exit code {completed.exit_code}"


def _refused(why: str) -> ToolFailure:
    return ToolFailure("internal", f"{_NOT_RUN}: {why}")


def _counts_by_namespace(release: str) -> bool:
    version = re.match(r"(\d+)\.(\d+)", release)
    return version is not None and (int(version[1]), int(version[2])) >= _COUNTS_BY_NAMESPACE


# -- what a sandbox shows --------------------------------------------------------------------------------------


class _View(msgspec.Struct, frozen=True):
    """What one call sees, as `wrap` takes it."""

    hidden: list[Path]
    seen: list[Path]
    write: list[Path]
    cwd: Path

    def hides(self, path: Path) -> bool:
        """Whether a real path lies in what a sandbox replaces."""
        shown = [*self.seen, *self.write]
        return path not in shown and _innermost(path, self.hidden, shown) in set(self.hidden).difference(shown)


def _view_of(write: Sequence[Path], cwd: Path) -> _View:
    hidden = sorted({path.resolve() for path in HIDDEN if path.is_dir()})
    real = {path: _real_write(path) for path in write}
    # What lies in a folder that a command can write may be a link by now. It is written through that folder, or not.
    fixed = sorted({there for path, there in real.items() if not _passes(path, hidden, real.values())})
    view = _View(hidden, [], fixed, cwd.resolve())
    if view.hides(view.cwd) and not _passes(cwd, hidden, fixed):
        return msgspec.structs.replace(view, seen=[view.cwd])
    return view


def _real_write(path: Path) -> Path:
    try:
        real = path.resolve(strict=True)
    except FileNotFoundError:
        raise _refused(f"the `write` path `{path}` of its sandbox does not exist") from None
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before Python 3.13
        raise _refused(f"the `write` path `{path}` of its sandbox can't be used: {error}") from None
    if real == Path("/dev") or real.is_relative_to("/proc"):
        raise _refused(f"the `write` path `{path}` of its sandbox can't be used: a sandbox has its own {real}")
    return real


def _passes(path: Path, hidden: Iterable[Path], write: Collection[Path]) -> bool:
    """Whether the way to a path leads through a folder that a command can write."""
    return any(_innermost(step, hidden, write) in write for step in _steps(path))


def _innermost(path: Path, *folders: Iterable[Path]) -> Path | None:
    """The nearest of the folders around a path."""
    around = [folder for folder in itertools.chain(*folders) if folder != path and path.is_relative_to(folder)]
    return max(around, key=lambda folder: len(folder.parts), default=None)


def _steps(path: Path) -> Iterator[Path]:
    """Every place on the way to a path, with links followed one by one. Ends early after 40 links, as Linux does."""
    at, left, links = Path("/"), list(reversed(path.parts)), 0
    while left:
        part = left.pop()
        if part == "..":
            at = at.parent
            continue
        step = at / part  # an absolute part starts anew
        yield step
        if step.is_symlink() and links < 40:
            links += 1
            left += reversed(step.readlink().parts)
        else:
            at = step
