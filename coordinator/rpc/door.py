"""The door that every call goes through where identities are configured: who, may they, how often.

Around a handler it proves the caller, looks up the method's rule in `access.py`, counts the call,
and checks that what the request names is the caller's own. Without identities there is no door, and
handlers stay as they are. Errors become statuses in the guard of `server.py`.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import grpc
import structlog

from coordinator.bearers import Bearers
from coordinator.core.caller import Caller, Scope
from coordinator.denials import Forbidden, HeardBefore, Unauthenticated
from coordinator.rpc.access import OPEN, Rule, Whose, rule_of
from coordinator.rpc.belongings import Belongings
from coordinator.rpc.calling import CALLER
from coordinator.rpc.pacing import Pacing
from coordinator.rpc.said_once import SaidOnce, imprint
from coordinator.usecases.counters import Counters

log = structlog.get_logger()

Context = Any  # grpc.aio.ServicerContext
HEADER: Final = "authorization"
_SCHEME: Final = "bearer "


# Names the agent at the other end by its certificate; empty if it has shown none.
AgentOf = Callable[[Context], str]


class Door:
    """Puts itself around handlers; `anonymous` is what callers on this machine may do unproved."""

    def __init__(
        self,
        bearers: Bearers,
        belongings: Belongings,
        pacing: Pacing,
        counters: Counters,
        system_s: Callable[[], float],
        agent_of: AgentOf,
        anonymous: Scope = Scope.NONE,
    ) -> None:
        self._bearers = bearers
        self._belongings = belongings
        self._pacing = pacing
        self._counters = counters
        self._system_s = system_s
        self._agent_of = agent_of
        self._anybody = Caller("", anonymous, anonymous=True) if anonymous else None
        self._said = SaidOnce()

    def around(self, method: str, handler: Any) -> Any:
        """The handler behind the door; raises LookupError for a method that has no rule."""
        rule = rule_of(method)
        if rule is None:
            raise LookupError(f"{method} has no rule in coordinator/rpc/access.py")
        if rule is OPEN:
            return handler
        if handler.request_streaming:
            behaviour = self._streams(method, rule, handler.stream_stream)
            make = grpc.stream_stream_rpc_method_handler
        elif handler.response_streaming:
            behaviour = self._stream(method, rule, handler.unary_stream)
            make = grpc.unary_stream_rpc_method_handler
        else:
            behaviour = self._unary(method, rule, handler.unary_unary)
            make = grpc.unary_unary_rpc_method_handler
        return make(behaviour, handler.request_deserializer, handler.response_serializer)

    def _unary(self, method: str, rule: Rule, behaviour: Any) -> Any:
        async def call(request: Any, context: Context) -> Any:
            caller = self._admitted(method, rule, context)
            await self._check(rule, caller, request)
            if not rule.once or not caller.token_id:
                return await behaviour(request, context)
            mark = imprint(caller.token_id, method, request)
            if not self._said.first(mark, caller.until_s, self._system_s()):
                raise HeardBefore(method)
            try:
                return await behaviour(request, context)
            except BaseException:
                self._said.unsaid(mark)  # nothing came of it, so it may be tried again
                raise

        return call

    def _stream(self, method: str, rule: Rule, behaviour: Any) -> Any:
        async def call(request: Any, context: Context) -> AsyncIterator[Any]:
            caller = self._admitted(method, rule, context)
            await self._check(rule, caller, request)
            async for response in behaviour(request, context):
                yield response

        return call

    def _streams(self, method: str, rule: Rule, behaviour: Any) -> Any:
        async def call(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
            caller = self._admitted(method, rule, context)
            if rule.whose is Whose.OPENING:
                requests = self._own(caller, requests)
            async for response in behaviour(requests, context):
                yield response

        async def converse(requests: AsyncIterator[Any], context: Context) -> None:
            self._admitted(method, rule, context)
            await behaviour(requests, context)

        return converse if inspect.iscoroutinefunction(behaviour) else call

    async def _own(self, caller: Caller, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """The messages of a car; the first must name its own, and each needs a token still good."""
        first = True
        async for request in requests:
            if first:
                await self._check_opening(caller, request)
                first = False
            else:
                if self._system_s() >= caller.until_s:
                    self._counters.add("calls_unauthenticated")
                    raise Unauthenticated("expired while the stream was open")
                self._pacing.call(caller)
            yield request

    async def _check(self, rule: Rule, caller: Caller, request: Any) -> None:
        try:
            if rule.narrow is not None:
                _may_have(caller, request, *rule.narrow)
            if rule.whose is Whose.VEHICLE:
                self._pacing.car(caller, request.vehicle_id)
                self._belongings.own_car(caller, request, "")
            elif rule.whose is Whose.ANSWER:
                await self._belongings.own_answer(caller, request)
        except Forbidden:
            self._counters.add("calls_forbidden")
            raise

    async def _check_opening(self, caller: Caller, request: Any) -> None:
        if request.WhichOneof("message") != "open":
            return  # the servicer says what is expected
        opening = request.open
        if opening.HasField("wish"):
            try:
                self._belongings.own_car(caller, opening.wish, "open.wish.")
            except Forbidden:
                self._counters.add("calls_forbidden")
                raise
        if opening.recommendation_id or not opening.HasField("wish"):
            await self._belongings.own_answer(caller, opening)

    def _admitted(self, method: str, rule: Rule, context: Context) -> Caller:
        """The caller, proved, allowed and counted; it is noted for whoever answers."""
        try:
            caller = self._proved(rule, context)
        except Unauthenticated as refusal:
            self._counters.add("calls_unauthenticated")
            log.info("call without a valid token", method=method, why=refusal.why)
            raise
        if not caller.scopes & rule.scopes:
            self._counters.add("calls_forbidden")
            log.info("call not allowed", method=method, caller=caller.name)
            needed = _needed(rule.scopes)
            raise Forbidden(f"{method} needs the scope {needed}", "ask with a token that has it")
        self._pacing.call(caller)
        CALLER.set(caller)
        return caller

    def _proved(self, rule: Rule, context: Context) -> Caller:
        if rule.scopes & Scope.AGENT:
            agent_id = self._agent_of(context)
            if agent_id:
                return Caller(agent_id, Scope.AGENT)
        token = _token(context)
        if token:
            caller = self._bearers.remembered(token)
            if caller is not None:
                return caller
            peer = host_of(context.peer())
            self._pacing.may_guess(peer)
            try:
                return self._bearers.caller_of(token)
            except Unauthenticated:
                self._pacing.guessed(peer)
                raise
        if self._anybody is not None and is_here(context.peer()):
            return self._anybody
        raise Unauthenticated("no token")


def _may_have(
    caller: Caller, request: Any, field: str, values: frozenset[str], scopes: Scope
) -> None:
    """Raises `Forbidden` where what the request asks for needs more than the call itself."""
    asked = getattr(request, field)
    if asked in values and not caller.scopes & scopes:
        text = f"{field} {asked} needs the scope {_needed(scopes)}"
        raise Forbidden(text, "ask with a token that has it")


def _token(context: Context) -> str:
    """The bearer token of a call; empty if there is none. Two of them are refused."""
    found = ""
    for key, value in context.invocation_metadata() or ():
        if key == HEADER:
            text = str(value)
            if found or text[: len(_SCHEME)].lower() != _SCHEME:
                raise Unauthenticated("not one bearer token")
            found = text[len(_SCHEME) :].strip()
            if not found:
                raise Unauthenticated("an empty token")
    return found


def host_of(peer: str) -> str:
    """The address of a gRPC peer without its port.

    >>> host_of("ipv4:10.0.0.7:5123"), host_of("ipv6:%5B::1%5D:80"), host_of("unix:")
    ('10.0.0.7', '::1', 'unix')
    """
    kind, _, rest = peer.partition(":")
    if kind == "unix" or kind.startswith("unix-"):
        return "unix"
    return rest.rpartition(":")[0].replace("%5B", "").replace("%5D", "").strip("[]")


def is_here(peer: str) -> bool:
    """Whether a peer is on this machine.

    >>> [is_here(p) for p in ("ipv4:127.0.0.1:5", "ipv6:%5B::1%5D:5", "unix:", "ipv4:10.0.0.7:5")]
    [True, True, True, False]
    """
    host = host_of(peer)
    return host in ("unix", "::1") or host.startswith("127.")


def _needed(scopes: Scope) -> str:
    words = {
        Scope.CAR: "car",
        Scope.FLEET: "fleet",
        Scope.READ: "operator.read",
        Scope.WRITE: "operator.write",
        Scope.ADMIN: "admin",
        Scope.AGENT: "agent (by certificate)",
        Scope.DISTRICT: "district",
    }
    return " or ".join(word for scope, word in words.items() if scope & scopes)
