"""Which OCPP-J frames are broken, and how 1.6 and 2.0.1 answer that.

Payload schemas are not judged here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

CALL: Final = 2
CALL_RESULT: Final = 3
CALL_ERROR: Final = 4
FORMATION_VIOLATION: Final = "FormationViolation"
NO_ID: Final = "-1"
# Levels of brackets within brackets; the messages of the standards have less than ten.
MOST_DEPTH: Final = 32
OCPP16: Final = "ocpp1.6"
OCPP201: Final = "ocpp2.0.1"
# OCPP-J 2.0.1 (part 4, 4.2.3) splits what 1.6 calls FormationViolation into three.
_UNREADABLE: Final = "RpcFrameworkError"
_STRANGE_TYPE: Final = "MessageTypeNotSupported"
_BAD_FORM: Final = "FormatViolation"


@dataclass(frozen=True, slots=True)
class Frame:
    """A sound frame: its kind, its unique id, and for a CALL the action."""

    kind: int
    unique_id: str
    action: str = ""


@dataclass(frozen=True, slots=True)
class BrokenFrame:
    """A frame that cannot be understood; `answerable` is False for broken answers.

    `code` is the error code of OCPP 2.0.1.
    """

    unique_id: str
    why: str
    answerable: bool = True
    code: str = _UNREADABLE


def inspect(raw: bytes) -> Frame | BrokenFrame:
    """What a frame is.

    >>> inspect(b'[2,"7","Heartbeat",{}]')
    Frame(kind=2, unique_id='7', action='Heartbeat')
    >>> inspect(b'{"a":1}')
    BrokenFrame(unique_id='-1', why='not a JSON array', answerable=True, code='RpcFrameworkError')
    """
    try:
        frame: Any = json.loads(raw)
    except UnicodeDecodeError:
        return BrokenFrame(NO_ID, "not UTF-8")
    except RecursionError:
        return BrokenFrame(NO_ID, "nested too deeply")
    except ValueError:
        return BrokenFrame(NO_ID, "not JSON")
    if not isinstance(frame, list):
        return BrokenFrame(NO_ID, "not a JSON array")
    if raw.count(b"[") + raw.count(b"{") > MOST_DEPTH and _too_deep(frame):
        return BrokenFrame(NO_ID, "nested too deeply")
    kind = frame[0] if frame else None
    unique_id = frame[1] if len(frame) > 1 and isinstance(frame[1], str) else ""
    known = unique_id if 0 < len(unique_id) <= 36 else NO_ID
    if isinstance(kind, bool) or kind not in (CALL, CALL_RESULT, CALL_ERROR):
        return BrokenFrame(known, "no message type 2, 3 or 4 in front", code=_STRANGE_TYPE)
    if known == NO_ID:
        return BrokenFrame(NO_ID, "no unique id of 1 to 36 characters", kind == CALL)
    if kind == CALL:
        return _call(frame, known)
    sound = len(frame) == 3 and isinstance(frame[2], dict)
    if kind == CALL_ERROR:
        sound = 3 <= len(frame) <= 5 and isinstance(frame[2], str)
    return Frame(kind, known) if sound else BrokenFrame(known, "a broken answer", answerable=False)


def _too_deep(frame: Any) -> bool:
    """Whether there are more levels than any message has; whoever walks by calls would fall."""
    level = [frame]
    for _ in range(MOST_DEPTH):
        inner = (v.values() if isinstance(v, dict) else v for v in level)
        level = [value for several in inner for value in several if isinstance(value, dict | list)]
        if not level:
            return False
    return True


def _call(frame: list[Any], unique_id: str) -> Frame | BrokenFrame:
    if len(frame) != 4:
        why = f"a CALL has 4 elements, not {len(frame)}"
        return BrokenFrame(unique_id, why, code=_BAD_FORM)
    if not isinstance(frame[2], str) or not frame[2]:
        return BrokenFrame(unique_id, "the action is no text", code=_BAD_FORM)
    if not isinstance(frame[3], dict):
        return BrokenFrame(unique_id, "the payload is no object", code=_BAD_FORM)
    return Frame(CALL, unique_id, frame[2])


def call_error(unique_id: str, code: str, description: str) -> str:
    """A CALLERROR as text.

    >>> call_error("7", "NotImplemented", "no")
    '[4,"7","NotImplemented","no",{}]'
    """
    return json.dumps([CALL_ERROR, unique_id, code, description[:255], {}], separators=(",", ":"))


def answer_to(frame: BrokenFrame, subprotocol: str) -> str | None:
    """The CALLERROR in the words of that version; None for a broken answer, which gets none.

    >>> answer_to(BrokenFrame("7", "no", code="FormatViolation"), "ocpp1.6")
    '[4,"7","FormationViolation","no",{}]'
    >>> answer_to(BrokenFrame("7", "no", code="FormatViolation"), "ocpp2.0.1")
    '[4,"7","FormatViolation","no",{}]'
    """
    if not frame.answerable:
        return None
    code = FORMATION_VIOLATION if subprotocol == OCPP16 else frame.code
    return call_error(frame.unique_id, code, frame.why)
