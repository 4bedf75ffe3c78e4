"""The sentences of reminders, by language; those of everything else are in `explain.py`.

`_NOW` is said where less than half a kilometre is left. A station out of reach is not named.
"""

from __future__ import annotations

REMINDER_WORDS = {
    "en": {
        "CHARGE_AHEAD": "Charge before km {km}: {name} is the last usable station{why}",
        "CHARGE_AHEAD_NOW": "Charge now: {name} is the last usable station{why}",
        "CHARGE_OR_RETURN": "Charge before km {km}, or there is no way back to {name}{why}",
        "CHARGE_OR_RETURN_NOW": "Charge now, or there is no way back to {name}{why}",
        "CHARGE_SHORT": "No usable station within the {km} km that your charge allows{why}",
        "CHARGE_SHORT_NOW": "No usable station within what your charge allows{why}",
        "CHARGE_NOWHERE": "Charge for {km} km left and no usable station is known{why}",
        "CHARGE_NOWHERE_NOW": "No charge left and no usable station is known{why}",
        "AND_WHY": "; {why}",
        "WHY_THIN_AREA": "few piles here",
        "WHY_FEW_PILES_IN_REACH": "few piles in reach",
        "WHY_MANY_CARS": "many cars per pile",
    },
    "zh": {
        "CHARGE_AHEAD": "请在 {km} 公里内充电：{name} 是前方最后一个可用站点{why}",
        "CHARGE_AHEAD_NOW": "请立即充电：{name} 是前方最后一个可用站点{why}",
        "CHARGE_OR_RETURN": "请在 {km} 公里内充电：再远将无法返回 {name}{why}",
        "CHARGE_OR_RETURN_NOW": "请立即充电：再远将无法返回 {name}{why}",
        "CHARGE_SHORT": "剩余电量可达的 {km} 公里内没有可用站点{why}",
        "CHARGE_SHORT_NOW": "剩余电量可达范围内没有可用站点{why}",
        "CHARGE_NOWHERE": "剩余电量约可行驶 {km} 公里，附近没有已知的可用站点{why}",
        "CHARGE_NOWHERE_NOW": "电量已耗尽，附近没有已知的可用站点{why}",
        "AND_WHY": "；{why}",
        "WHY_THIN_AREA": "此处充电桩稀少",
        "WHY_FEW_PILES_IN_REACH": "可达的充电桩很少",
        "WHY_MANY_CARS": "车多桩少",
    },
}
