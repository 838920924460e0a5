//! Notification channels and their subscriptions.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::events::topics::{AUDITS, TOPICS, permission};
use crate::events::{Channel, LIFE, MAX_CHANNELS, MAX_TOPICS};
use crate::routes::{Registry, Req};

const CHANNELS: &str = "/api/v2/notifications/channels";

pub(crate) fn register(registry: &mut Registry) {
    registry.on("GET", "/api/v2/notifications/availabletopics", topics);
    registry.on("GET", CHANNELS, list);
    registry.on("POST", CHANNELS, create);
    let channel = format!("{CHANNELS}/{{channelId}}");
    registry.on("HEAD", &channel, head);
    let subscriptions = format!("{channel}/subscriptions");
    registry.on("GET", &subscriptions, subscribed);
    registry.on("POST", &subscriptions, subscribe);
    registry.on("PUT", &subscriptions, replace);
    registry.on("DELETE", &subscriptions, unsubscribe);
}

fn topics(_: &mut Cx<'_>, req: &Req) -> Answer {
    let all = TOPICS.iter().map(|topic| (topic.name, topic.permission));
    let entities: Vec<Value> = all
        .chain([(AUDITS, "audits:audit:view")])
        .map(|(name, permission)| {
            let mut topic = json!({ "id": name });
            if req.expands("requiresPermissions") {
                topic["requiresPermissions"] = json!([permission]);
            }
            if req.expands("transports") {
                let everywhere = ["Websocket", "EventBridge"];
                topic["transports"] = json!(everywhere);
            }
            topic
        })
        .collect();
    Ok(Reply::ok(json!({ "entities": entities })))
}

fn list(cx: &mut Cx<'_>, _: &Req) -> Answer {
    let own = cx.org.events.channels.iter();
    let own = own.filter(|(_, channel)| channel.client == cx.caller.id());
    let entities: Vec<Value> = own
        .map(|(id, _)| cx.org.events.show(id, cx.base_url))
        .collect();
    Ok(Reply::ok(json!({ "entities": entities })))
}

fn create(cx: &mut Cx<'_>, _: &Req) -> Answer {
    cx.org.events.expire(cx.now);
    let client = cx.caller.id().to_owned();
    let channels = &cx.org.events.channels;
    let own = channels.values().filter(|channel| channel.client == client);
    if own.count() >= MAX_CHANNELS {
        return Err(Refusal::bad_request(format!(
            "There are {MAX_CHANNELS} channels of this client already."
        )));
    }
    let id = format!("streaming-{}", cx.org.new_id());
    let expires = cx.now.saturating_add(LIFE).unwrap_or(cx.now);
    let channel = Channel {
        client,
        expires,
        topics: BTreeSet::new(),
        sockets: Vec::new(),
    };
    cx.org.events.channels.insert(id.clone(), channel);
    let shown = cx.org.events.show(&id, cx.base_url);
    cx.touched = Some(id);
    Ok(Reply::ok(shown))
}

/// Finds a channel of the caller's.
fn own<'c>(cx: &'c mut Cx<'_>, req: &Req) -> Result<&'c mut Channel, Refusal> {
    let id = req.param("channelId");
    cx.org.events.expire(cx.now);
    let client = cx.caller.id();
    let found = cx.org.events.channels.get_mut(id);
    found
        .filter(|channel| channel.client == client)
        .ok_or_else(|| Refusal::not_found("channel", id))
}

fn head(cx: &mut Cx<'_>, req: &Req) -> Answer {
    own(cx, req)?;
    Ok(Reply::empty(200))
}

fn shown(channel: &Channel) -> Reply {
    let entities: Vec<Value> = channel
        .topics
        .iter()
        .map(|topic| json!({ "id": topic, "state": "Permitted" }))
        .collect();
    Reply::ok(json!({ "entities": entities }))
}

fn subscribed(cx: &mut Cx<'_>, req: &Req) -> Answer {
    own(cx, req).map(|channel| shown(channel))
}

/// Reads the topics of a body: those that are granted, and those that are not, with the reason.
fn asked(cx: &Cx<'_>, req: &Req) -> Result<(BTreeSet<String>, Vec<Value>), Refusal> {
    let lenient = req.flag("ignoreErrors");
    let (mut granted, mut rejected) = (BTreeSet::new(), Vec::new());
    for topic in req.body.as_array().into_iter().flatten() {
        let name = topic["id"].as_str().unwrap_or_default();
        let problem = match permission(name) {
            None => Some((400, "There is no such topic.")),
            Some(permission) if !cx.caller.may(permission) => {
                Some((403, "A permission is missing."))
            }
            Some(_) => None,
        };
        match problem {
            None => {
                granted.insert(name.to_owned());
            }
            Some((_, reason)) if lenient => rejected.push(json!({
                "id": name,
                "state": "Rejected",
                "rejectionReason": reason,
            })),
            Some((403, reason)) => {
                let code = "missing.any.permissions";
                return Err(Refusal::new(403, code, format!("{name}: {reason}")));
            }
            Some((_, reason)) => {
                return Err(Refusal::bad_request(format!("{name}: {reason}")));
            }
        }
    }
    Ok((granted, rejected))
}

fn set(cx: &mut Cx<'_>, req: &Req, keep: bool) -> Answer {
    let (mut topics, rejected) = asked(cx, req)?;
    let now = cx.now;
    let channel = own(cx, req)?;
    if keep {
        topics.extend(channel.topics.iter().cloned());
    }
    if topics.len() > MAX_TOPICS {
        return Err(Refusal::bad_request(format!(
            "A channel has at most {MAX_TOPICS} topics."
        )));
    }
    channel.topics = topics;
    // Subscribing again is how a channel lives on.
    channel.expires = now.saturating_add(LIFE).unwrap_or(now);
    let mut reply = shown(channel);
    if let Some(Value::Array(entities)) = reply
        .body
        .as_mut()
        .and_then(|body| body.get_mut("entities"))
    {
        entities.extend(rejected);
    }
    Ok(reply)
}

fn subscribe(cx: &mut Cx<'_>, req: &Req) -> Answer {
    set(cx, req, true)
}

fn replace(cx: &mut Cx<'_>, req: &Req) -> Answer {
    set(cx, req, false)
}

fn unsubscribe(cx: &mut Cx<'_>, req: &Req) -> Answer {
    own(cx, req)?.topics.clear();
    Ok(Reply::empty(204))
}
