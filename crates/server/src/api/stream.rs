//! What happens in a job, as it happens: server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use futures::stream;

use crate::auth::Caller;
use crate::problem::Problem;
use crate::service::Service;

/// How often it is looked whether something was told.
const LOOK: Duration = Duration::from_millis(500);
/// How many events are read at once.
const PAGE: u32 = 500;

/// Where a listener stands.
struct Listener {
    service: Service,
    job: String,
    seq: u64,
    waiting: std::collections::VecDeque<Event>,
    ended: bool,
}

/// Streams what happens in a job: `told` with what the engine tells, `job` with the job itself whenever it
/// got further, and ends after the `job` that has ended. A client that comes back says where it was by
/// `Last-Event-ID`.
#[utoipa::path(get, path = "/api/v2/jobs/{job}/events", tag = "jobs", params(("job", description = "The job")),
    responses((status = 200, content_type = "text/event-stream"), (status = "4XX", body = Problem)))]
pub(crate) async fn events(
    State(service): State<Service>,
    caller: Caller,
    Path(job): Path<String>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let job = service.find_job(&caller, &job).await?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let listener = Listener {
        service,
        job: job.id,
        seq: last.and_then(|last| last.parse().ok()).unwrap_or_default(),
        waiting: std::collections::VecDeque::new(),
        ended: false,
    };
    let stream = stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok(event), listener))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()))
}

impl Listener {
    async fn next(&mut self) -> Option<Event> {
        let mut first = true;
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            if !std::mem::take(&mut first) {
                // Whoever listens comes back, and is told the rest.
                tokio::select! {
                    () = tokio::time::sleep(LOOK) => {}
                    () = self.service.closing().asked() => return None,
                }
            }
            // The job first: whatever it told before it ended is read after.
            let job = self.service.desk().job(&self.job).await.ok()??;
            let told = self
                .service
                .desk()
                .told(&self.job, self.seq, PAGE)
                .await
                .ok()?;
            let more = told.len() == PAGE as usize;
            let news = !told.is_empty();
            for told in told {
                self.seq = told.seq;
                let event = Event::default().event("told").id(told.seq.to_string());
                self.waiting.push_back(event.data(told.event));
            }
            let ended = job.state.is_ended() && !more;
            if (news && !more) || ended {
                let view = self.service.view_job(job).await.ok()?;
                let data = serde_json::to_string(&view).ok()?;
                self.waiting
                    .push_back(Event::default().event("job").data(data));
            }
            self.ended = ended;
        }
    }
}
