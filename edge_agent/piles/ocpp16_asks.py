"""What is asked of an OCPP 1.6J charge point, as its own calls. EVSE n is connector n."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from ocpp.v16 import call

from edge_agent.core.directive import Answer, Outcome
from edge_agent.core.ocpp_clock import iso
from edge_agent.piles.ocpp_link import OcppLink

KEYS: Final = MappingProxyType(
    {
        "heartbeat_s": "HeartbeatInterval",
        "meter_value_sample_interval_s": "MeterValueSampleInterval",
        "clock_aligned_data_interval_s": "ClockAlignedDataInterval",
    }
)


class Asks16:
    """Calls over one connection; the names of its methods are those of `StationAsks`."""

    settings_keys = KEYS
    token_chars = 20

    def __init__(self, link: OcppLink) -> None:
        self._link = link

    async def trigger(self, message: str, number: int) -> Answer:
        """TriggerMessage."""
        return await self._ask(call.TriggerMessage(message, number or None))

    async def reserve(self, number: int, token: str, until_ms: int, reservation: int) -> Answer:
        """ReserveNow."""
        return await self._ask(call.ReserveNow(number, iso(until_ms), token, reservation))

    async def cancel(self, reservation: int) -> Answer:
        """CancelReservation."""
        return await self._ask(call.CancelReservation(reservation))

    async def availability(self, number: int, operative: bool) -> Answer:
        """ChangeAvailability."""
        kind = "Operative" if operative else "Inoperative"
        return await self._ask(call.ChangeAvailability(number, kind))

    async def read_settings(self, keys: list[str]) -> dict[str, str]:
        """GetConfiguration."""
        answer, reply = await self._link.ask(call.GetConfiguration(keys or None))
        if answer.outcome is not Outcome.DONE:
            return {}
        entries = reply.configuration_key or ()
        return {str(entry["key"]): str(entry.get("value") or "") for entry in entries}

    async def write_setting(self, key: str, value: str) -> Answer:
        """ChangeConfiguration."""
        return await self._ask(call.ChangeConfiguration(key, value))

    async def start(self, number: int, token: str, remote_id: int = 0) -> Answer:
        """RemoteStartTransaction; 1.6 knows no remote id."""
        return await self._ask(call.RemoteStartTransaction(token, number or None))

    async def stop(self, transaction_id: str) -> Answer:
        """RemoteStopTransaction."""
        return await self._ask(call.RemoteStopTransaction(int(transaction_id)))

    async def unlock(self, number: int) -> Answer:
        """UnlockConnector."""
        return await self._ask(call.UnlockConnector(number))

    async def reset(self, hard: bool) -> Answer:
        """Reset."""
        return await self._ask(call.Reset("Hard" if hard else "Soft"))

    async def _ask(self, request: object) -> Answer:
        answer, _ = await self._link.ask(request)
        return answer
