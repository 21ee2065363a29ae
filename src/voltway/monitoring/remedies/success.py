"""How often a remedy helps, with the interval in which the true share lies. Pure."""

import math
from typing import Final

Z_95: Final = 1.959963984540054


def wilson(helped: int, runs: int) -> tuple[float, float]:
    """Return the 95 % interval of a share: (p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n).

    Source: E. B. Wilson 1927, doi:10.1080/01621459.1927.10502953. Without runs it is [0, 1].
    """
    if not runs:
        return (0.0, 1.0)
    share, square = helped / runs, Z_95**2
    middle = share + square / (2 * runs)
    reach = Z_95 * math.sqrt(share * (1 - share) / runs + square / (4 * runs**2))
    scale = 1 + square / runs
    return (max((middle - reach) / scale, 0.0), min((middle + reach) / scale, 1.0))
