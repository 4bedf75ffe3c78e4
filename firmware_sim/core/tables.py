"""The inputs and faults as Markdown tables, for `docs/sim.md`.

`python -m firmware_sim.core.tables` prints them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from firmware_sim.core.causes import CAUSES
from firmware_sim.core.faults import FAULTS
from firmware_sim.core.inputs import INPUTS


def inputs_table() -> str:
    """Every input with its unit, nominal value and range."""
    rows = [
        (
            f"`{kind.name}`",
            kind.unit,
            "as the car or cable gives" if kind.nominal is None else f"{kind.nominal:g}",
            f"{kind.low:g} to {kind.high:g}",
            kind.meaning,
        )
        for kind in INPUTS.values()
    ]
    return _table(("Input", "Unit", "Nominal", "Range", "What it is"), rows)


def faults_table() -> str:
    """Every fault with what it does, how OCPP names it, why it arises and how it ends."""
    causes = {cause.name: cause.when for cause in CAUSES}
    causes["InvalidVehicleMode"] = "a car asks for ventilation where there is none"
    ends = {"self": "by itself", "unplug": "at plug-out", "hand": "by hand"}
    rows = []
    for kind in FAULTS.values():
        after = f" after {kind.clears_after_s:g} s" if kind.clears_after_s else ""
        rows.append(
            (
                f"`{kind.mrec_name}`",
                kind.code if kind.code.startswith("CX") else "-",
                kind.effect,
                kind.pilot or "-",
                kind.ocpp_error,
                kind.component,
                causes.get(kind.name, "injected only"),
                ends[kind.reset] + after if kind.name in causes else "by hand",
            )
        )
    head = ("Fault", "Code", "Effect", "Pilot", "1.6 errorCode", "2.0.1 component")
    return _table((*head, "Arises", "Ends"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


if __name__ == "__main__":
    print(inputs_table())
    print(faults_table())
