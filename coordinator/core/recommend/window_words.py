"""What a car is told of a window of later that it asked for; other sentences: `explain.py`."""

from __future__ import annotations

WINDOW_WORDS: dict[str, dict[str, str]] = {
    "en": {
        "KEPT_WINDOW": "{name} is kept for you from {begin} to {end}",
        "WINDOW_BEGINS": "{name} is kept for you from {begin}: it is time to set out",
        "NOTHING_THEN": "No suitable pile can be kept for you from {begin} to {end}.",
    },
    "zh": {
        "KEPT_WINDOW": "{begin}–{end} 为您保留 {name}",
        "WINDOW_BEGINS": "{name} 自 {begin} 起为您保留，请出发",
        "NOTHING_THEN": "{begin}–{end} 没有可为您保留的合适充电桩。",
    },
}
