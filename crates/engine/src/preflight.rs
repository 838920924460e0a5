//! Asks an org what a pre-flight needs to know, all at once and with as few calls as it takes.
//!
//! Whatever an org does not tell is a fact too: why it does not. Nothing here fails.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::{OptionFuture, join, join_all};
use orgsmith_client::{Call, Client, Error, Listing, PageStyle, Replay, path_segment};
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::id::{ObjectRef, SourceId};
use orgsmith_core::permissions::{Held, Lacks};
use orgsmith_core::plan::Plan;
use orgsmith_core::preflight::{
    Charge, Demand, Facts, Question, Table, Told, Unread, capacities, holders, limits_of,
    open_periods, page_texts, texts,
};
use serde_json::{Value, json};

use crate::chain::chain;
use crate::org::Org;

/// How long one answer is waited for, tries included.
const PATIENCE: Duration = Duration::from_secs(60);

const DEFINITIONS: &str = "/api/v2/license/definitions";
const LICENSED: &str = "/api/v2/license/users";
const CONTRACTS: &str = "/api/v2/billing/contracts";
const PERIOD: &str = "/api/v2/billing/contracts/{contractId}/billingperiods/{billingPeriodId}";
const NAMESPACE: &str = "/api/v2/organizations/limits/namespaces/{namespaceName}";
const SUBJECT: &str = "/api/v2/authorization/subjects/me";
const PRODUCTS: &str = "/api/v2/authorization/products";
const UTILIZATION: &str = "/api/v2/routing/utilization";
const NUMBERS: &str = "/api/v2/telephony/providers/edges/didpools/dids";

/// The org that a plan comes from, and its ids.
pub type FromOrg<'a> = (&'a Org, &'a BTreeMap<ObjectRef, SourceId>);

/// Asks a target which licences it has, and which the roles of a plan need there: a call for each set of
/// roles, and one besides.
pub async fn licensing(target: &Org, demand: &Demand) -> Facts {
    let client = &target.client;
    let before = client.stats().sent;
    let questions = demand.questions();
    let seats = !questions.is_empty();
    let inferred = join_all(questions.into_iter().map(async |question| {
        let told = infer(client, &question).await;
        (question, told)
    }));
    let (licences, inferred) = join(when(seats, licences(client)), inferred).await;
    Facts {
        inferred: inferred.into_iter().collect(),
        licences,
        calls: client.stats().sent - before,
        ..Facts::default()
    }
}

/// Asks a target what a plan's demand depends on, but for what is known of its [`licensing`]; `source` is
/// where the plan comes from, if that is an org.
pub async fn preflight(
    target: &Org,
    source: Option<FromOrg<'_>>,
    catalogue: &Catalogue,
    plan: &Plan,
    demand: &Demand,
    known: &Facts,
) -> Facts {
    let sent = || {
        let of_source = source.map_or(0, |(source, _)| source.client.stats().sent);
        target.client.stats().sent + of_source
    };
    let before = sent();
    let client = &target.client;
    let questions = demand.questions();
    let seats = !questions.is_empty();
    let inferred = join_all(questions.into_iter().map(async |question| {
        let licences = match known.inferred.get(&question) {
            Some(told) => told.clone(),
            None => infer(client, &question).await,
        };
        match (&licences, source) {
            (Err(_), Some(source)) => match infer_at_source(source, demand, &question).await {
                Some(told) => (question, Ok(told), true),
                None => (question, licences, false),
            },
            _ => (question, licences, false),
        }
    }));
    let of_namespaces = join_all(
        demand
            .namespaces()
            .into_iter()
            .map(async |namespace| (namespace, limits(client, namespace).await)),
    );
    let of_seats = join(
        when(seats, async {
            match &known.licences {
                Some(told) => told.clone(),
                None => licences(client).await,
            }
        }),
        join(
            when(seats, charges(client)),
            when(seats && demand.has_known_users(), licensed(client)),
        ),
    );
    let of_token = join(
        lacks(client, catalogue, plan, demand),
        join(
            OptionFuture::from(source.map(|(source, _)| products(&source.client, client))),
            join(
                when(demand.has_numbers(), free_numbers(client)),
                when(demand.has_capacity(), capacity(client)),
            ),
        ),
    );
    let ((inferred, limits), (of_seats, of_token)) =
        join(join(inferred, of_namespaces), join(of_seats, of_token)).await;
    let (licences, (charges, holders)) = of_seats;
    let (lacks, (products, (free_numbers, capacity))) = of_token;
    let by_source = inferred.iter().filter(|(_, _, by_source)| *by_source);
    let by_source = by_source.map(|(question, ..)| question.clone()).collect();
    let inferred = inferred.into_iter();
    Facts {
        inferred: inferred
            .map(|(question, told, _)| (question, told))
            .collect(),
        by_source,
        licences,
        left_out: known.left_out.clone(),
        charges,
        holders,
        limits: limits.into_iter().collect(),
        lacks: Some(lacks),
        products,
        free_numbers,
        capacity,
        calls: known.calls + sent() - before,
    }
}

/// Looks before either org is read whether a whole org has more users with a licence than a target
/// pays for: a page of users at a time, and four calls besides.
///
/// Returns nothing where nothing is short for certain, or an org does not tell.
pub async fn glance(source: &Org, target: &Org) -> Option<Table> {
    let sent = || source.client.stats().sent + target.client.stats().sent;
    let before = sent();
    // An org that hides its contracts costs no more than that.
    let charges = charges(&target.client).await.ok()?;
    let call = Call::get("/api/v2/users")
        .query("state", "inactive")
        .query("pageSize", 1);
    let inactive = ask(&source.client, call, "/api/v2/users").await.ok()?;
    let inactive = inactive["total"].as_u64()?;
    let holders = licensed(&source.client).await.ok()?;
    let names = (source.name.as_str(), target.name.as_str());
    Table::at_a_glance(
        names.0,
        names.1,
        &holders,
        inactive,
        &charges,
        sent() - before,
    )
}

fn when<F: Future>(wanted: bool, asking: F) -> OptionFuture<F> {
    wanted.then_some(asking).into()
}

/// Makes a call; `template` is the contract's path.
pub(crate) async fn ask(client: &Client, call: Call, template: &str) -> Told<Value> {
    let method = call.method().to_string();
    match tokio::time::timeout(PATIENCE, client.send(call)).await {
        Ok(Ok(reply)) => Ok(reply.body),
        Ok(Err(error)) => Err(refused(&method, template, &error)),
        Err(_) => {
            let reason = format!("no answer within {} s", PATIENCE.as_secs());
            Err(Unread::new(&method, template, None, reason))
        }
    }
}

pub(crate) fn refused(method: &str, template: &str, error: &Error) -> Unread {
    let reason = match error.refusal() {
        Some(refusal) => refusal.to_string(),
        None => chain(error),
    };
    Unread::new(method, template, error.status(), reason)
}

/// Lists all pages; what fails on the way fails the whole.
pub(crate) async fn list(client: &Client, path: &str, listing: Listing) -> Told<Vec<Value>> {
    client.list(&listing).await.map_err(|error| {
        use orgsmith_client::ListFault;
        match &error.fault {
            ListFault::Call(fault) => refused("GET", path, fault),
            ListFault::Repeating | ListFault::NotAList | ListFault::Endless => {
                Unread::new("GET", path, None, chain(&error))
            }
        }
    })
}

async fn infer(client: &Client, question: &Question) -> Told<BTreeSet<String>> {
    let (path, body) = match question {
        Question::Roles(ids) => ("/api/v2/license/infer", json!(ids)),
        Question::Permissions(names) => ("/api/v2/license/infer/permissions", json!(names)),
    };
    // It asks and changes nothing.
    let call = Call::post(path).json(body).replay(Replay::Safe);
    let body = ask(client, call, path).await?;
    array("POST", path, &body)?;
    Ok(texts(&body))
}

/// Asks the source what its own roles need: not every org answers about permissions.
async fn infer_at_source(
    (source, ids): FromOrg<'_>,
    demand: &Demand,
    question: &Question,
) -> Option<BTreeSet<String>> {
    let roles: Option<BTreeSet<String>> = demand
        .roles_of(question)
        .map(|role| ids.get(role).map(|id| id.as_str().to_owned()))
        .collect();
    let roles = roles.filter(|roles| !roles.is_empty())?;
    infer(&source.client, &Question::Roles(roles)).await.ok()
}

fn array(method: &str, path: &str, body: &Value) -> Told<()> {
    if body.is_array() {
        return Ok(());
    }
    let reason = "the answer is no list".to_owned();
    Err(Unread::new(method, path, None, reason))
}

pub(crate) async fn licences(client: &Client) -> Told<BTreeSet<String>> {
    let body = ask(client, Call::get(DEFINITIONS), DEFINITIONS).await?;
    array("GET", DEFINITIONS, &body)?;
    Ok(page_texts(body.as_array().map_or(&[], Vec::as_slice)))
}

pub(crate) async fn charges(client: &Client) -> Told<Vec<Charge>> {
    let listing = Listing::new(CONTRACTS, PageStyle::cursor())
        .query("status", "Active")
        .page_size(100);
    let contracts = list(client, CONTRACTS, listing).await?;
    let periods = open_periods(&contracts);
    let read = join_all(periods.into_iter().map(async |(contract, period)| {
        let path = format!(
            "{CONTRACTS}/{}/billingperiods/{}",
            path_segment(&contract),
            path_segment(&period)
        );
        ask(client, Call::get(path), PERIOD).await
    }));
    let mut charges = Vec::new();
    for period in read.await {
        charges.extend(Charge::read(&period?));
    }
    Ok(charges)
}

pub(crate) async fn licensed(
    client: &Client,
) -> Told<std::collections::BTreeMap<String, BTreeSet<String>>> {
    let listing = Listing::new(LICENSED, PageStyle::Offset).page_size(100);
    Ok(holders(&list(client, LICENSED, listing).await?))
}

async fn limits(client: &Client, namespace: &str) -> Told<BTreeMap<String, u64>> {
    let path = NAMESPACE.replace("{namespaceName}", &path_segment(namespace));
    match ask(client, Call::get(path), NAMESPACE).await {
        Ok(body) => Ok(limits_of(&body)),
        // A namespace that the org does not have has no limits.
        Err(unread) if unread.status == Some(404) => Ok(BTreeMap::new()),
        Err(unread) => Err(unread),
    }
}

async fn lacks(
    client: &Client,
    catalogue: &Catalogue,
    plan: &Plan,
    demand: &Demand,
) -> Told<Lacks> {
    let subject = ask(client, Call::get(SUBJECT), SUBJECT).await?;
    let held = Held::read(&subject);
    let mut lacks = held.lacks(catalogue, plan);
    lacks.not_to_give = held.not_to_give(demand.given());
    Ok(lacks)
}

async fn products(source: &Client, target: &Client) -> Told<[BTreeSet<String>; 2]> {
    let of = async |client: &Client| {
        let body = ask(client, Call::get(PRODUCTS), PRODUCTS).await?;
        let entities = body["entities"].as_array();
        Ok::<_, Unread>(page_texts(entities.map_or(&[], Vec::as_slice)))
    };
    let (source, target) = join(of(source), of(target)).await;
    Ok([source?, target?])
}

async fn capacity(client: &Client) -> Told<BTreeMap<String, u64>> {
    Ok(capacities(
        &ask(client, Call::get(UTILIZATION), UTILIZATION).await?,
    ))
}

async fn free_numbers(client: &Client) -> Told<u64> {
    let call = Call::get(NUMBERS)
        .query("type", "UNASSIGNED")
        .query("pageSize", 1);
    let body = ask(client, call, NUMBERS).await?;
    body["total"].as_u64().ok_or_else(|| {
        let reason = "the answer does not say how many there are".to_owned();
        Unread::new("GET", NUMBERS, None, reason)
    })
}
