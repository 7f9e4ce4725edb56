"""What is kept of measurements: a file of all samples, and where they were taken. Parts can be measured again alone.

Knows nothing of how a part is measured, or of what a page makes of it.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from benchmarks.results import Table, tables_of

_CPUS = Path("/proc/cpuinfo")


@dataclass
class Record:
    """`versions` are those of each contender's libraries; `notes` say, by part, what no number does."""

    machine: Mapping[str, str]
    quick: bool = False
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def read(cls, file: Path) -> Self:
        return cls(**json.loads(file.read_text(encoding="utf-8")))

    def write(self, file: Path) -> None:
        """One row a line, so that a change shows what was measured anew."""
        head = {"machine": self.machine, "quick": self.quick, "versions": self.versions, "notes": self.notes}
        rows = ",\n".join(f"  {_json(row)}" for row in self.rows)
        file.write_text(f'{_json(head, indent=1)[:-2]},\n "rows": [\n{rows}\n ]\n}}\n', encoding="utf-8")

    @property
    def parts(self) -> set[str]:
        return {row["part"] for row in self.rows}

    def mixes(self, other: Record) -> bool:
        """Whether numbers of the two say nothing of each other."""
        return (self.machine, self.quick) != (other.machine, other.quick)

    def replace(self, part: str, rows: Iterable[Mapping[str, Any]], notes: Sequence[str], order: Sequence[str]) -> None:
        """A part measured anew. Parts stand in this order, whenever they were measured."""
        self.rows = [row for row in self.rows if row["part"] != part] + [{"part": part, **row} for row in rows]
        self.rows.sort(key=lambda row: order.index(row["part"]))
        self.notes.pop(part, None)
        if notes:
            self.notes[part] = list(notes)

    def tables(self) -> dict[str, Table]:
        """Of all parts, by key. Tables without samples, which have no title, are left out."""
        return tables_of(row for row in self.rows if "title" in row)


def this_machine() -> dict[str, str]:
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": f"{_cpu()}, {os.cpu_count()} cores",
        "memory": f"{pages * size / 2**30:.0f} GB",
        "system": f"{_system()}, {platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def _cpu() -> str:
    if _CPUS.exists():
        named = (line.partition(":")[2].strip() for line in _CPUS.read_text().splitlines() if "model name" in line)
        return next(named, platform.machine())
    return platform.processor() or platform.machine()


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.platform(terse=True)


def _json(data: Any, indent: int | None = None) -> str:
    return json.dumps(data, ensure_ascii=False, indent=indent)
