"""Vendor bits, OCPP errorCodes and vendorErrorCodes become one fault vocabulary: ChargeX MREC.

Codes are `CXnnn`; an OCPP errorCode without an MREC twin keeps its own name. Whether a fault
counts against a pile's reliability is told by `blameless`.

Source: ChargeX Minimum Required Error Codes (inl.gov/chargex/mrec); OCPP 1.6 ChargePointErrorCode.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from edge_agent.core.reading import Fault

MREC_NAMES: dict[str, str] = {
    "CX001": "ConnectorLockFailure",
    "CX002": "GroundFailure",
    "CX003": "HighTemperature",
    "CX004": "OverCurrentFailure",
    "CX005": "OverVoltage",
    "CX006": "UnderVoltage",
    "CX008": "EmergencyStop",
    "CX009": "AuthorizationTimeout",
    "CX010": "InvalidVehicleMode",
    "CX011": "CableCheckFault",
    "CX014": "PilotFault",
    "CX015": "PowerLoss",
    "CX017": "EVSEContactorFault",
    "CX018": "CableOverTempDerate",
    "CX019": "CableOverTempStop",
    "CX020": "PartialInsertion",
    "CX022": "ResistanceFault",
    "CX023": "ProximityFault",
    "CX024": "ConnectorVoltageHigh",
    "CX025": "BrokenLatch",
    "CX026": "CutCable",
}

# The sixteen words of OCPP 1.6; "" is no fault, a word stands for itself where MREC has no code.
OCPP16_ERRORS: dict[str, str] = {
    "NoError": "",
    "ConnectorLockFailure": "CX001",
    "GroundFailure": "CX002",
    "HighTemperature": "CX003",
    "OverCurrentFailure": "CX004",
    "OverVoltage": "CX005",
    "UnderVoltage": "CX006",
    "PowerSwitchFailure": "CX017",
    "EVCommunicationError": "EVCommunicationError",
    "InternalError": "InternalError",
    "LocalListConflict": "LocalListConflict",
    "OtherError": "OtherError",
    "PowerMeterFailure": "PowerMeterFailure",
    "ReaderFailure": "ReaderFailure",
    "ResetFailure": "ResetFailure",
    "WeakSignal": "WeakSignal",
}

KNOWN_CODES = frozenset(MREC_NAMES) | frozenset(code for code in OCPP16_ERRORS.values() if code)

# Lost links and list conflicts say nothing about whether the pile can charge a car.
_BLAMELESS = frozenset({"WeakSignal", "LocalListConflict"})
# Vendors whose own numbers mean a lost control link (Alfen: "Modbus TCP/IP lost, in safe mode").
_LINK_LOST_VENDOR_CODES = frozenset({("alfen", "210")})

# Networks that join several faults of their own numbering by commas, whatever the errorCode says.
_LIST_VENDORS = frozenset({"com.evgo.mrec"})

_MREC = re.compile(r"^CX\d{3}$", re.IGNORECASE)
_NAME_TO_CODE = {name.lower(): code for code, name in MREC_NAMES.items()}


def blameless(code: str) -> bool:
    """True where the fault does not speak against the pile itself."""
    return code in _BLAMELESS


def name_of(code: str) -> str:
    """The English name of a normalised code; the code itself where it already is a name."""
    return MREC_NAMES.get(code, code)


def split_list(text: str | None) -> list[str]:
    """Entries of a comma-joined vendor field, trimmed, empties dropped.

    >>> split_list("CX003, CX014,,")
    ['CX003', 'CX014']
    """
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def from_ocpp16(
    error_code: str,
    vendor_error_code: str | None = None,
    info: str | None = None,
    vendor: str | None = None,
) -> tuple[Fault, ...]:
    """Faults that one StatusNotification names, most specific first.

    Several faults may be comma-joined in vendorErrorCode with a matching list in info. A vendor
    code that is no MREC code does not replace the errorCode: it travels beside it, raw.

    >>> [f.code for f in from_ocpp16("OtherError", "CX014,CX023", "pilot,proximity")]
    ['CX014', 'CX023']
    >>> from_ocpp16("NoError")
    ()
    >>> [f.code for f in from_ocpp16("OtherError", "F002,A011", "GroundFailure,Card unreadable")]
    ['CX002', 'OtherError']
    """
    raw_codes = split_list(vendor_error_code)
    texts = split_list(info)
    known = [(i, raw) for i, raw in enumerate(raw_codes) if _mrec_code(raw)]
    if known:
        return tuple(
            Fault(_mrec_code(raw), raw, texts[i] if i < len(texts) else name_of(_mrec_code(raw)))
            for i, raw in known
        )
    if any(((vendor or "").lower(), raw) in _LINK_LOST_VENDOR_CODES for raw in raw_codes):
        return (Fault("WeakSignal", vendor_error_code or "", info or "control link lost"),)
    code = OCPP16_ERRORS.get(error_code, "OtherError")
    if len(raw_codes) > 1 and (code or (vendor or "").lower() in _LIST_VENDORS):
        return _listed(raw_codes, texts, code or "OtherError")
    if not code:
        return ()
    return (Fault(code, vendor_error_code or error_code, info or name_of(code)),)


def from_code(
    raw: int, table: dict[int, str], *, otherwise: str = "OtherError"
) -> tuple[Fault, ...]:
    """The fault that a vendor's error number names; none where it is 0.

    >>> from_code(0x12, {0x12: "CX003"})[0].code
    'CX003'
    """
    if raw == 0:
        return ()
    code = table.get(raw, otherwise)
    return (Fault(code, f"{raw:#x}", name_of(code)),)


def from_bits(
    raw: int, table: dict[int, str], *, otherwise: str = "OtherError", first_bit: int = 0
) -> tuple[Fault, ...]:
    """One fault for each distinct code among the set bits of a vendor's error word.

    `table` counts bits from 0; the vendor's own numbers, which start at `first_bit`, are shown.

    >>> [f.code for f in from_bits(0b101, {0: "CX002", 2: "CX014"})]
    ['CX002', 'CX014']
    """
    bits = [bit for bit in range(raw.bit_length()) if raw >> bit & 1]
    found: dict[str, Fault] = {}
    for bit in bits:
        code = table.get(bit, otherwise)
        found.setdefault(code, Fault(code, f"{raw:#x} bit {bit + first_bit}", name_of(code)))
    return tuple(found.values())


def unknown_codes(codes: Iterable[str]) -> list[str]:
    """Those of `codes` that are no normalised code; a profile that names one is refused."""
    return sorted({code for code in codes if code not in KNOWN_CODES})


def _listed(raw_codes: list[str], texts: list[str], code: str) -> tuple[Fault, ...]:
    """One fault for each distinct code; its name in the info list beats the errorCode."""
    found: dict[str, Fault] = {}
    for i, raw in enumerate(raw_codes):
        text = texts[i] if i < len(texts) else ""
        known = _mrec_code(text) or OCPP16_ERRORS.get(text, "") or code
        before = found.get(known)
        if before is not None:
            raw, text = f"{before.vendor_code},{raw}", ",".join(filter(None, (before.text, text)))
        found[known] = Fault(known, raw, text or name_of(known))
    return tuple(found.values())


def _mrec_code(raw: str) -> str:
    if _MREC.match(raw):
        return raw.upper()
    return _NAME_TO_CODE.get(raw.lower(), "")
