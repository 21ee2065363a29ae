"""What the HTTP edge counts for Prometheus; labels are bounded: route templates, never paths or ids."""

from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import Counter, Gauge, Histogram

from voltway.httpapi.caller import Scope, authenticate
from voltway.infra.telemetry import metrics_text
from voltway.kernel.errors import NotAllowed

REQUESTS = Counter("voltway_http_requests", "HTTP requests answered.", ["method", "route", "status"])
SECONDS = Histogram(
    "voltway_http_request_seconds",
    "Time to the end of an answer.",
    ["method", "route"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
STREAMS = Gauge("voltway_live_streams", "Live streams that are open now.", multiprocess_mode="livesum")
RESYNCS = Counter("voltway_live_resyncs", "Times a live stream was told to fetch everything again.", ["reason"])
_LOOPBACK = {"127.0.0.1", "::1"}


def count_request(*, method: str, route: str, status: int, duration_s: float) -> None:
    """Count one answered request."""
    REQUESTS.labels(method, route, str(status)).inc()
    SECONDS.labels(method, route).observe(duration_s)


def router() -> APIRouter:
    """Build `GET /metrics`: open to this machine, to others with a key that may read."""
    routes = APIRouter(tags=["operation"])

    @routes.get("/metrics", response_class=Response, include_in_schema=False)
    async def get_metrics(request: Request) -> Response:
        if not _is_local(request):
            caller = await authenticate(request)
            if Scope.READ not in caller.scopes:
                raise NotAllowed("this key may not read metrics: it lacks the scope read")
        body, content_type = metrics_text()
        return Response(body, media_type=content_type)

    return routes


def _is_local(request: Request) -> bool:
    forwarded = "x-forwarded-for" in request.headers or "forwarded" in request.headers
    return request.client is not None and request.client.host in _LOOPBACK and not forwarded
