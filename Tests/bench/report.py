"""One row for each figure, and the table of them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass
class Row:
    """A figure against its goal, and as a multiple of a yardstick of the same run."""

    operation: str
    goal: str
    measured: float
    unit: str
    met: bool
    yardstick: str = ""
    ratio: float | None = None
    note: str = ""


def row(
    operation: str, measured: float, *, below: float, unit: str = "ms", yardstick: tuple[str, float | None] = ("", None)
):
    """A figure that is to be at most `below`."""
    name, value = yardstick
    ratio = measured / value if value else None
    return Row(operation, f"{below:g} {unit}", measured, unit, measured <= below, name if ratio else "", ratio)


def ratio_row(operation: str, measured: float, *, factor: float, yardstick: tuple[str, float | None], unit: str = "ms"):
    """A figure that is to be at most `factor` times its yardstick."""
    name, value = yardstick
    if not value:
        return Row(operation, f"{factor:.3g} × {name}", measured, unit, False, note=f"no {name} here to measure against")
    return Row(operation, f"{factor:.3g} × {name}", measured, unit, measured <= factor * value, name, measured / value)


def table(rows: list[Row], yardsticks: dict[str, float | None]) -> str:
    lines = [("operation", "goal", "measured", "against", "")]
    for r in rows:
        against = f"{r.ratio:.2f} × {r.yardstick}" if r.ratio is not None else r.note
        lines.append((r.operation, r.goal, f"{r.measured:.2f} {r.unit}", against, _verdict(r)))
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    text = "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)
    return f"{text}\n\nyardsticks of this run (medians): {_marks(yardsticks)}"


def markdown(rows: list[Row], yardsticks: dict[str, float | None]) -> str:
    lines = ["| operation | goal | measured | against | |", "| --- | --- | --- | --- | --- |"]
    for r in rows:
        against = f"{r.ratio:.2f} × {r.yardstick}" if r.ratio is not None else r.note
        lines.append(f"| {r.operation} | {r.goal} | {r.measured:.2f} {r.unit} | {against} | {_verdict(r)} |")
    return "\n".join(lines) + f"\n\nYardsticks of the same run, medians: {_marks(yardsticks)}."


def _verdict(r: Row) -> str:
    return "met" if r.met else "missed"


def _marks(yardsticks: dict[str, float | None]) -> str:
    return ", ".join(f"{name} {value:.2f} ms" if value else f"{name} not here" for name, value in yardsticks.items())


def as_json(rows: list[Row], yardsticks: dict[str, float | None]) -> str:
    return json.dumps({"yardsticksMs": yardsticks, "rows": [asdict(r) for r in rows]}, indent=2)
