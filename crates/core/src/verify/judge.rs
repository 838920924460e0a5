//! The checks: facts in, rows out.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, Facts, FlowAt, Licences, Owner, RouteAt, Row, Subjects, Verdict};
use crate::endpoints::{Answers, PLACEHOLDER, Place};
use crate::examples::{Example, lacks};
use crate::id::ObjectRef;
use crate::numbers::digits;
use crate::plan::{Plan, Severity};
use crate::preflight::{Told, Unread};

/// The most names that one row tells.
const NAMED: usize = 5;

/// Says why something is not known.
fn untold(unread: &Unread) -> String {
    let Unread {
        call,
        status: _,
        reason,
        permissions,
    } = unread;
    let asks = match &permissions[..] {
        [] => String::new(),
        names => format!(" (it asks for {})", names.join(" or ")),
    };
    format!("{call}: {reason}{asks}")
}

/// Judges whether an org is as it is wanted, by a plan that was made anew.
pub fn plan(plan: &Plan) -> Vec<Row> {
    let wanted = &plan.source.org.org_name;
    let row = |object: &dyn ToString, verdict, reason: String| {
        Row::new(Check::Plan, object.to_string(), verdict, reason)
    };
    let mut rows = Vec::new();
    let objects: BTreeSet<&ObjectRef> = plan.steps.iter().map(|step| &step.object).collect();
    rows.push(match objects.len() {
        0 => row(
            wanted,
            Verdict::Ok,
            "a plan made now has nothing to write".to_owned(),
        ),
        count => {
            let named: Vec<String> = objects
                .iter()
                .take(NAMED)
                .map(ToString::to_string)
                .collect();
            let more = count.saturating_sub(NAMED);
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            let reason = format!(
                "a plan made now would still write to {}{more}",
                named.join(", ")
            );
            row(wanted, Verdict::Fail, reason)
        }
    });
    for conflict in &plan.conflicts {
        let reason = format!("it is left alone: {}", conflict.reason);
        rows.push(row(&conflict.object, Verdict::Fail, reason));
    }
    for found in plan
        .findings
        .iter()
        .filter(|found| found.rule == PLACEHOLDER)
    {
        let object = found
            .object
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        rows.push(row(
            &object,
            Verdict::Warn,
            format!("pending: {}", found.message),
        ));
    }
    let errors = plan
        .findings
        .iter()
        .filter(|found| found.severity == Severity::Error);
    for found in errors {
        let object = found
            .object
            .as_ref()
            .map_or(wanted.clone(), ToString::to_string);
        rows.push(row(&object, Verdict::Fail, found.message.clone()));
    }
    rows
}

/// Says what is known where nobody says what the org is to be: how the last run ended.
pub fn past(run: Option<(&str, &str)>) -> Row {
    match run {
        Some((id, "done")) => Row::new(
            Check::Plan,
            format!("run {id}"),
            Verdict::Ok,
            "the last run did all of its steps; with --bundle the org is held against what it is to be",
        ),
        Some((id, status)) => Row::new(
            Check::Plan,
            format!("run {id}"),
            Verdict::Fail,
            format!("the last run is {status}; `orgsmith resume {id}` goes on"),
        ),
        None => Row::new(
            Check::Plan,
            "the org",
            Verdict::Unknown,
            "no run of it is remembered; with --bundle it is held against what it is to be",
        ),
    }
}

/// Judges flows by what Architect says of them.
pub fn flows(subjects: &Subjects, facts: &Facts) -> Vec<Row> {
    let judged = subjects.flows.iter().map(|(object, at)| {
        let row = |verdict, reason: String| Row::new(Check::Flow, object, verdict, reason);
        match (at, facts.flows.get(object)) {
            (FlowAt::Missing, _) => row(Verdict::Fail, "the org does not have it".to_owned()),
            (FlowAt::Unpublished, _) => row(
                Verdict::Warn,
                "nobody has published it: no call reaches it".to_owned(),
            ),
            (FlowAt::Unread, _) => row(Verdict::Unknown, "it could not be read".to_owned()),
            (FlowAt::Published { .. }, None) => {
                row(Verdict::Unknown, "Architect was not asked".to_owned())
            }
            (FlowAt::Published { .. }, Some(Err(unread))) => row(Verdict::Unknown, untold(unread)),
            (FlowAt::Published { .. }, Some(Ok(Ok(())))) => row(
                Verdict::Ok,
                "Architect finds nothing wrong with it".to_owned(),
            ),
            (FlowAt::Published { .. }, Some(Ok(Err(told)))) => {
                row(Verdict::Fail, format!("Architect says: {told}"))
            }
        }
    });
    judged.collect()
}

/// Judges whether the numbers of call routes lead to flows.
pub fn routes(subjects: &Subjects, facts: &Facts) -> Vec<Row> {
    let judged = subjects.routes.iter().map(|(object, route)| {
        let (verdict, reason) = of_route(route, facts.numbers.as_ref());
        Row::new(Check::Route, object, verdict, reason)
    });
    judged.collect()
}

fn of_route(route: &RouteAt, owners: Option<&Told<BTreeMap<u64, Owner>>>) -> (Verdict, String) {
    for (hours, (name, at)) in &route.flows {
        let wrong = match at {
            FlowAt::Published { .. } => continue,
            FlowAt::Unpublished => "which nobody has published",
            FlowAt::Missing => "which the org does not have",
            FlowAt::Unread => {
                let told = format!("the flow {name} of its {hours} could not be read");
                return (Verdict::Unknown, told);
            }
        };
        return (
            Verdict::Fail,
            format!("its {hours} lead to {name}, {wrong}"),
        );
    }
    let Some((flow, _)) = route.flows.get("open hours") else {
        return match route.numbers.is_empty() {
            true => (
                Verdict::Warn,
                "it has neither a number nor a flow".to_owned(),
            ),
            false => (
                Verdict::Fail,
                format!("{} leads to no flow", some(&route.numbers)),
            ),
        };
    };
    if route.numbers.is_empty() {
        return (
            Verdict::Warn,
            "it has no number: nobody reaches it".to_owned(),
        );
    }
    let owners = match owners {
        Some(Ok(owners)) => owners,
        Some(Err(unread)) => return (Verdict::Unknown, untold(unread)),
        None => {
            return (
                Verdict::Unknown,
                "the numbers were not asked for".to_owned(),
            );
        }
    };
    for number in &route.numbers {
        let owner = digits(number).and_then(|number| owners.get(&number));
        match owner {
            Some(owner) if owner.id == route.id => {}
            Some(owner) => {
                let told = format!("{number} belongs to {} ({})", owner.name, owner.sort);
                return (Verdict::Fail, told);
            }
            None => {
                let told = format!("{number} is given to nobody, by what telephony says");
                return (Verdict::Fail, told);
            }
        }
    }
    (
        Verdict::Ok,
        format!("{} leads to {flow}", some(&route.numbers)),
    )
}

fn some(numbers: &[String]) -> String {
    match numbers {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [one, more @ ..] => format!("{one} and {} more", more.len()),
    }
}

/// Judges the URLs of other systems.
pub fn urls(places: &[Place], answers: &Answers) -> Vec<Row> {
    let judged = places.iter().map(|place| {
        let object = &place.object;
        let Some(target) = &place.target else {
            let reason = "the host of its URL is only known when it is called";
            return Row::new(Check::Url, object, Verdict::Unknown, reason);
        };
        let Some(answer) = answers.get(target.url()) else {
            return Row::new(
                Check::Url,
                object,
                Verdict::Unknown,
                format!("{target} was not asked"),
            );
        };
        // What a flow says may be a link in a text.
        let down = match place.pointer {
            Some(_) => Verdict::Fail,
            None => Verdict::Warn,
        };
        let verdict = match answer {
            answer if answer.is_down() => down,
            // Of a path that is filled in later only the host was asked.
            answer if answer.is_doubtful() && target.is_whole() => Verdict::Warn,
            _ => Verdict::Ok,
        };
        Row::new(Check::Url, object, verdict, format!("{target} {answer}"))
    });
    let mut rows: Vec<Row> = judged.collect();
    rows.dedup();
    rows
}

/// Judges data actions by their examples.
pub fn actions(subjects: &Subjects, facts: &Facts, examples: &[Example]) -> Vec<Row> {
    let mut rows: Vec<Row> = examples
        .iter()
        .map(|example| {
            let (verdict, reason) = of_example(subjects, facts, example);
            let reason = format!("{} ({})", reason, example.name.key);
            Row::new(Check::Action, &example.action, verdict, reason)
        })
        .collect();
    let tried: BTreeSet<&ObjectRef> = examples.iter().map(|example| &example.action).collect();
    let untried = subjects
        .actions
        .keys()
        .filter(|action| !tried.contains(action));
    match untried.count() {
        0 => {}
        count => rows.push(Row::new(
            Check::Action,
            format!("{count} other{}", if count == 1 { "" } else { "s" }),
            Verdict::Unknown,
            "no example says how to call them, so nobody did",
        )),
    }
    rows
}

fn of_example(subjects: &Subjects, facts: &Facts, example: &Example) -> (Verdict, String) {
    if !subjects.actions.contains_key(&example.action) {
        return (Verdict::Fail, "the org does not have it".to_owned());
    }
    let tested = match facts.tested.get(&example.name) {
        None => return (Verdict::Unknown, "it was not called".to_owned()),
        Some(Err(unread)) => return (Verdict::Unknown, untold(unread)),
        Some(Ok(tested)) => tested,
    };
    if let Some(error) = &tested.error {
        return (Verdict::Fail, format!("it failed: {error}"));
    }
    let expected = example.expect.as_ref();
    match expected.and_then(|expected| lacks(expected, tested.result.as_ref())) {
        Some(told) => (Verdict::Fail, format!("its result is another: {told}")),
        None if example.expect.is_some() => (Verdict::Ok, "its result is as expected".to_owned()),
        None => (Verdict::Ok, "it can be called".to_owned()),
    }
}

/// Judges whether users hold what the org has and pays for.
pub fn licences(facts: &Facts) -> Vec<Row> {
    let Some(Licences {
        defined,
        holders,
        charges,
    }) = &facts.licences
    else {
        return Vec::new();
    };
    let row =
        |object: &str, verdict, reason: String| Row::new(Check::Licence, object, verdict, reason);
    let holders = match holders {
        Ok(holders) => holders,
        Err(unread) => return vec![row("users", Verdict::Unknown, untold(unread))],
    };
    let mut held: BTreeMap<&str, u64> = BTreeMap::new();
    for licence in holders.values().flatten() {
        *held.entry(licence).or_default() += 1;
    }
    let judged = held.into_iter().map(|(licence, users)| {
        let s = if users == 1 { " holds" } else { "s hold" };
        let told = format!("{users} user{s} it");
        match defined {
            Ok(defined) if !defined.contains(licence) => {
                let told = format!("{told}, and the org does not have it");
                return row(licence, Verdict::Fail, told);
            }
            Ok(_) => {}
            Err(unread) => return row(licence, Verdict::Unknown, untold(unread)),
        }
        let charges = match charges {
            Ok(charges) => charges,
            Err(unread) => {
                return row(
                    licence,
                    Verdict::Unknown,
                    format!("{told}; {}", untold(unread)),
                );
            }
        };
        let own: Vec<_> = charges
            .iter()
            .filter(|charge| charge.is_for(licence))
            .collect();
        if own.is_empty() {
            let told = format!("{told}; no open contract counts it");
            return row(licence, Verdict::Unknown, told);
        }
        let used: f64 = own.iter().map(|charge| charge.used).sum();
        let paid: f64 = own.iter().map(|charge| charge.prepaid).sum();
        let (verdict, what) = match used > paid {
            true => (Verdict::Fail, "more are in use than are paid for"),
            false => (Verdict::Ok, "that is paid for"),
        };
        row(
            licence,
            verdict,
            format!("{told}; {what}: {used} in use, {paid} paid for"),
        )
    });
    judged.collect()
}
