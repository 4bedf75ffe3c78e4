"""Why: reason codes with signs and weights from the terms of the one cost, and their sentences.

Sentences come from templates, never from a model; each can be made again from the stored inputs.
Source: US 12,393,974 B2, steps 340, 350 (told as text).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from coordinator.core.areas.cost import TERMS
from coordinator.core.recommend.change_words import CHANGE_WORDS
from coordinator.core.recommend.reminder_words import REMINDER_WORDS
from coordinator.core.recommend.window_words import WINDOW_WORDS

REFERENCE_COUNT = 8  # a candidate is compared with the mean of the best eight
LEAST_S = 1.0  # differences below a second are no reason
TEXT_LIMIT = 90

LANGUAGES = ("en", "zh")
# A figure that is told in words of its own where it has this value: one car, a wait of 0 min.
SPECIAL = {
    "HELD_BY_OTHERS": ("ahead", 1, "_ONE"),
    "QUEUE_MOVED": ("ahead", 1, "_ONE"),
    "WAIT": ("wait", 0, "_SHORT"),
    "OCCUPIED": ("wait", 0, "_SHORT"),
    "QUEUE_DELAYED": ("wait", 0, "_SHORT"),
}

# Code when a term speaks for, and when it speaks against.
CODES: dict[str, tuple[str, str]] = {
    "drive": ("SHORT_DRIVE", "LONG_DRIVE"),
    "wait": ("NO_WAIT", "WAIT"),
    "price": ("CHEAP", "DEAR"),
    "retry": ("RELIABLE", "MAY_FAIL"),
    "load": ("LITTLE_USED", "MUCH_USED"),
    "score": ("SUITS_TRIP", "OFF_TRIP"),
    "ranker": ("LIKED", "LESS_LIKED"),
}

TEXTS: dict[str, dict[str, str]] = {
    "en": {
        **REMINDER_WORDS["en"],
        **CHANGE_WORDS["en"],
        **WINDOW_WORDS["en"],
        "SHORT_DRIVE": "{drive} min drive, {km} km",
        "LONG_DRIVE": "{drive} min drive, {km} km",
        "FREE_NOW": "free now",
        "NO_WAIT": "hardly any wait expected",
        "WAIT": "about {wait} min wait",
        "WAIT_SHORT": "perhaps a short wait",
        "CHEAP": "about {price} for this charge",
        "DEAR": "about {price} for this charge",
        "RELIABLE": "{lasts} % likely to work until you are charged",
        "MAY_FAIL": "only {lasts} % likely to work until you are charged",
        "LITTLE_USED": "quiet way, little-used pile",
        "MUCH_USED": "busy way or much-used pile",
        "SUITS_TRIP": "suits your trip",
        "OFF_TRIP": "not on your way",
        "LIKED": "drivers like you choose it",
        "LESS_LIKED": "drivers like you choose others more",
        "HELD_BY_OTHERS": "{name}: {ahead} cars are already heading there",
        "HELD_BY_OTHERS_ONE": "{name}: 1 car is already heading there",
        "OCCUPIED": "{name}: occupied, about {wait} min wait",
        "OCCUPIED_SHORT": "{name}: perhaps a short wait there",
        "QUEUE_DELAYED_SHORT": "{name}: another car is still there, leaving soon",
        "OUT_OF_ORDER": "{name}: out of order",
        "NOT_FITTING": "{name}: nothing there that your car can use now",
        "NOT_BETTER": "{name}: nearer, but worse in all",
        "SLOWER": "{name}: nearer, but charges {charge} min longer",
        "UNSUITED_HEARD": "{name}: nearer, but nothing is heard of it",
        "UNSUITED_WORKING": "{name}: nearer, but more likely to fail",
        "UNSUITED_OCCUPANCY": "{name}: nearer, but too many cars are before you",
        "UNSUITED_PARKING": "{name}: nearer, but there is no room to park",
        "UNSUITED_DISTANCE_BAND": "{name}: not at a suitable distance",
        "UNSUITED_CHARGE_RATE": "{name}: nearer, but charges much more slowly",
        "UNSUITED_WAITING": "{name}: nearer, but with a long wait",
        "UNSUITED_PRICE": "{name}: nearer, but far dearer than others",
        "UNSUITED_TRAFFIC": "{name}: nearer, but the way there is jammed",
        "UNSUITED_EQUILIBRIUM": "{name}: nearer, but used far more than others today",
        "NOT_RECOMMENDED": "{name}: drivers choose it most, but {situation}",
        "ARRIVED": "plugged in; have a good charge",
        "RELEASED": "given back",
        "EXPIRED": "the offer was not taken in time",
        "NO_SHOW": "the place was given on, because you did not arrive in time",
        "REPLACED": "replaced by a newer recommendation",
        "NOTHING_KNOWN": "No charging pile is known here.",
        "NOTHING_REACHABLE": "No usable pile within the {km} km that your charge allows.",
        "NOTHING_FREE": "Every suitable pile is promised to others; try again shortly.",
    },
    "zh": {
        **REMINDER_WORDS["zh"],
        **CHANGE_WORDS["zh"],
        **WINDOW_WORDS["zh"],
        "SHORT_DRIVE": "车程 {drive} 分钟，{km} 公里",
        "LONG_DRIVE": "车程 {drive} 分钟，{km} 公里",
        "FREE_NOW": "现在空闲",
        "NO_WAIT": "几乎无需等待",
        "WAIT": "约等待 {wait} 分钟",
        "WAIT_SHORT": "可能短暂等待",
        "CHEAP": "本次充电约 {price}",
        "DEAR": "本次充电约 {price}",
        "RELIABLE": "可用至充电完成的概率 {lasts}%",
        "MAY_FAIL": "可用至充电完成的概率仅 {lasts}%",
        "LITTLE_USED": "路况畅通，使用较少",
        "MUCH_USED": "路况拥挤或使用较多",
        "SUITS_TRIP": "符合您的行程",
        "OFF_TRIP": "不顺路",
        "LIKED": "相似车主常选",
        "LESS_LIKED": "相似车主更常选其他桩",
        "HELD_BY_OTHERS": "{name}：已有 {ahead} 辆车前往",
        "OCCUPIED": "{name}：使用中，约等待 {wait} 分钟",
        "OCCUPIED_SHORT": "{name}：可能短暂等待",
        "QUEUE_DELAYED_SHORT": "{name}：前车即将离开",
        "OUT_OF_ORDER": "{name}：故障",
        "NOT_FITTING": "{name}：目前没有适合您车辆的桩",
        "NOT_BETTER": "{name}：更近，但综合较差",
        "SLOWER": "{name}：更近，但充电多 {charge} 分钟",
        "UNSUITED_HEARD": "{name}：更近，但目前没有其消息",
        "UNSUITED_WORKING": "{name}：更近，但较易发生故障",
        "UNSUITED_OCCUPANCY": "{name}：更近，但前面车辆过多",
        "UNSUITED_PARKING": "{name}：更近，但没有停车位",
        "UNSUITED_DISTANCE_BAND": "{name}：距离不合适",
        "UNSUITED_CHARGE_RATE": "{name}：更近，但充电慢得多",
        "UNSUITED_WAITING": "{name}：更近，但等待时间很长",
        "UNSUITED_PRICE": "{name}：更近，但价格明显更高",
        "UNSUITED_TRAFFIC": "{name}：更近，但路上拥堵",
        "UNSUITED_EQUILIBRIUM": "{name}：更近，但今天使用过多",
        "NOT_RECOMMENDED": "{name}：车主最常选，但{situation}",
        "ARRIVED": "已接入充电",
        "RELEASED": "已归还",
        "EXPIRED": "预留未及时确认",
        "NO_SHOW": "未及时到达，已让给他人",
        "REPLACED": "已被新的推荐取代",
        "NOTHING_KNOWN": "此处没有已知的充电桩。",
        "NOTHING_REACHABLE": "剩余电量可达的 {km} 公里内没有可用的充电桩。",
        "NOTHING_FREE": "所有合适的充电桩都已被预留，请稍后再试。",
    },
}


@dataclass(frozen=True, slots=True)
class Facts:
    """The figures that sentences name, of one candidate, as stored."""

    name: str
    drive_s: float
    distance_km: float
    wait_s: float
    charge_s: float
    price: float | None
    currency: str
    p_lasting: float  # P(works on arrival, and until the car is charged)
    ahead: int
    free_now: bool
    status_known: bool = True


def sentence(code: str, language: str, values: Values | Mapping[str, object]) -> str:
    """The sentence of a code, at most 90 characters; an unknown language is English.

    >>> sentence("WAIT", "en", {"wait": 12}), sentence("WAIT", "zh", {"wait": 12})
    ('about 12 min wait', '约等待 12 分钟')
    >>> sentence("WAIT", "en", {"wait": 0})
    'perhaps a short wait'
    """
    texts = TEXTS.get(language) or TEXTS["en"]
    template = texts[code]
    figure, value, ending = SPECIAL.get(code, ("", None, ""))
    if figure and values[figure] == value:
        template = texts.get(code + ending, template)
    text = template.format_map(values)
    return text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 1] + "…"


class Values:
    """The figures as drivers read them: whole minutes, tenths of km, whole currency.

    A mapping for `sentence` that makes only what the sentence names; `more` comes first.
    """

    __slots__ = ("_facts", "_more")

    def __init__(self, facts: Facts, more: Mapping[str, object] = MappingProxyType({})) -> None:
        self._facts = facts
        self._more = more

    def __getitem__(self, name: str) -> object:
        return self._more[name] if name in self._more else _SHOWN[name](self._facts)


def price_text(facts: Facts) -> str:
    """The price in whole currency, "?" if unknown."""
    if facts.price is None:
        return "?"
    return f"{facts.price:.0f} {facts.currency}".strip()


_SHOWN: dict[str, Callable[[Facts], object]] = {
    "name": lambda facts: facts.name,
    "drive": lambda facts: minutes(facts.drive_s),
    "km": lambda facts: f"{facts.distance_km:.1f}",
    "wait": lambda facts: minutes(facts.wait_s),
    "charge": lambda facts: minutes(facts.charge_s),
    "price": price_text,
    "lasts": lambda facts: round(facts.p_lasting * 100),
    "ahead": lambda facts: facts.ahead,
}


def minutes(seconds: float) -> int:
    """Whole minutes, at least 1 for anything above a half.

    >>> minutes(10.0), minutes(31.0), minutes(95.0)
    (0, 1, 2)
    """
    return round(seconds / 60.0) if seconds >= 60.0 else int(seconds > 30.0)


def weigh(
    terms_s: Sequence[float], reference_s: Sequence[float], limit: int = len(TERMS)
) -> list[tuple[str, int, float]]:
    """The strongest terms as (name, sign, weight): +1 where cheaper than the reference.

    Weights are shares of all differences and sum to 1.

    >>> weigh([300.0, 0.0, 0, 0, 0, 0, 0], [600.0, 100.0, 0, 0, 0, 0, 0])
    [('drive', 1, 0.75), ('wait', 1, 0.25)]
    """
    deltas = [mine - other for mine, other in zip(terms_s, reference_s, strict=True)]
    sizes = [abs(delta) for delta in deltas]
    whole = sum(sizes)
    told = []
    for _ in range(limit):
        size = max(sizes)
        if size < LEAST_S:
            break
        at = sizes.index(size)
        told.append((TERMS[at], 1 if deltas[at] < 0 else -1, size / whole))
        sizes[at] = 0.0
    return told


def code_of(term: str, sign: int, facts: Facts) -> str:
    """The reason code of a term; a pile that is free now says so."""
    if term == "wait" and sign > 0 and facts.free_now:
        return "FREE_NOW"
    return CODES[term][0 if sign > 0 else 1]


def difference_text(duration_s: float, price: float | None, currency: str, language: str) -> str:
    """An alternative against the choice.

    >>> difference_text(240.0, -6.0, "CNY", "en"), difference_text(-60.0, None, "", "zh")
    ('+4 min, -6 CNY', '-1 分钟')
    """
    unit = "分钟" if language == "zh" else "min"
    text = f"{round(duration_s / 60.0):+d} {unit}"
    if price is not None and abs(price) >= 0.5:
        text += f", {price:+.0f} {currency}".rstrip()
    return text


def summary(facts: Facts, status_age_s: float, done_clock: str, language: str) -> str:
    """One line for the driver: pile, state, drive, wait, end of the charge, price."""
    chinese = language == "zh"
    parts = [facts.name]
    if facts.free_now and status_age_s < 3600.0:
        age = f"{status_age_s:.0f} s" if status_age_s < 120.0 else f"{status_age_s / 60.0:.0f} min"
        parts.append(f"{age} 前空闲" if chinese else f"free {age} ago")
    if minutes(facts.wait_s):
        parts.append(sentence("SHORT_DRIVE", language, Values(facts)))
        parts.append(sentence("WAIT", language, Values(facts)))
    else:
        told = ("无需等待", "no wait") if facts.status_known else ("状态未知", "status unknown")
        drive = minutes(facts.drive_s)
        parts.append(
            f"车程 {drive} 分钟，{told[0]}" if chinese else f"{drive} min drive, {told[1]}"
        )
    parts.append(f"{done_clock} 充好" if chinese else f"done {done_clock}")
    if facts.price is not None:
        paid = price_text(facts)
        parts.append(f"约 {paid}" if chinese else f"about {paid}")
    return " · ".join(parts)
