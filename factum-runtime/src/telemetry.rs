//! Spans that leave the process: OTLP out, W3C trace context in and through every event.
//!
//! An event carries the span that made it; the span that handles it has that one as its parent. So a trace goes from
//! the request through every consumer, over stores and brokers. Without the feature `otlp` nothing is exported and
//! an event keeps the trace of what caused it. Payloads never appear in spans.

use factum_core::TraceParent;
use tracing::Span;

/// Keeps the export going; dropping it sends what is left.
#[must_use = "spans are sent until this is dropped"]
pub struct Telemetry {
    #[cfg(feature = "otlp")]
    provider: Option<opentelemetry_sdk::trace::SdkTracerProvider>,
}

/// Telemetry that could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("telemetry cannot be started: {0}")]
pub struct TelemetryError(String);

/// Writes logs to standard error, filtered by `RUST_LOG` (default `default_filter`), and, with the feature `otlp`,
/// exports spans by OTLP over HTTP when `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is set
/// (OpenTelemetry environment variable specification).
///
/// # Errors
/// When the program has a subscriber already, or the endpoint cannot be used.
pub fn init(service: &'static str, default_filter: &str) -> Result<Telemetry, TelemetryError> {
    use tracing_subscriber::prelude::*;

    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default_filter));
    let colours =
        std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    let logs =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours).with_filter(filter);
    let registry = tracing_subscriber::registry().with(logs);
    #[cfg(feature = "otlp")]
    {
        let provider = otlp::provider(service)?;
        let layer = provider.as_ref().map(otlp::layer);
        registry.with(layer).try_init().map_err(|error| TelemetryError(error.to_string()))?;
        Ok(Telemetry { provider })
    }
    #[cfg(not(feature = "otlp"))]
    {
        let _ = service;
        registry.try_init().map_err(|error| TelemetryError(error.to_string()))?;
        Ok(Telemetry {})
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        #[cfg(feature = "otlp")]
        if let Some(provider) = self.provider.take() {
            // Nobody is left to tell when the collector is gone too.
            let _ = provider.shutdown();
        }
    }
}

/// Makes a span the child of the one that an event carries.
pub(crate) fn follow(span: &Span, trace: Option<&TraceParent>) {
    #[cfg(feature = "otlp")]
    if let Some(trace) = trace {
        otlp::follow(span, trace);
    }
    #[cfg(not(feature = "otlp"))]
    let _ = (span, trace);
}

/// The trace context of a span, for events that it makes.
#[must_use]
pub fn trace_of(span: &Span) -> Option<TraceParent> {
    #[cfg(feature = "otlp")]
    return otlp::trace_of(span);
    #[cfg(not(feature = "otlp"))]
    {
        let _ = span;
        None
    }
}

#[cfg(feature = "otlp")]
mod otlp {
    use factum_core::TraceParent;
    use opentelemetry::trace::{
        SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider,
    };
    use opentelemetry_otlp::WithHttpConfig;
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing::Span;
    use tracing_opentelemetry::OpenTelemetrySpanExt;
    use tracing_subscriber::Layer;
    use tracing_subscriber::registry::LookupSpan;

    use super::TelemetryError;

    const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

    pub(super) fn provider(service: &'static str) -> Result<Option<SdkTracerProvider>, TelemetryError> {
        if ENDPOINTS.iter().all(|name| std::env::var_os(name).is_none_or(|value| value.is_empty())) {
            return Ok(None);
        }
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_headers(std::collections::HashMap::new())
            .build()
            .map_err(|error| TelemetryError(error.to_string()))?;
        let mut resource = Resource::builder();
        if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name(service);
        }
        let builder = SdkTracerProvider::builder().with_batch_exporter(exporter);
        Ok(Some(builder.with_resource(resource.build()).build()))
    }

    pub(super) fn layer<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
    where
        S: tracing::Subscriber + for<'s> LookupSpan<'s> + Send + Sync,
    {
        tracing_opentelemetry::layer().with_tracer(provider.tracer("factum"))
    }

    pub(super) fn follow(span: &Span, trace: &TraceParent) {
        let text = trace.as_str();
        let (Ok(trace_id), Ok(span_id), Ok(flags)) = (
            TraceId::from_hex(&text[3..35]),
            SpanId::from_hex(&text[36..52]),
            u8::from_str_radix(&text[53..55], 16),
        ) else {
            return;
        };
        let context =
            SpanContext::new(trace_id, span_id, TraceFlags::new(flags), true, TraceState::default());
        // A span that nobody records has no parent to set.
        let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(context));
    }

    pub(super) fn trace_of(span: &Span) -> Option<TraceParent> {
        let context = span.context();
        let span = context.span();
        let context = span.span_context();
        if !context.is_valid() {
            return None;
        }
        let flags = context.trace_flags().to_u8();
        format!("00-{}-{}-{flags:02x}", context.trace_id(), context.span_id()).parse().ok()
    }
}
