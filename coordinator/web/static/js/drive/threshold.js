// When a car asks by itself: once for each fall of its charge below a threshold; charging resets it.
// The same rule as pilewise/threshold.py (US 12,393,974 B2, step 310); a test holds both together.

export const HYSTERESIS_PCT = 3; // a gauge that wavers, or a long descent, is no charge

export class Threshold {
  constructor(below_pct, hysteresis_pct = HYSTERESIS_PCT) {
    this.below_pct = below_pct;
    this.reset_pct = Math.min(below_pct + hysteresis_pct, 100);
    this.armed = true;
  }

  // Whether the charge is below the threshold for the first time since it was reset.
  crossed(soc_pct) {
    if (soc_pct >= this.reset_pct) this.armed = true;
    if (!this.armed || soc_pct >= this.below_pct) return false;
    this.armed = false;
    return true;
  }

  // The crossing was not made use of: the next look says yes again.
  reset() {
    this.armed = true;
  }
}
