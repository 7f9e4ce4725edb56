"""Spans sent to an OpenTelemetry collector, over OTLP/HTTP, by OpenTelemetry's own SDK.

The standard `OTEL_` variables say where to, with what headers, as which service, and what is sampled. Imported only
where it is asked for: it needs the extra `otel`. Sending goes on beside the run; a collector that is not there costs
neither the run nor a line in the middle of it: how many spans were not delivered is known at the end.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags, set_span_in_context

from agentrun import __version__
from agentrun.errors import UsageError
from agentrun.observers.span import Parent, Span

SERVICE = "agentrun"
FLUSH_S = 3.0  # how long the end of the program waits for a collector
GRACE_S = 0.5  # for one that has failed already
_CAPTURE_CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_CAPTURING = ("true", "span_only", "span_and_event")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_KINDS = {"internal": SpanKind.INTERNAL, "client": SpanKind.CLIENT}
_STATUS = re.compile(r"code: (\d{3})")
_ANSWERED = re.compile(r"Transient error (.{1,60}?) encountered")
_PHRASES = {status.phrase: status.value for status in HTTPStatus}


def wants_content(environ: Mapping[str, str]) -> bool:
    """Whether the conventions' own variable asks for what was said."""
    return environ.get(_CAPTURE_CONTENT, "").strip().lower() in _CAPTURING


def is_off(environ: Mapping[str, str]) -> bool:
    """Whether the standard variables say that nothing is sent."""
    is_disabled = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return is_disabled or environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none"


class Otel:
    """Sends spans. `parent` is another program's span, which also says whether runs are sampled.

    Raises `UsageError` where the variables ask for what is not there, and the SDK a `ValueError` for some of them.
    """

    def __init__(self, environ: Mapping[str, str], parent: Parent | None = None) -> None:
        _check(environ)
        for name, value in environ.items():
            if name.startswith("OTEL_"):  # the SDK reads the process's own: those of `--env-file` count as well
                os.environ.setdefault(name, value)
        self._parent = parent
        self._news = threading.Event()
        self._problems = _silenced(self._news)
        self._ids = _Ids()
        self._sampled: dict[str, bool] = {}
        self._exporter = _Counting(OTLPSpanExporter(), self._news)
        self._provider = TracerProvider(resource=_resource(), id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer(SERVICE, __version__)
        self._problems.last = ""  # what the SDK says of variables that it leaves out is no answer of a collector
        self._news.clear()

    def write(self, spans: Iterable[Span]) -> None:
        for span in spans:
            if self._is_sampled(span.trace_id):
                self._send(span)

    def close(self) -> str | None:
        """Sends what is left, and waits a little. What is wrong, where not everything was delivered."""
        ended = threading.Event()

        def end() -> None:
            self._provider.shutdown()
            ended.set()
            self._news.set()

        threading.Thread(target=end, name="otel-end", daemon=True).start()
        if self._news.wait(FLUSH_S) and not ended.is_set():
            ended.wait(GRACE_S)
        lost = self._ids.given - self._exporter.delivered
        if not lost:
            return None
        spans = "1 span was" if lost == 1 else f"{lost} spans were"
        return f"{spans} not delivered to {_collector()}: {self._problems.last or f'no answer within {FLUSH_S:g} s'}"

    def _send(self, span: Span) -> None:
        self._ids.next(span)
        made = self._tracer.start_span(
            span.name,
            self._context(span),
            kind=_KINDS[span.kind],
            attributes=span.attributes,
            start_time=span.start_ns,
        )
        for event in span.events:
            made.add_event(event.name, event.attributes, event.time_ns)
        if span.is_error:
            made.set_status(StatusCode.ERROR, span.message or None)
        made.end(span.end_ns)

    def _context(self, span: Span) -> Context:
        """What stands above a span, as the SDK wants it."""
        if not span.parent_id:
            return Context()
        if self._parent is not None and span.parent_id == self._parent.span_id:
            return self._remote(self._parent)
        return _above(span.trace_id, span.parent_id, is_sampled=True, is_remote=False)

    def _remote(self, parent: Parent) -> Context:
        return _above(parent.trace_id, parent.span_id, is_sampled=parent.is_sampled, is_remote=True)

    def _is_sampled(self, trace_id: str) -> bool:
        """Decided once for a trace: the first span of it is over last."""
        if trace_id not in self._sampled:
            context = Context() if self._parent is None else self._remote(self._parent)
            decided = self._provider.sampler.should_sample(context, int(trace_id, 16), "invoke_agent")
            self._sampled[trace_id] = decided.decision is not Decision.DROP
        return self._sampled[trace_id]


class _Ids(IdGenerator):
    """Gives the SDK the ids that a span has already."""

    def __init__(self) -> None:
        self.given = 0
        self._span: Span | None = None

    def next(self, span: Span) -> None:
        self._span = span
        self.given += 1

    def generate_span_id(self) -> int:
        return int(self._span.span_id, 16) if self._span else 0

    def generate_trace_id(self) -> int:
        return int(self._span.trace_id, 16) if self._span else 0


class _Counting(SpanExporter):
    """Another exporter, and how many spans it delivered. `news` are no longer bad where it delivers again."""

    def __init__(self, inner: SpanExporter, news: threading.Event) -> None:
        self._inner = inner
        self._news = news
        self.delivered = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._inner.export(spans)
        if result is SpanExportResult.SUCCESS:
            self.delivered += len(spans)
            self._news.clear()
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()


class _Problems(logging.Handler):
    """Hears what the SDK logs, which would be printed else. `last` is the last failure in few words."""

    def __init__(self, news: threading.Event) -> None:
        super().__init__(logging.WARNING)
        self.last = ""
        self._news = news

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith("Queue "):
            self.last = "there were more at once than OTEL_BSP_MAX_QUEUE_SIZE allows"
            return
        status = _STATUS.search(message)
        again = _ANSWERED.search(message)
        if code := status[1] if status else _PHRASES.get(again[1]) if again else None:
            self.last = f"it answered {code}"
        elif not self.last:
            self.last = "it gave no answer"
        self._news.set()


def _silenced(news: threading.Event) -> _Problems:
    """The logs of the SDK go nowhere else: nobody reads them in the middle of an answer."""
    heard = _Problems(news)
    for name in ("opentelemetry", "urllib3"):
        logger = logging.getLogger(name)
        logger.addHandler(heard if name == "opentelemetry" else logging.NullHandler())
        logger.propagate = False
    return heard


def _resource() -> Resource:
    """What the variables say, and where they say nothing, agentrun."""
    found = Resource.create()
    own = {}
    if str(found.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):  # what the SDK says where nobody did
        own[SERVICE_NAME] = SERVICE
    if SERVICE_VERSION not in found.attributes:
        own[SERVICE_VERSION] = __version__
    return found.merge(Resource(own))


def _above(trace_id: str, span_id: str, *, is_sampled: bool, is_remote: bool) -> Context:
    flags = TraceFlags(TraceFlags.SAMPLED if is_sampled else TraceFlags.DEFAULT)
    above = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote, flags)
    return set_span_in_context(NonRecordingSpan(above), Context())


def _check(environ: Mapping[str, str]) -> None:
    """Whether the variables ask for what is here. What the SDK itself finds wrong in one, it leaves out."""
    exporters = environ.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp"
    if "otlp" not in (one.strip().lower() for one in exporters.split(",")):
        help = "set it to otlp; `--trace FILE` writes a file"
        raise UsageError(f"`--otel` sends over otlp, and OTEL_TRACES_EXPORTER is `{exporters}`", help=help)
    protocol = next((name for name in _PROTOCOLS if environ.get(name, "").strip()), None)
    if protocol and (written := environ[protocol].strip()) != "http/protobuf":
        help = "set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf, and an endpoint for it, often port 4318"
        raise UsageError(f"`--otel` sends over http/protobuf, and {protocol} is `{written}`", help=help)
    endpoint = next((name for name in _ENDPOINTS if environ.get(name, "").strip()), None)
    if endpoint and not _is_http(environ[endpoint]):
        raise UsageError(f"{endpoint} is no address that begins with http:// or https://")


def _is_http(written: str) -> bool:
    try:
        parts = urlsplit(written.strip())
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _collector() -> str:
    """Where spans go to, without what may be secret in an address."""
    written = next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), "http://localhost:4318")
    try:
        parts = urlsplit(written)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "the collector"
    return f"{parts.scheme}://{parts.hostname}{port}" if parts.hostname else "the collector"
