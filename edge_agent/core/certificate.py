"""Who a certificate is for, who signed it and how long it holds, read from its DER bytes.

Only those fields: judging signatures and chains is TLS's own work. Pure; the standard library
tells them only of peers, and of authorities.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

DAY_S: Final = 86_400
# Days before its end at which a certificate is worth an alarm; 0 is the end itself.
ALARM_DAYS: Final = (14, 7, 1, 0)

_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18
_COMMON_NAME: Final = bytes((0x55, 0x04, 0x03))


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """Common names ("" where there is none) and the seconds since 1970 between which it holds."""

    subject: str
    issuer: str
    begins_s: float
    ends_s: float

    def out_of_date(self, now_s: float) -> str:
        """What is wrong with its dates now; empty where nothing is."""
        if now_s < self.begins_s:
            return f"is not valid before {_told(self.begins_s)}"
        if now_s >= self.ends_s:
            return f"ended on {_told(self.ends_s)}"
        return ""

    def alarm_day(self, now_s: float) -> int | None:
        """The alarm that is due: the last one passed of 14, 7, 1 and 0 days; None before them.

        Of a short life only the last half is alarming: before, it is as it was made.

        >>> facts = CertificateFacts("", "", 0.0, 30 * 86_400.0)
        >>> [facts.alarm_day(day * 86_400.0) for day in (15.9, 16.0, 23.0, 29.5, 30.0)]
        [None, 14, 7, 1, 0]
        >>> week = CertificateFacts("", "", 0.0, 7 * 86_400.0)
        >>> [week.alarm_day(day * 86_400.0) for day in (0.0, 5.9, 6.0)]
        [None, None, 1]
        """
        left_s, half_s = self.ends_s - now_s, (self.ends_s - self.begins_s) / 2
        counting = [day for day in ALARM_DAYS if day * DAY_S <= half_s]
        return min((day for day in counting if left_s <= day * DAY_S), default=None)


def read_certificate(der: bytes) -> CertificateFacts:
    """The facts of one certificate; raises ValueError for bytes that are none.

    Source: RFC 5280, 4.1.
    """
    try:
        (_, certificate), *_ = _parts(der)
        (_, signed), *_ = _parts(certificate)
        fields = list(_parts(signed))
        if fields[0][0] == _VERSION:
            fields.pop(0)
        _serial, _algorithm, issuer, validity, subject, *_ = fields
        begins, ends = _parts(validity[1])
        return CertificateFacts(
            _common_name(subject[1]), _common_name(issuer[1]), _instant(*begins), _instant(*ends)
        )
    except (IndexError, TypeError, ValueError) as error:
        raise ValueError("it is cut off or no certificate") from error


def _parts(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Tags and contents of the elements that follow each other in some DER bytes."""
    at = 0
    while at < len(body):
        tag, length, at = body[at], body[at + 1], at + 2
        if length & 0x80:
            width = length & 0x7F
            length, at = int.from_bytes(body[at : at + width], "big"), at + width
        if at + length > len(body):
            raise ValueError("an element is longer than what holds it")
        yield tag, body[at : at + length]
        at += length


def _common_name(name: bytes) -> str:
    for _, several in _parts(name):
        for _, attribute in _parts(several):
            (_, kind), (_, value) = _parts(attribute)
            if kind == _COMMON_NAME:
                return value.decode("utf-8", "replace")
    return ""


def _instant(tag: int, text: bytes) -> float:
    """Seconds since 1970; two digits of a year are of 1950 to 2049."""
    digits = text.decode("ascii")
    if tag == _UTC_TIME:
        digits = ("19" if digits[:2] >= "50" else "20") + digits
    elif tag != _GENERALIZED_TIME:
        raise ValueError("it has no dates")
    return datetime.strptime(digits, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _told(at_s: float) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M} UTC"
