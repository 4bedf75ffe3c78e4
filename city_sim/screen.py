"""What people see while the demo runs: one line an event, on stderr."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from city_sim.clock import SimClock
from city_sim.drivers import Log
from pilewise.v1 import charging_service_pb2 as pb
from pilewise.v1 import types_pb2 as nouns
from pilewise.version import __version__

STYLE = {
    "sent": "green",
    "rerouted": "bold yellow",
    "plugged": "cyan",
    "done": "dim",
    "broken": "red",
    "nothing": "red",
    "error": "red",
}


class Screen:
    """Prints the demo; colours only where the terminal has them."""

    def __init__(self, clock: SimClock, quiet: bool = False) -> None:
        self._clock = clock
        self._quiet = quiet  # until the summary
        self._console = Console(stderr=True, highlight=False)

    def title(self, seed: int, speed: float, folder: str, keep: bool) -> None:
        """The first line."""
        what = f"data in {folder}" + ("" if keep else " (deleted on exit, --keep to keep)")
        self._line(
            f"pilewise {__version__} · demo · seed {seed} · {speed:g}x speed · {what}", "bold"
        )

    def progress(self, text: str) -> None:
        """A step of the start."""
        self._line(f"  starting: {text}", "dim")

    def started(self, target: str, facts: str, at: tuple[float, float], page: str) -> None:
        """Everything is up; `page` is where it can be watched."""
        self._line(f"  coordinator  grpc {target} (reflection on)")
        if page:
            self._line(f"  watch it:    {page}", "bold")
        self._line(f"  {facts}")
        here = f"{at[0]:.4f},{at[1]:.4f}"
        self._line("  ask it yourself:", "dim")
        self._line(f"    pilewise ask recommend --at {here} --soc 25 --target {target}", "bold")
        body = (
            '{"request_id":"r1","vehicle_id":"EV-me","soc_pct":25,"vehicle":{"battery_kwh":60},'
            f'"position":{{"latitude_deg":{at[0]:.4f},"longitude_deg":{at[1]:.4f}}}}}'
        )
        self._line(
            f"    npx @bufbuild/buf curl --protocol grpc --http2-prior-knowledge -d '{body}' "
            f"http://{target}/pilewise.v1.ChargingService/Recommend",
            "dim",
        )

    def car(self, what: str, log: Log, promise: pb.Promise | None) -> None:
        """Something happened to a car."""
        name = log.trip.vehicle_id
        if what == "sent" and promise is not None:
            level = nouns.WarningLevel.Name(promise.level).rsplit("_", 1)[-1].lower()
            why = promise.level_reason.replace("_", " ").lower()
            text = f"{name}  {log.trip.soc_pct:.0f} %  {level} ({why})  {promise.choice.summary}"
            if promise.why_not:
                passed = promise.why_not[0]
                text += f"  (not {passed.text})"
        elif what == "rerouted" and promise is not None:
            text = f"{name}  re-routed {log.left_evse_id} -> {log.evse_id}"
            # The newest revision may tell of something that came after.
            if promise.change.to_evse_id != promise.change.from_evse_id:
                text += f": {promise.change.text}"
        elif what == "plugged":
            wait_min = ((log.plugged_at_s or 0.0) - (log.arrived_at_s or 0.0)) / 60
            text = f"{name}  charges at {log.evse_id} after {wait_min:.1f} min at the station"
        elif what == "done":
            text = f"{name}  leaves {log.evse_id}"
        elif what == "broken":
            text = f"{name}  was cut off at {log.evse_id}"
        elif what == "nothing":
            text = f"{name}  found nothing, asks again"
        elif what == "error":
            text = f"{name}  {log.errors[-1]}"
        else:
            return
        self._line(f" {self._clock.text()} {text}", STYLE.get(what))

    def disturbance(self, text: str) -> None:
        """Something was broken on purpose."""
        self._line(f" {self._clock.text()} {text}", "bold red")

    def event(self, text: str, style: str = "magenta") -> None:
        """Something that the coordinator tells."""
        self._line(f" {self._clock.text()} {text}", style)

    def summary(self, result: dict[str, Any]) -> None:
        """The last lines."""
        self._quiet = False
        ours, nearest = (
            result["mean_drive_plus_wait_min"],
            result["nearest_mean_drive_plus_wait_min"],
        )
        self._line(
            f"Summary: {result['cars']} cars · {result['recommendations']} recommendations · "
            f"{result['conflicts_resolved']} conflicts resolved · {result['reroutes']} re-routes · "
            f"{result['records_lost']} of {result['records_spooled']} readings lost",
            "bold",
        )
        self._line(
            f"  drive + wait  {ours:.1f} min on average, {nearest:.1f} min if each had driven to "
            "the nearest pile",
            "bold green" if ours < nearest else "bold red",
        )
        if result["window_too_short"]:
            self._line(
                f"  only {result['simulated_min']:.0f} simulated minutes: too short to compare; "
                "give it more with --for or --speed",
                "yellow",
            )

    def _line(self, text: str, style: str | None = None) -> None:
        if not self._quiet:
            self._console.print(text, style=style, markup=False, soft_wrap=True)
