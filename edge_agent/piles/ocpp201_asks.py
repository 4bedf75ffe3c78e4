"""What is asked of an OCPP 2.0.1 station, as its own calls."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from ocpp.v201 import call

from edge_agent.core.directive import Answer, Outcome
from edge_agent.core.ocpp_clock import iso
from edge_agent.core.ocpp_reservation import token_type
from edge_agent.piles.ocpp_link import OcppLink

KEYS: Final = MappingProxyType(
    {
        "heartbeat_s": "OCPPCommCtrlr.HeartbeatInterval",
        "meter_value_sample_interval_s": "SampledDataCtrlr.TxUpdatedInterval",
        "clock_aligned_data_interval_s": "AlignedDataCtrlr.Interval",
    }
)


class Asks201:
    """Calls over one connection; the names of its methods are those of `StationAsks`."""

    settings_keys = KEYS
    token_chars = 36

    def __init__(self, link: OcppLink) -> None:
        self._link = link
        self._requests = itertools.count(1)

    async def trigger(self, message: str, number: int) -> Answer:
        """TriggerMessage; a status is that of the EVSE's first connector."""
        evse: dict[str, int] | None = {"id": number} if number else None
        if evse is not None and message == "StatusNotification":
            evse["connector_id"] = 1
        return await self._ask(call.TriggerMessage(_word(message), _any(evse)))

    async def reserve(self, number: int, token: str, until_ms: int, reservation: int) -> Answer:
        """ReserveNow."""
        request = call.ReserveNow(
            id=reservation,
            expiry_date_time=iso(until_ms),
            id_token=_any(_token(token)),
            evse_id=number,
        )
        return await self._ask(request)

    async def cancel(self, reservation: int) -> Answer:
        """CancelReservation."""
        return await self._ask(call.CancelReservation(reservation))

    async def availability(self, number: int, operative: bool) -> Answer:
        """ChangeAvailability."""
        word = "Operative" if operative else "Inoperative"
        evse = {"id": number} if number else None
        return await self._ask(call.ChangeAvailability(_word(word), _any(evse)))

    async def read_settings(self, keys: list[str]) -> dict[str, str]:
        """GetVariables, of `Component.Variable` names."""
        request = call.GetVariables([_any(_variable(key)) for key in keys])
        answer, reply = await self._link.ask(request)
        if answer.outcome is not Outcome.DONE:
            return {}
        return {
            _name(result): str(result.get("attribute_value", ""))
            for result in reply.get_variable_result
            if result.get("attribute_status") == "Accepted"
        }

    async def write_setting(self, key: str, value: str) -> Answer:
        """SetVariables with one variable."""
        wish = {"attribute_value": value, **_variable(key)}
        answer, reply = await self._link.ask(call.SetVariables([_any(wish)]))
        if answer.outcome is not Outcome.DONE:
            return answer
        status = str(reply.set_variable_result[0].get("attribute_status", ""))
        good = status in ("Accepted", "RebootRequired")
        return Answer(Outcome.DONE if good else Outcome.REFUSED, status)

    async def start(self, number: int, token: str, remote_id: int) -> Answer:
        """RequestStartTransaction."""
        request = call.RequestStartTransaction(
            id_token=_any(_token(token)), remote_start_id=remote_id, evse_id=number or None
        )
        return await self._ask(request)

    async def stop(self, transaction_id: str) -> Answer:
        """RequestStopTransaction."""
        return await self._ask(call.RequestStopTransaction(transaction_id))

    async def unlock(self, number: int) -> Answer:
        """UnlockConnector of the EVSE's first connector."""
        return await self._ask(call.UnlockConnector(evse_id=number, connector_id=1))

    async def reset(self, hard: bool) -> Answer:
        """Reset."""
        return await self._ask(call.Reset(_word("Immediate" if hard else "OnIdle")))

    async def base_report(self, base: str = "ConfigurationInventory") -> Answer:
        """GetBaseReport; the report itself comes as NotifyReport messages."""
        return await self._ask(call.GetBaseReport(next(self._requests), _word(base)))

    async def transaction_status(self, transaction_id: str = "") -> tuple[bool, bool | None] | None:
        """Whether messages still wait in the station, and whether that transaction runs; or None.

        Without a transaction the second is None.
        """
        answer, reply = await self._link.ask(call.GetTransactionStatus(transaction_id or None))
        if answer.outcome is not Outcome.DONE:
            return None
        return bool(reply.messages_in_queue), reply.ongoing_indicator

    async def _ask(self, request: object) -> Answer:
        answer, _ = await self._link.ask(request)
        return answer


def _token(token: str) -> dict[str, str]:
    return {"id_token": token, "type": token_type(token)}


def _variable(key: str) -> dict[str, Any]:
    component, _, variable = key.partition(".")
    return {"component": {"name": component}, "variable": {"name": variable}}


def _name(result: Mapping[str, Any]) -> str:
    return f"{result['component']['name']}.{result['variable']['name']}"


def _word(word: str) -> Any:
    """A word of the standard; the package asks for its enum and takes the text as well."""
    return word


def _any(value: Any) -> Any:
    """A nested object; the package asks for its data class and takes a dictionary as well."""
    return value
