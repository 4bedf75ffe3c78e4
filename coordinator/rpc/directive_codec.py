"""Directives and their results to the wire and back."""

from __future__ import annotations

from coordinator.usecases.directives import (
    Action,
    Cancel,
    CaptureFrames,
    Configure,
    Directive,
    DirectiveResult,
    Extend,
    Outcome,
    PollNow,
    Reserve,
    SetAvailability,
    SetPeriod,
)
from pilewise.v1 import edge_service_pb2 as edge

ANSWER_LIMIT = 2048


def from_directive(directive: Directive) -> edge.Directive:
    """A directive for the wire."""
    message = edge.Directive(
        directive_id=directive.directive_id,
        evse_id=directive.evse_id,
        fence=directive.fence,
        trace_id=directive.trace_id,
    )
    match directive.action:
        case PollNow():
            message.poll_now.SetInParent()
        case Reserve(claim_id, duration_s, id_token):
            message.reserve.MergeFrom(
                edge.Reserve(claim_id=claim_id, duration_s=duration_s, id_token=id_token)
            )
        case Extend(claim_id, duration_s):
            message.extend.MergeFrom(edge.Extend(claim_id=claim_id, duration_s=duration_s))
        case Cancel(claim_id):
            message.cancel.MergeFrom(edge.Cancel(claim_id=claim_id))
        case SetAvailability(operative):
            message.set_availability.MergeFrom(edge.SetAvailability(operative=operative))
        case SetPeriod(period_s):
            message.set_period.MergeFrom(edge.SetPeriod(period_s=period_s))
        case Configure(toml):
            message.configure.MergeFrom(edge.Configure(toml=toml))
        case CaptureFrames(duration_s):
            message.capture_frames.MergeFrom(edge.CaptureFrames(duration_s=duration_s))
    return message


def to_action(message: edge.Directive) -> Action | None:
    """What a directive asks for; None where it asks for nothing."""
    match message.WhichOneof("action"):
        case "poll_now":
            return PollNow()
        case "reserve":
            reserve = message.reserve
            return Reserve(reserve.claim_id, reserve.duration_s, reserve.id_token)
        case "extend":
            return Extend(message.extend.claim_id, message.extend.duration_s)
        case "cancel":
            return Cancel(message.cancel.claim_id)
        case "set_availability":
            return SetAvailability(message.set_availability.operative)
        case "set_period":
            return SetPeriod(message.set_period.period_s)
        case "configure":
            return Configure(message.configure.toml)
        case "capture_frames":
            return CaptureFrames(message.capture_frames.duration_s)
    return None


def to_result(result: edge.DirectiveResult) -> DirectiveResult:
    """A directive's result; an outcome unknown here reads as unspecified."""
    known = result.outcome in {int(outcome) for outcome in Outcome}
    outcome = Outcome(result.outcome) if known else Outcome.UNSPECIFIED
    return DirectiveResult(
        result.directive_id,
        outcome,
        result.message[:ANSWER_LIMIT],
        tuple(result.frames),
        result.more,
    )


def from_result(result: DirectiveResult, evse_id: str = "") -> edge.DirectiveResult:
    """A directive's result for the wire."""
    return edge.DirectiveResult(
        directive_id=result.directive_id,
        outcome=edge.DirectiveOutcome.ValueType(int(result.outcome)),
        message=result.message,
        frames=result.frames,
        evse_id=evse_id,
    )
