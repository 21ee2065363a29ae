"""Charging curves: what power a battery takes at a state of charge. Pure; used by the simulator and by planning.

A curve is a polyline of (state of charge 0–1, share of the car's peak power 0–1): flat or rising at first, then
tapering, as fast-charging tests of cars on the road show it. On alternating current the on-board unit is the limit, and
only the last few percent taper.
"""

from bisect import bisect_right
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChargingCurve:
    """A polyline over the state of charge: `points` are (soc, share of peak power), soc ascending from 0 to 1."""

    points: tuple[tuple[float, float], ...]

    def share(self, soc: float) -> float:
        """Return the share (0–1) of the peak power that is taken at `soc` (0–1)."""
        place = bisect_right(self.points, (soc, 2.0))
        if place == 0:
            return self.points[0][1]
        if place == len(self.points):
            return self.points[-1][1]
        (left, low), (right, high) = self.points[place - 1], self.points[place]
        return low + (high - low) * (soc - left) / (right - left)


FLAT = ChargingCurve(((0.0, 0.85), (0.08, 1.0), (0.60, 0.92), (0.80, 0.55), (0.92, 0.25), (1.0, 0.04)))
"""800-volt cars and small packs that hold their power long."""
EARLY_PEAK = ChargingCurve(
    ((0.0, 0.80), (0.05, 1.0), (0.25, 0.95), (0.50, 0.62), (0.80, 0.36), (0.93, 0.18), (1.0, 0.03))
)
"""Large packs with a high peak that falls early."""
STEPPED = ChargingCurve(((0.0, 0.70), (0.10, 1.0), (0.40, 0.98), (0.45, 0.75), (0.70, 0.70), (0.80, 0.42), (1.0, 0.05)))
"""Cars that step down with the pack's temperature."""
ON_BOARD = ChargingCurve(((0.0, 1.0), (0.95, 1.0), (1.0, 0.20)))
"""Alternating current: the on-board unit decides until the last percent."""
