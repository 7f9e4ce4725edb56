"""`--trace FILE`, `--trace-content` and `--otel`: what a run does is followed as spans, in a file or at a collector.

Nothing of it is imported where none is given. What can't be written or sent is told at the end and costs no answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click

from agentrun.errors import AgentrunError, UsageError, reason_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentrun.engine.events import Event
    from agentrun.observers.open_span import AgentFacts
    from agentrun.observers.otel import Otel
    from agentrun.observers.otlp_file import OtlpFile
    from agentrun.observers.span import Span
    from agentrun.observers.spans import Spans
    from agentrun.project import Project

F = TypeVar("F", bound=Callable[..., Any])

_trace_option = click.option(
    "--trace",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Add a span for each run, model turn and call to a file of OTLP JSON lines. Example: --trace spans.jsonl",
)
_content_option = click.option(
    "--trace-content",
    is_flag=True,
    help="What was said, arguments and results go into spans, too, secrets masked. Example: --otel --trace-content",
)
_otel_option = click.option(
    "--otel",
    is_flag=True,
    help="Send spans to an OpenTelemetry collector, as the OTEL_ variables say. Example: --otel",
)


def tracing_options(command: F) -> F:
    return _trace_option(_content_option(_otel_option(command)))


class _Sink(Protocol):
    def write(self, spans: Iterable[Span]) -> None: ...


class Tracing:
    """Follows runs: call it with each event, and `close` it in the end. Does nothing where nothing was asked for.

    Raises `UsageError` for what can't be written to, and `AgentrunError` where the extra `otel` is missing.
    """

    def __init__(self, trace: Path | None, *, content: bool, otel: bool, environ: Mapping[str, str]) -> None:
        if content and trace is None and not otel:
            raise UsageError("`--trace-content` goes with `--trace FILE` or `--otel`")
        if trace == Path("-"):
            raise UsageError("`--trace` takes a file", help="`--trace /dev/stdout` writes to standard output")
        self._environ = environ
        self._agent: Callable[[str], AgentFacts] | None = None
        self._session: Callable[[], str] = str
        self._path = trace
        self._file: OtlpFile | None = None
        self._otel: Otel | None = None
        self._sinks: list[tuple[Spans, _Sink]] = []
        if otel:
            self._send(content)
        if trace is not None:
            self._write(trace, content)

    def knows(
        self,
        project: Callable[[], Project],
        model: Callable[[], str | None],
        session: Callable[[], str] = str,
    ) -> None:
        """Where to look what events do not tell: whose agents, what is asked instead of their models, which session."""
        if not self._sinks:
            return
        self._session = session
        self._agent = lambda name: _facts(project(), name, model(), self._environ)

    def __call__(self, event: Event) -> None:
        for builder, sink in self._sinks:
            if spans := builder(event):
                sink.write(spans)

    def close(self) -> None:
        from agentrun.cli import tell_warning

        for builder, sink in self._sinks:
            sink.write(builder.close())
        if self._file is not None:
            self._file.close()
            if self._file.failure is not None:
                tell_warning(f"the trace file `{self._path}` is not whole: {reason_of(self._file.failure)}")
        if self._otel is not None and (problem := self._otel.close()):
            tell_warning(problem)

    def _send(self, content: bool) -> None:
        from agentrun.observers.span import parent_in

        try:
            from agentrun.observers import otel

            if otel.is_off(self._environ):
                return
            self._otel = otel.Otel(self._environ, parent_in(self._environ))
        except ModuleNotFoundError as error:
            packages = "'opentelemetry-sdk>=1.30,<2' 'opentelemetry-exporter-otlp-proto-http>=1.30,<2'"
            message = f"`--otel` needs a package that is not installed: {error.name}"
            raise AgentrunError(message, help=f"Install it: pip install {packages}") from None
        except ValueError as error:  # the SDK's, some of them while it is imported
            help = "look at the variables whose names begin with OTEL_"
            raise UsageError(f"`--otel` can't be set up: {error}", help=help) from None
        self._follow(self._otel, content or otel.wants_content(self._environ))

    def _write(self, path: Path, content: bool) -> None:
        from agentrun.observers.otlp_file import OtlpFile

        self._file = OtlpFile(path, self._environ)
        self._follow(self._file, content)

    def _follow(self, sink: _Sink, content: bool) -> None:
        from agentrun.observers.open_span import AgentFacts, Known
        from agentrun.observers.span import parent_in
        from agentrun.observers.spans import Spans

        def agent(name: str) -> AgentFacts:
            return AgentFacts() if self._agent is None else self._agent(name)

        known = Known(agent, lambda: self._session(), parent_in(self._environ))
        self._sinks.append((Spans(known, content=content), sink))


def _facts(project: Project, name: str, override: str | None, environ: Mapping[str, str]) -> AgentFacts:
    """What the files say of an agent and its models."""
    from agentrun.model_wiring import asked_models
    from agentrun.observers.open_span import AgentFacts
    from agentrun.observers.semconv import model_facts
    from agentrun.prices import service_url

    document = project.catalog.agents.get(name)
    if document is None:
        return AgentFacts()
    models = asked_models(document.spec.model, override)
    answer = document.spec.response_format
    return AgentFacts(
        document.spec.description,
        tuple(model_facts(one.name or one.api, one.api, service_url(one.api, one.base_url, environ)) for one in models),
        output_type="" if answer is None else "text" if answer.type == "text" else "json",
    )
