//! Asks an org what a verification needs to know. Whatever it does not tell is a fact too.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::{OptionFuture, join, join_all};
use futures::stream::{self, StreamExt};
use orgsmith_client::{Call, Client, Listing, PageStyle, Replay, path_segment};
use orgsmith_core::examples::Example;
use orgsmith_core::id::ObjectRef;
use orgsmith_core::numbers::digits;
use orgsmith_core::preflight::{Told, Unread};
use orgsmith_core::verify::{Facts, FlowAt, Licences, Owner, Subjects, Tested, Validated};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::jobs::{self, JobError};
use crate::org::Org;
use crate::preflight::{ask, charges, licences, licensed, list, refused};

/// Flows in one job; the API documents no limit.
const BATCH: usize = 50;
/// Jobs, or actions, under way at once.
const AT_ONCE: usize = 4;

/// Between two looks at who has a number.
const PAUSE: Duration = Duration::from_secs(2);

const VALIDATE: &str = "/api/v2/flows/validate/jobs";
const DIDS: &str = "/api/v2/telephony/providers/edges/dids";
const TEST: &str = "/api/v2/integrations/actions/{actionId}/test";

/// What an org is asked about besides its flows and its numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asks<'a> {
    /// The examples whose actions are called. What that does in other systems is done.
    pub examples: &'a [Example],
    /// Licences.
    pub licences: bool,
    /// How long it is waited for that numbers which were just given to a call route are seen there.
    pub patience: Duration,
}

/// Asks an org about subjects; what has no subject costs no call.
pub async fn verify(org: &Org, subjects: &Subjects, asks: Asks<'_>) -> Facts {
    let client = &org.client;
    let before = client.stats().sent;
    let numbers = subjects
        .routes
        .values()
        .any(|route| !route.numbers.is_empty());
    let of_org: OptionFuture<_> = asks
        .licences
        .then_some(async {
            let (defined, (holders, charges)) =
                join(licences(client), join(licensed(client), charges(client))).await;
            Licences {
                defined,
                holders,
                charges,
            }
        })
        .into();
    let of_numbers: OptionFuture<_> = numbers
        .then_some(settled_owners(client, subjects, asks.patience))
        .into();
    let ((flows, numbers), (licences, tested)) = join(
        join(flows(org, subjects), of_numbers),
        join(of_org, tested(client, subjects, asks.examples)),
    )
    .await;
    Facts {
        flows,
        numbers,
        tested,
        licences,
        calls: client.stats().sent - before,
    }
}

/// Has Architect check the published flows: many in one job, and where that fails in halves, until it
/// is known which flow it is.
async fn flows(org: &Org, subjects: &Subjects) -> BTreeMap<ObjectRef, Told<Validated>> {
    let published = subjects.flows.iter().filter_map(|(object, at)| match at {
        FlowAt::Published { id } => Some((object, id.as_str())),
        FlowAt::Unpublished | FlowAt::Missing | FlowAt::Unread => None,
    });
    let published: Vec<(&ObjectRef, &str)> = published.collect();
    let mut open: Vec<Vec<(&ObjectRef, &str)>> =
        published.chunks(BATCH).map(<[_]>::to_vec).collect();
    let mut found = BTreeMap::new();
    while !open.is_empty() {
        let asked: Vec<_> = stream::iter(std::mem::take(&mut open))
            .map(async |batch| {
                let ids: Vec<&str> = batch.iter().map(|(_, id)| *id).collect();
                let said = validate(org, &ids).await;
                (batch, said)
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        for (batch, said) in asked {
            if matches!(said, Ok(Err(_))) && batch.len() > 1 {
                let (first, second) = batch.split_at(batch.len() / 2);
                open.extend([first.to_vec(), second.to_vec()]);
                continue;
            }
            found.extend(
                batch
                    .into_iter()
                    .map(|(object, _)| (object.clone(), said.clone())),
            );
        }
    }
    found
}

async fn validate(org: &Org, ids: &[&str]) -> Told<Validated> {
    let flows: Vec<Value> = ids
        .iter()
        .map(|id| json!({ "flow": { "id": id } }))
        .collect();
    // The job changes nothing, so it may be registered twice.
    let call = Call::post(VALIDATE)
        .json(json!({ "flows": flows }))
        .replay(Replay::Safe);
    let job = ask(&org.client, call, VALIDATE).await?;
    let ended = async {
        let id = jobs::text(&job, "id")?;
        let path = format!("{VALIDATE}/{}?expand=messages", path_segment(&id));
        jobs::poll(org, &path, &id).await
    };
    let template = "/api/v2/flows/validate/jobs/{jobId}";
    match ended.await {
        Ok(_) => Ok(Ok(())),
        Err(JobError::Failed(told)) => Ok(Err(told)),
        Err(JobError::Call(error)) => Err(refused("GET", template, &error)),
        Err(error) => Err(Unread::new("GET", template, None, error.to_string())),
    }
}

/// Reads who has which number, again and again until every call route has its own or time is up.
async fn settled_owners(
    client: &Client,
    subjects: &Subjects,
    patience: Duration,
) -> Told<BTreeMap<u64, Owner>> {
    let started = Instant::now();
    loop {
        let told = owners(client).await;
        let mut routes = subjects.routes.values();
        let settled = match &told {
            Ok(owners) => routes.all(|route| route.has_its_numbers(owners)),
            Err(_) => true,
        };
        if settled || started.elapsed() >= patience {
            return told;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Reads who has which number, by what telephony says.
async fn owners(client: &Client) -> Told<BTreeMap<u64, Owner>> {
    let listing = Listing::new(DIDS, PageStyle::Offset).page_size(100);
    let rows = list(client, DIDS, listing).await?;
    let owners = rows.iter().filter_map(|row| {
        let number = row["phoneNumber"].as_str().and_then(digits)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let owner = Owner {
            sort: text(&row["ownerType"]),
            id: text(&row["owner"]["id"]),
            name: text(&row["owner"]["name"]),
        };
        Some((number, owner))
    });
    Ok(owners.collect())
}

/// Calls the data actions of examples, each once.
async fn tested(
    client: &Client,
    subjects: &Subjects,
    examples: &[Example],
) -> BTreeMap<ObjectRef, Told<Tested>> {
    let called = examples.iter().filter_map(|example| {
        let id = subjects.actions.get(&example.action)?;
        Some((example, id.as_str()))
    });
    let called: Vec<(&Example, &str)> = called.collect();
    let mut found = BTreeMap::new();
    for batch in called.chunks(AT_ONCE) {
        let told = join_all(batch.iter().map(async |(example, id)| {
            let told = test(client, id, example).await;
            (example.name.clone(), told)
        }));
        found.extend(told.await);
    }
    found
}

async fn test(client: &Client, id: &str, example: &Example) -> Told<Tested> {
    let path = TEST.replace("{actionId}", &path_segment(id));
    // It may do something elsewhere: where no answer comes, it is not called again.
    let call = Call::post(path)
        .json(Value::Object(example.input.clone()))
        .replay(Replay::Never);
    let body = ask(client, call, TEST).await?;
    let message = |error: &Value| {
        let told = error["message"].as_str();
        told.filter(|told| !told.is_empty()).map(str::to_owned)
    };
    let steps = body["operations"].as_array().into_iter().flatten();
    let failed = steps
        .filter(|step| step["success"] == Value::Bool(false))
        .find_map(|step| {
            let name = step["name"].as_str().unwrap_or("a step");
            Some(format!("{name}: {}", message(&step["error"])?))
        });
    let error = (body["success"] != Value::Bool(true)).then(|| {
        let whole = message(&body["error"]);
        whole
            .or(failed)
            .unwrap_or_else(|| "no reason given".to_owned())
    });
    Ok(Tested {
        result: body
            .get("finalResult")
            .filter(|result| !result.is_null())
            .cloned(),
        error,
    })
}
