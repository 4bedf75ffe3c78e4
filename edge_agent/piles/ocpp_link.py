"""One connection of a charge point: frames into two lanes, answers, and our own calls.

What is answered after a commit goes through the ordered lane; all else overtakes it. The `ocpp`
package routes and validates. Which messages there are belongs to `ocpp16_link.py` and
`ocpp201_link.py`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

import ocpp.messages
import structlog
from ocpp.charge_point import ChargePoint
from ocpp.exceptions import OCPPError, UnknownCallErrorCodeError
from ocpp.routing import on
from websockets.exceptions import ConnectionClosed

from edge_agent.core.directive import Answer, Outcome
from edge_agent.core.ocpp_frame import CALL, Frame, call_error, inspect
from edge_agent.piles.port import StationConnection

if TYPE_CHECKING:
    from edge_agent.piles.ocpp_pile import OcppPile

F = TypeVar("F", bound=Callable[..., Any])
log: Final = structlog.get_logger("edge_agent.ocpp")
CALL_TIMEOUT_S: Final = 10.0
# A station has one call in flight; whoever sends this many at once has to wait for the disk.
LANE_FRAMES: Final = 256
_GOOD: Final = frozenset({"Accepted", "Scheduled", "RebootRequired", "Unlocked"})

# Frames are small: a hop to a thread costs more than the validation itself.
ocpp.messages.ASYNC_VALIDATION = False
quiet: Final = logging.getLogger("edge_agent.ocpp.library")
quiet.disabled = True


def answers(word: Any) -> Callable[[F], F]:
    """`ocpp.routing.on` with a type."""
    decorator: Callable[[F], F] = on(word)
    return decorator


class OcppLink(ChargePoint):  # type: ignore[misc]
    """Talks to one charge point over one connection; `frames` counts what it said.

    `ordered` names the messages that are answered after a commit only, strictly one by one.
    """

    ordered: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, pile: OcppPile, connection: StationConnection) -> None:
        super().__init__(pile.pile_id, connection, CALL_TIMEOUT_S, quiet)
        self.frames = 0
        self._told_by = pile
        self._line = connection
        self._lane: asyncio.Queue[str] = asyncio.Queue(LANE_FRAMES)

    async def run(self) -> None:
        """Takes frames until the connection ends."""
        name = f"edge_agent:ocpp-{self._told_by.pile_id}"
        worker = asyncio.create_task(self._work(), name=f"{name}-ordered")
        try:
            while True:
                await self._take(await self._line.recv())
        except ConnectionClosed:
            return
        finally:
            # What lies in the lane was not answered: the station sends it again.
            worker.cancel()
            await asyncio.wait([worker])

    async def ask(self, request: Any) -> tuple[Answer, Any]:
        """One call and its answer; the reply is None where there was none. Raises nothing.

        Never to be awaited by what handles a frame: the answer would wait behind it.
        """
        try:
            reply = await self.call(request, suppress=False)
        except TimeoutError:
            return Answer(Outcome.TIMED_OUT, f"no answer in {CALL_TIMEOUT_S:g} s"), None
        except OCPPError as error:
            code = str(getattr(error, "code", ""))
            unable = code in ("NotImplemented", "NotSupported")
            outcome = Outcome.UNSUPPORTED if unable else Outcome.REFUSED
            said = ": ".join(filter(None, (code, str(error.description or ""))))
            return Answer(outcome, f"the station answered {said}"), None
        except UnknownCallErrorCodeError as error:
            # Vendors make codes up, and some send none at all.
            return Answer(Outcome.REFUSED, f"the station answered {str(error)[:200]}"), None
        except (ConnectionClosed, TypeError, ValueError) as error:
            return Answer(Outcome.TIMED_OUT, f"the answer was lost: {error}"), None
        status = str(getattr(getattr(reply, "status", ""), "value", getattr(reply, "status", "")))
        good = status in _GOOD or not status
        return Answer(Outcome.DONE if good else Outcome.REFUSED, status), reply

    def refusal(self, action: str) -> str:
        """The error code for an action without a handler."""
        return "NotImplemented"

    async def _get_specific_response(self, unique_id: str, timeout: float) -> Any:
        # The package's own wait loses a cancellation that arrives together with the answer.
        async with asyncio.timeout(timeout):
            while True:
                response = await self._response_queue.get()
                if response.unique_id == unique_id:
                    return response

    async def _take(self, raw: str) -> None:
        self.frames += 1
        frame = inspect(raw.encode())
        if not isinstance(frame, Frame):
            return  # broken ones were answered at the socket
        if frame.kind == CALL and frame.action not in self.route_map:
            why = f"{frame.action[:64]} is not known here"
            await self._line.send(call_error(frame.unique_id, self.refusal(frame.action), why))
        elif frame.kind == CALL and frame.action in self.ordered:
            await self._lane.put(raw)
        else:
            await self.route_message(raw)
        self._told_by.heard()

    async def _work(self) -> None:
        while True:
            raw = await self._lane.get()
            try:
                await self.route_message(raw)
            except ConnectionClosed:
                return
