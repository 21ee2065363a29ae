"""Routes of remedies: ladders, modes, runs, what helped, and a step by hand."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from voltway.httpapi.caller import Commander, Reader, Writer
from voltway.httpapi.paging import Page, WantedPage
from voltway.kernel.errors import NotFound
from voltway.monitoring.remedies.ladders import LadderDocument, document_of, parse_ladder
from voltway.monitoring.remedies.model import Action, Decision, Mode, Run, Skip, Stop, Wait
from voltway.monitoring.remedies.service import Plan, Remedies
from voltway.monitoring.remedies.store import StoredRun
from voltway.monitoring.remedies.success import wilson

Code = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class LadderShown(LadderDocument):
    """A ladder; `own`: entered by the operator; `mode`: how far it goes now."""

    code: str
    own: bool
    mode: Mode


class ModeBody(BaseModel):
    """How far remedies go by themselves; without `ladder`: all that have no mode of their own."""

    model_config = ConfigDict(extra="forbid")

    mode: Mode
    ladder: str = Field(default="", max_length=63)


class ByHand(BaseModel):
    """A step that a person wants now; `force` overrides the limits."""

    model_config = ConfigDict(extra="forbid")

    message: str = ""
    judge_after_s: float = Field(default=60, ge=1, le=86_400)
    cycle_wait_s: float = Field(default=10, ge=1, le=3600)
    force: bool = False


class RunDocument(BaseModel):
    """One step of one incident and what came of it."""

    run_id: int
    incident_id: int
    rule: str
    ladder: str
    round: int
    step: int
    action: str
    manual: bool
    forced: bool
    asked_by: str
    station_id: str | None
    evse_id: int | None
    vendor: str | None
    model: str | None
    firmware: str | None
    state: str
    why: str
    attempt: int
    planned_at: AwareDatetime
    due_at: AwareDatetime | None
    sent_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    outcome: str | None
    answer: str | None
    result: str | None
    harmed: bool


class SuccessDocument(BaseModel):
    """How often an action helped; `low` and `high` are the 95 % Wilson interval of `share`."""

    action: str
    rule: str
    vendor: str | None
    model: str | None
    firmware: str | None
    runs: int
    helped: int
    unknown: int
    harmed: int
    share: float | None
    low: float
    high: float


class DecisionDocument(BaseModel):
    """What a ladder does next: `run`, `would_run`, `wait`, `skip` or `stop`."""

    word: str
    step: int | None = None
    action: str | None = None
    why: str = ""
    until: AwareDatetime | None = None


class PlanDocument(BaseModel):
    """What a ladder would do now about an incident."""

    ladder: str | None
    mode: Mode
    decision: DecisionDocument
    runs: list[RunDocument]


class RunQuery(BaseModel):
    """Which runs to list."""

    incident_id: int | None = None
    station_id: str | None = Field(default=None, max_length=255)


def router(remedies: Remedies) -> APIRouter:
    """Build the routes of remedies."""
    routes = APIRouter(prefix="/api/v1", tags=["remedies"])
    _add_ladders(routes, remedies)
    _add_runs(routes, remedies)
    _add_incidents(routes, remedies)
    return routes


def _add_ladders(routes: APIRouter, remedies: Remedies) -> None:
    @routes.get("/monitoring/ladders", summary="List ladders, the shipped ones and your own")
    async def list_ladders(caller: Reader) -> list[LadderShown]:
        return await _ladders(remedies, caller)

    @routes.get("/monitoring/ladders/{code}", summary="One ladder")
    async def get_ladder(caller: Reader, code: Code) -> LadderShown:
        return await _ladder(remedies, caller, code)

    @routes.put("/monitoring/ladders/{code}", summary="Enter a ladder or change a shipped one")
    async def put_ladder(caller: Writer, code: Code, body: LadderDocument) -> LadderShown:
        await remedies.put_ladder(caller, parse_ladder(code, body.model_dump()))
        return await _ladder(remedies, caller, code)

    @routes.delete("/monitoring/ladders/{code}", status_code=204, summary="Forget your own ladder")
    async def delete_ladder(caller: Writer, code: Code) -> None:
        await remedies.delete_ladder(caller, code)

    @routes.put("/monitoring/remedies/mode", status_code=204, summary="Say how far remedies go by themselves")
    async def put_remedy_mode(caller: Commander, body: ModeBody) -> None:
        await remedies.put_mode(caller, body.mode, body.ladder)


def _add_runs(routes: APIRouter, remedies: Remedies) -> None:
    @routes.get("/monitoring/remedies/runs", summary="What was tried, newest first")
    async def list_remedy_runs(
        caller: Reader, pager: WantedPage, query: Annotated[RunQuery, Query()]
    ) -> Page[RunDocument]:
        found = await remedies.list_runs(
            caller, pager.wanted, incident_id=query.incident_id, station=query.station_id
        )  # fmt: skip
        pager.linked(found)
        return Page(items=[_run(it) for it in found.items], next_cursor=found.next_cursor)

    @routes.get("/monitoring/remedies/success", summary="How often each remedy helps, by product")
    async def list_remedy_success(caller: Reader) -> list[SuccessDocument]:
        return [_success(row) for row in await remedies.success(caller)]


def _add_incidents(routes: APIRouter, remedies: Remedies) -> None:
    @routes.get("/incidents/{incident_id}/remedies/plan", summary="What the ladder would do now")
    async def get_remedy_plan(caller: Reader, incident_id: int) -> PlanDocument:
        return _plan(await remedies.plan(caller, incident_id))

    @routes.post("/incidents/{incident_id}/remedies/{action}", status_code=202, summary="Run a step now")
    async def run_remedy(caller: Commander, incident_id: int, action: Action, body: ByHand) -> RunDocument:
        step = {"action": action, **body.model_dump(exclude={"force"})}
        rung = parse_ladder("by hand", {"title": "By hand", "steps": [step]}).steps[0]
        return _run(await remedies.run_by_hand(caller, incident_id, rung, force=body.force))


async def _ladders(remedies: Remedies, caller: Any) -> list[LadderShown]:
    ladders, own, modes = await remedies.list_ladders(caller)
    return [
        LadderShown(**document_of(it), code=code, own=code in own, mode=modes.get(code, modes[""]))
        for code, it in sorted(ladders.items())
    ]


async def _ladder(remedies: Remedies, caller: Any, code: str) -> LadderShown:
    for ladder in await _ladders(remedies, caller):
        if ladder.code == code:
            return ladder
    raise NotFound(f"there is no ladder {code}")


def _run(it: StoredRun) -> RunDocument:
    same = {name: getattr(it, name) for name in RunDocument.model_fields if name not in {"station_id", "evse_id"}}
    return RunDocument(**same, station_id=it.identity, evse_id=it.evse_id or None)


def _success(row: Any) -> SuccessDocument:
    low, high = wilson(row["helped"], row["runs"])
    share = row["helped"] / row["runs"] if row["runs"] else None
    return SuccessDocument(**row, share=share, low=low, high=high)


def _plan(plan: Plan) -> PlanDocument:
    return PlanDocument(
        ladder=plan.ladder.code if plan.ladder else None,
        mode=plan.mode,
        decision=_decision(plan, plan.decision),
        runs=[_run(it) for it in plan.runs],
    )


def _decision(plan: Plan, decision: Decision) -> DecisionDocument:
    match decision:
        case Run(step):
            assert plan.ladder is not None, "a step is of a ladder"
            rung = plan.ladder.steps[step]
            word = "run" if plan.mode.does(rung.action) else "would_run"
            return DecisionDocument(word=word, step=step, action=rung.key)
        case Wait(until, why):
            return DecisionDocument(word="wait", why=why, until=_aware(until))
        case Skip(why):
            return DecisionDocument(word="skip", why=why)
        case Stop(why):
            return DecisionDocument(word="stop", why=why)


def _aware(instant: datetime) -> datetime:
    assert instant.tzinfo is not None, "all our instants are aware"
    return instant
