"""Detection: what Voltway's shipped rules find in a simulated month of a network, and what they find that is not there.

A made-up network of 700 EVSEs lives through 30 days (21,000 EVSE-days a seed): facts as the gateway would have parsed
them, with delays, repeats and queues, fed without sockets to the watch that production runs. Faults (kind, place,
onset, size, vendor codes) are drawn from `bench/data/faults.toml`; labels are kept apart and are in no frame.
Thresholds were set on seeds 1-5; the table is of seeds 101-105. `--seed` takes others, `--rename-vendor-codes` replaces
every word that a vendor chose by a random one, so that anyone can see that nothing hangs on them.

With `--check` the scoring is proved first (an engine that knows the truth gets 1 and 1, a mute one finds nothing) and
the goals are judged. Exit: 0 the table was printed; 1 a proof failed or, with `--check`, a goal was missed.
"""

import argparse
import os
import sys
import time as clocks
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from typing import Any

from rig import command, report
from rig.lab.judging import all_knowing, openings_of
from rig.lab.month import Month, made_month
from rig.lab.ranges import Recipe, read_recipe, renamed
from rig.lab.score import Score, Tally, scored
from rig.lab.stream import Engine
from rig.lab.watch import WatchEngine
from voltway.monitoring.incidents.rules import shipped

SEEDS = (101, 102, 103, 104, 105)
QUICK_SEEDS, QUICK_DAYS = (1,), 4
LEAST_EVSE_DAYS = 20_000
GOAL_RECALL = 0.95
GOAL_FALSE_PER_1000 = 1.0


@dataclass(frozen=True, slots=True)
class Run:
    """One seed: its score, what was fed, what it cost in CPU time, and what was proved."""

    seed: int
    score: Score
    stations: int
    events: int
    cpu_s: float
    proofs: tuple[tuple[str, bool], ...]


def judged(recipe: Recipe, seed: int, *, days: int | None = None) -> Run:
    """Run one seed's month through the watch."""
    month = made_month(recipe, seed, days=days)
    engine = Counting(engine_for(month))
    started = clocks.process_time()
    openings = openings_of(month, engine)
    cpu_s = clocks.process_time() - started
    score = scored(recipe, month.truth, openings, evse_days=month.evse_days)
    proofs = tuple(scoring_proofs(recipe, month))
    return Run(seed, score, len(month.network.stations), engine.events, cpu_s, proofs)


def engine_for(month: Month) -> Engine:
    """Return the engine that is judged, told of the network and of nothing else."""
    return WatchEngine(month.network, month.recipe.begin, shipped())


class Counting:
    """An engine that counts what it is fed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.tick = engine.tick
        self.events = 0

    def feed(self, event: Any) -> Any:
        """Pass an event on."""
        self.events += 1
        return self._engine.feed(event)


def scoring_proofs(recipe: Recipe, month: Month) -> Iterator[tuple[str, bool]]:
    """Yield what must hold before a score means anything."""
    known = list(all_knowing(recipe, month.truth))
    best = scored(recipe, month.truth, known, evse_days=month.evse_days)
    worst = scored(recipe, month.truth, [], evse_days=month.evse_days)
    yield "an engine that knows the truth finds all, and nothing false", (best.recall, best.false_per_1000) == (1, 0)
    yield "a mute engine finds nothing", worst.recall == 0
    late = [it._replace(at=it.at + timedelta(days=month.days)) for it in known]
    yield "incidents at the wrong time find nothing", scored(recipe, month.truth, late, evse_days=1).recall == 0


def main() -> int:
    """Run the bench as the arguments say and return the exit code."""
    arguments = _arguments()
    seeds = tuple(arguments.seed or (QUICK_SEEDS if arguments.quick else SEEDS))
    runs = _all_judged(arguments, seeds)
    failed = sorted({claim for run in runs for claim, holds in run.proofs if not holds})
    if failed and arguments.check:
        sys.stderr.write(f"the measurement does not hold: {'; '.join(failed)}\n")
        return 1
    total = total_of([run.score for run in runs])
    text = "\n".join(lines_of(runs, total, is_renamed=arguments.rename_vendor_codes))
    document = _document(runs, total, is_renamed=arguments.rename_vendor_codes)
    command.publish(arguments, "detection", text, document)
    if arguments.explain:
        sys.stderr.write("\n".join(explained(runs)) + "\n")
    return 1 if arguments.check and not is_met(total) else 0


def total_of(scores: Sequence[Score]) -> Score:
    """Add the seeds up."""
    total = Score({}, 0.0)
    for score in scores:
        total.add(score)
    return total


def is_met(score: Score) -> bool:
    """Say whether both goals are reached."""
    return score.recall >= GOAL_RECALL and score.false_per_1000 <= GOAL_FALSE_PER_1000


def lines_of(runs: Sequence[Run], total: Score, *, is_renamed: bool) -> Iterator[str]:
    """Yield the table as Markdown."""
    seeds = ", ".join(str(run.seed) for run in runs)
    yield "## Detection: faults found in a simulated month"
    yield ""
    yield f"- {report.machine()}; voltway {version('voltway')}"
    yield f"- seeds {seeds}; {runs[0].stations} stations in the first; {total.evse_days:,.0f} EVSE-days in all"
    each = ", ".join(f"{run.events:,} in {run.cpu_s:.0f} s" for run in runs)
    yield f"- facts and link notes fed, with CPU time of making and judging them: {each}"
    if is_renamed:
        yield "- every vendor's name, model and code was replaced by a random word"
    yield ""
    yield "| fault | labels | recall | precision | false | duplicates | follows | delay, median | p95 |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    yield from (_row(tally) for tally in total.tallies.values())
    yield ""
    each = ", ".join(f"{run.score.recall:.3f}" for run in runs)
    met = "met" if total.recall >= GOAL_RECALL else "not met"
    yield f"- goal: recall at least {GOAL_RECALL}: {total.recall:.3f} ({each}), {met}"
    each = ", ".join(f"{run.score.false_per_1000:.2f}" for run in runs)
    met = "met" if total.false_per_1000 <= GOAL_FALSE_PER_1000 else "not met"
    rate = total.false_per_1000
    yield f"- goal: at most {GOAL_FALSE_PER_1000:g} false per 1,000 EVSE-days: {rate:.2f} ({each}), {met}"
    claims = {claim: all(dict(run.proofs)[claim] for run in runs) for claim, _ in runs[0].proofs}
    yield from (report.claim_line(*claim) for claim in claims.items())


def explained(runs: Sequence[Run]) -> Iterator[str]:
    """Yield every miss and every false incident, for those who set thresholds."""
    for run in runs:
        for tally in run.score.tallies.values():
            for label in tally.missed:
                when = f"{label.onset} – {label.end}"
                yield f"seed {run.seed} missed {label.kind} {tuple(label.place)} {when} {label.size:g}"
            for it in tally.false_openings:
                yield f"seed {run.seed} false {it.rule} {tuple(it.place)} {it.at} {it.detail}"


def _row(tally: Tally) -> str:
    cells = [
        tally.kind.replace("_", " "), str(tally.labels), _share(tally.recall), _share(tally.precision),
        str(tally.false), str(tally.duplicates), str(tally.secondary), _lasting(tally.delay_s()),
        _lasting(tally.delay_s(p95=True)),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _lasting(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    minutes = seconds / 60
    return f"{minutes:.1f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def _all_judged(arguments: argparse.Namespace, seeds: Sequence[int]) -> list[Run]:
    """Judge each seed, several at a time where asked to: months know nothing of each other."""
    wanted = [(_recipe(arguments, seed), seed, QUICK_DAYS if arguments.quick else None) for seed in seeds]
    if arguments.jobs == 1 or len(wanted) == 1:
        return [judged(recipe, seed, days=days) for recipe, seed, days in wanted]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        return list(pool.map(_judged, wanted))


def _judged(wanted: tuple[Recipe, int, int | None]) -> Run:
    recipe, seed, days = wanted
    return judged(recipe, seed, days=days)


def _recipe(arguments: argparse.Namespace, seed: int) -> Recipe:
    recipe = read_recipe()
    return renamed(recipe, seed) if arguments.rename_vendor_codes else recipe


def _document(runs: Sequence[Run], total: Score, *, is_renamed: bool) -> dict[str, Any]:
    return {
        "bench": "detection",
        "machine": report.machine(),
        "seeds": [run.seed for run in runs],
        "renamed": is_renamed,
        "evse_days": total.evse_days,
        "recall": total.recall,
        "false_per_1000_evse_days": total.false_per_1000,
        "goals": {"recall": GOAL_RECALL, "false_per_1000_evse_days": GOAL_FALSE_PER_1000, "met": is_met(total)},
        "faults": {name: _counts(tally) for name, tally in total.tallies.items()},
        "runs": [
            {
                "seed": run.seed,
                "events": run.events,
                "cpu_s": run.cpu_s,
                "recall": run.score.recall,
                "false_per_1000_evse_days": run.score.false_per_1000,
                "proofs": [{"claim": claim, "holds": holds} for claim, holds in run.proofs],
            }
            for run in runs
        ],
    }


def _counts(tally: Tally) -> dict[str, Any]:
    names = ("labels", "found", "true", "false", "duplicates", "secondary", "recall", "precision")
    counts = {name: getattr(tally, name) for name in names}
    return {**counts, "delay_s_median": tally.delay_s(), "delay_s_p95": tally.delay_s(p95=True)}


def _arguments() -> argparse.Namespace:
    parser = command.parser(
        "Precision and recall per fault over a simulated month.",
        quick=f"seed {QUICK_SEEDS[0]}, {QUICK_DAYS} days",
        check="prove the scoring, and fail where a goal is missed",
    )
    parser.add_argument("--seed", type=int, nargs="+", metavar="N", help="other seeds than 101 to 105")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--jobs", type=int, default=cores, metavar="N", help="seeds at a time (one a core)")
    parser.add_argument("--rename-vendor-codes", action="store_true", help="random words for all that vendors chose")
    parser.add_argument("--explain", action="store_true", help="also write every miss and false incident to stderr")
    return command.parsed(parser)


if __name__ == "__main__":
    sys.exit(main())
