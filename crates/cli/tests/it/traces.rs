//! Traces, as a collector of OpenTelemetry gets them.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::json;

use crate::lab::Lab;
use crate::serve::Serving;

/// Takes what is sent, as bytes.
struct Collector {
    url: String,
    got: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let got = Arc::new(Mutex::new(Vec::new()));
        let takes = got.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a caller");
                let request = crate::http::read(&stream);
                assert!(
                    request.line.starts_with("POST /v1/traces "),
                    "{}",
                    request.line
                );
                assert_eq!(request.headers["content-type"], "application/x-protobuf");
                takes.lock().expect("not poisoned").push(request.body);
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
                );
            }
        });
        Self { url, got }
    }

    /// Returns the spans that came, by their ids, and what was said of who sent them.
    fn spans(&self) -> (BTreeMap<Vec<u8>, Span>, BTreeMap<String, String>) {
        let mut spans = BTreeMap::new();
        let mut us = BTreeMap::new();
        for body in self.got.lock().expect("not poisoned").iter() {
            let request = ExportTraceServiceRequest::decode(&body[..]).expect("as it must be");
            for of_us in request.resource_spans {
                us.extend(texts(&of_us.resource.expect("a resource").attributes));
                let found = of_us.scope_spans.into_iter().flat_map(|scope| scope.spans);
                spans.extend(found.map(|span| (span.span_id.clone(), span)));
            }
        }
        (spans, us)
    }
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| {
        let value = attribute.value.as_ref()?.value.as_ref()?;
        let text = match value {
            Any::StringValue(text) => text.clone(),
            Any::IntValue(number) => number.to_string(),
            Any::BoolValue(is) => is.to_string(),
            other => panic!("{}: {other:?}", attribute.key),
        };
        Some((attribute.key.clone(), text))
    };
    attributes.iter().filter_map(text).collect()
}

#[test]
fn the_spans_of_a_job_arrive_one_in_another() {
    let lab = Lab::new();
    lab.write("image/routing_skill/Billing.yaml", "name: Billing\n");
    lab.run(&["apply", "image", "--to", "gold", "--yes"])
        .ends(0);
    let collector = Collector::start();
    let mut command = lab.command(&["serve", "--listen", "127.0.0.1:0", "-o", "json"]);
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url)
        .env(
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=lab",
        );
    let service = Serving::of(command);
    let task = json!({"kind": "clone", "source": "gold", "org": "tenant",
                      "selected": {"select": ["routing_skill"]}});
    let job = service.end(&service.ask(service.post("/api/v2/jobs", &json!({"task": task}))));
    assert_eq!(job["state"], "Completed", "{job:#}");
    // What is not sent yet is sent at the end.
    service.stop();

    let (spans, us) = collector.spans();
    assert_eq!(us["service.name"], "orgsmith");
    assert_eq!(us["deployment.environment.name"], "lab");
    let parents = |span: &Span| {
        let mut names = Vec::new();
        let mut at = span.parent_span_id.clone();
        while !at.is_empty() {
            let parent = spans.get(&at).expect("the parent has arrived, too");
            assert_eq!(parent.trace_id, span.trace_id);
            names.push(parent.name.clone());
            at.clone_from(&parent.parent_span_id);
        }
        names
    };
    let find = |name: &str, org: &str| {
        let mut found = spans.values().filter(|span| {
            span.name == name && texts(&span.attributes).get("org").map(String::as_str) == Some(org)
        });
        found.next().unwrap_or_else(|| panic!("no {name} of {org}"))
    };
    let of_job = texts(&find("job", "tenant").attributes);
    assert_eq!(of_job["job"], job["id"].as_str().expect("an id"));
    assert_eq!(
        (of_job["kind"].as_str(), of_job["exit"].as_str()),
        ("clone", "0")
    );
    assert!(parents(find("job", "tenant")).is_empty());
    let run = find("run", "tenant");
    assert_eq!(parents(run), ["job"]);
    assert_eq!(texts(&run.attributes)["status"], "done");
    let step = find("step", "tenant");
    assert_eq!(parents(step), ["run", "job"]);
    let of_step = texts(&step.attributes);
    assert_eq!(of_step["kind"], "routing_skill");
    assert_eq!(of_step["outcome"], "done");

    let created = find("POST /api/v2/routing/skills", "tenant");
    assert_eq!(parents(created), ["step", "run", "job"]);
    let call = texts(&created.attributes);
    for (name, value) in [("method", "POST"), ("status", "200"), ("attempts", "1")] {
        assert_eq!(call[name], value, "{name} of {call:?}");
    }
    assert_eq!(created.kind, 3, "a client's");
    // Reading the source belongs to the job as well.
    let read = find("GET /api/v2/routing/skills", "gold");
    assert_eq!(parents(read), ["job"]);

    let sent = collector.got.lock().expect("not poisoned").concat();
    for secret in ["gold-secret", "tenant-secret", "Bearer"] {
        let is_there = sent
            .windows(secret.len())
            .any(|part| part == secret.as_bytes());
        assert!(!is_there, "{secret} shows");
    }
}

#[test]
fn a_collector_that_is_not_there_harms_nothing() {
    let lab = Lab::new();
    lab.write("image/routing_skill/Billing.yaml", "name: Billing\n");
    let closed = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let place = format!("http://{}", closed.local_addr().expect("an address"));
    drop(closed);
    let mut command = lab.command(&["apply", "image", "--to", "gold", "--yes"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", place);
    lab.finish(command).ends(0);
    assert_eq!(lab.writes("gold"), 1);

    let mut command = lab.command(&["runs"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "no place");
    let shown = lab.finish(command).ends(64);
    assert!(
        shown.stderr.contains("OTEL_EXPORTER_OTLP_ENDPOINT"),
        "{shown}"
    );
}
