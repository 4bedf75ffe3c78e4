"""The recommendation information in words: situation, score, nearness, proneness (step 630).

The scores themselves are in `merge.py` and `travel.py`.
"""

from __future__ import annotations

from coordinator.core.recommend.merge import (
    GENERAL,
    NOT_RECOMMENDED,
    RECOMMENDED,
    nearness,
    proneness,
    situation,
)

WORDS: dict[str, dict[str, str]] = {
    "en": {
        RECOMMENDED: "recommended",
        GENERAL: "general recommendation",
        NOT_RECOMMENDED: "not recommended",
        "very near": "very near the destination",
        "near": "near the destination",
        "far": "far from the destination",
        "not prone to fail": "not prone to fail",
        "more likely to fail": "more likely to fail",
    },
    "zh": {
        RECOMMENDED: "推荐",
        GENERAL: "一般推荐",
        NOT_RECOMMENDED: "不推荐",
        "very near": "距目的地很近",
        "near": "距目的地较近",
        "far": "距目的地较远",
        "not prone to fail": "不易发生故障",
        "more likely to fail": "较易发生故障",
    },
}


def situation_text(
    score: float, percent: float, destination_km: float, p_unusable: float, language: str
) -> str:
    """Situation, score and their causes; what is unknown or in between is left out.

    `percent` is the score on 0-100, `destination_km` NaN without a destination. Source: US
    12,393,974 B2, step 630, whose pile 2 has "the recommendation score 77.5, the distance is far,
    the object charging pile is not prone to fail".

    >>> situation_text(77.5, 77.5, 5.0, 0.04, "en")
    'general recommendation, 77.5 points, far from the destination, not prone to fail'
    >>> situation_text(155.0, 77.5, 0.2, 0.3, "zh")
    '一般推荐，155 分，距目的地很近，较易发生故障'
    """
    chinese = language == "zh"
    words = WORDS["zh" if chinese else "en"]
    said = [words[situation(percent)], f"{score:.4g} 分" if chinese else f"{score:.4g} points"]
    if destination_km == destination_km:
        said.append(words[nearness(destination_km)])
    prone = proneness(p_unusable)
    if prone:
        said.append(words[prone])
    return ("，" if chinese else ", ").join(said)
