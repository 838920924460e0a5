//! What happens in a job, as it happens: server-sent events.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use futures::stream;
use orgsmith_store::desk::Told;
use tokio::sync::OnceCell;

use crate::auth::Caller;
use crate::problem::Problem;
use crate::service::Service;

/// How often it is looked whether something was told.
const LOOK: Duration = Duration::from_millis(500);
/// How long what was read for one listener is good for others who stand where it stood.
const GOOD: Duration = Duration::from_millis(250);
/// How many events are read at once.
const PAGE: u32 = 500;

/// What there is to tell those who listen to a job, read once for all of them: hundreds may.
#[derive(Default)]
pub(crate) struct Tails(Mutex<BTreeMap<Place, Arc<Tail>>>);

/// A job, and up to which event somebody knows what was told.
type Place = (String, u64);

struct Tail {
    asked: Instant,
    news: OnceCell<Arc<News>>,
}

/// What comes behind a place.
struct News {
    told: Vec<Told>,
    /// The job as it is, where it got further and nothing more is to be read first.
    job: Option<String>,
    ended: bool,
}

impl Tails {
    async fn read(&self, service: &Service, place: Place) -> Option<Arc<News>> {
        let tail = {
            let mut tails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            tails.retain(|_, tail| tail.asked.elapsed() < GOOD);
            let new = || {
                Arc::new(Tail {
                    asked: Instant::now(),
                    news: OnceCell::new(),
                })
            };
            tails.entry(place.clone()).or_insert_with(new).clone()
        };
        let read = || async { News::read(service, &place).await.map(Arc::new).ok_or(()) };
        tail.news.get_or_try_init(read).await.ok().cloned()
    }
}

impl News {
    async fn read(service: &Service, (job, seq): &Place) -> Option<Self> {
        // The job first: whatever it told before it ended is read after.
        let job = service.desk().job(job).await.ok()??;
        let told = service.desk().told(&job.id, *seq, PAGE).await.ok()?;
        let more = told.len() == PAGE as usize;
        let ended = job.state.is_ended() && !more;
        let news = !told.is_empty() && !more;
        let job = match news || ended {
            true => Some(serde_json::to_string(&service.view_job(job).await.ok()?).ok()?),
            false => None,
        };
        Some(Self { told, job, ended })
    }
}

/// Where a listener stands.
struct Listener {
    service: Service,
    job: String,
    seq: u64,
    waiting: VecDeque<Event>,
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
        waiting: VecDeque::new(),
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
            let place = (self.job.clone(), self.seq);
            let news = self.service.tails().read(&self.service, place).await?;
            for told in &news.told {
                self.seq = told.seq;
                let event = Event::default().event("told").id(told.seq.to_string());
                self.waiting.push_back(event.data(&told.event));
            }
            if let Some(job) = &news.job {
                self.waiting
                    .push_back(Event::default().event("job").data(job));
            }
            self.ended = news.ended;
        }
    }
}
