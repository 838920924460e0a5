//! What a list row does not say: whole bodies, parts, flow sources, audio.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use futures::{StreamExt, stream};
use orgsmith_client::{Call, Error, path_segment};
use orgsmith_core::bundle::Gap;
use orgsmith_core::catalogue::{Descriptor, Driver, ListSpec, Part, Reference};
use orgsmith_core::document::{Captured, Stored};
use orgsmith_core::id::{Kind, SourceId};
use orgsmith_core::path::FieldPath;
use orgsmith_core::snapshot::UNPUBLISHED;
use serde_json::{Value, json};

use super::gather::Items;
use super::lists::{Failure, get, listing, looked_at};
use super::{CONCURRENCY, Collector, tables};
use crate::files;
use crate::jobs;
use crate::org::Org;

/// Flows whose sources are exported before those are written down.
const FLOWS: usize = 200;

/// Where the items come from that other objects know as well, such as the members of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inverse {
    /// They are read off the objects that hold them, when all of those are known.
    OfHolders,
    /// The object is asked for them.
    Asked,
}

impl Inverse {
    fn asks_for(self, part: &Part) -> bool {
        part.list.is_some() && (part.inverse.is_none() || self == Self::Asked)
    }
}

/// Returns a kind without the parts for which something holds.
pub(super) fn without(descriptor: &Descriptor, left_out: impl Fn(&Part) -> bool) -> Descriptor {
    let mut lean = descriptor.clone();
    lean.parts.retain(|part| !left_out(part));
    lean
}

/// Objects that those of a kind refer to and that are of a certain sort, by the part that only
/// those have which refer to them.
type Sorts = BTreeMap<String, (FieldPath, HashSet<String>)>;

/// Finds the objects of each sort that some part asks for.
fn sorts(descriptor: &Descriptor, others: &BTreeMap<Kind, Vec<Stored>>) -> Sorts {
    let mut found = Sorts::new();
    for part in &descriptor.parts {
        let Some(having) = &part.having else {
            continue;
        };
        let mut references = descriptor.references.iter();
        let kind = references
            .find(|reference| reference.path == having.reference)
            .and_then(|reference| reference.kind.as_ref());
        let others = kind.and_then(|kind| others.get(kind)).into_iter().flatten();
        let of_sort = others.filter(|other| {
            let body = other.fields(&|field| field == having.field.root());
            having.field.get(&body).and_then(Value::as_str) == Some(&having.value)
        });
        let ids = of_sort.map(|other| other.id.as_str().to_owned()).collect();
        found.insert(part.field.clone(), (having.reference.clone(), ids));
    }
    found
}

/// Tells whether an object has a part, by what it refers to.
fn has(sorts: &Sorts, part: &Part, captured: &Captured) -> bool {
    sorts.get(&part.field).is_none_or(|(reference, ids)| {
        let other = reference.get(&captured.body);
        let id = other.map(|other| other.get("id").unwrap_or(other));
        id.and_then(Value::as_str)
            .is_some_and(|id| ids.contains(id))
    })
}

/// Fills in what the rows of a kind do not say; `others` has what its objects refer to.
pub(super) async fn fill(
    org: &Org,
    descriptor: &Descriptor,
    objects: Vec<Stored>,
    (inverse, items): (Inverse, &Items),
    others: &BTreeMap<Kind, Vec<Stored>>,
    collector: &mut Collector<'_>,
) -> Vec<Stored> {
    let sorts = &sorts(descriptor, others);
    let calls = descriptor.read.as_ref().is_some_and(|read| read.each)
        || descriptor
            .parts
            .iter()
            .any(|part| inverse.asks_for(part) || items.contains_key(&part.field));
    let mut filled = objects;
    if calls {
        let seen = collector.seen;
        let read = stream::iter(std::mem::take(&mut filled))
            .map(|stored| async move {
                if let Some(known) = seen.object(descriptor, inverse, &stored.id) {
                    return (known, true, Vec::new());
                }
                let by = (inverse, items);
                let (captured, whole, failures) =
                    one(org, descriptor, stored.open(), by, sorts).await;
                let read = Stored::from(captured);
                if whole && failures.is_empty() {
                    seen.note_object(descriptor, inverse, &read);
                }
                (read, whole, failures)
            })
            .buffered(CONCURRENCY);
        let mut read = std::pin::pin!(read);
        while let Some((object, whole, failures)) = read.next().await {
            if !whole {
                collector.unread(&descriptor.kind, &object.id);
            }
            for failure in failures {
                collector.failed(&descriptor.kind, Some(label(&object.open())), failure);
            }
            filled.push(object);
        }
    }
    match descriptor.driver {
        Driver::Flow => sources(org, descriptor, &mut filled, collector).await,
        Driver::Prompt => download(org, descriptor, sounds_of, &mut filled, collector).await,
        Driver::Grammar => download(org, descriptor, grammars_of, &mut filled, collector).await,
        Driver::Credential => secrets(org, descriptor, &mut filled, collector).await,
        Driver::Asset | Driver::Script => contents(org, descriptor, &mut filled, collector).await,
        Driver::Crud | Driver::Action | Driver::Datatable | Driver::Variation => {
            places(descriptor, &mut filled)
        }
    }
    filled
}

/// Says which object it is, to a person.
pub(super) fn label(captured: &Captured) -> String {
    match captured.body.get("name").and_then(Value::as_str) {
        Some(name) => format!("{name} ({})", captured.id),
        None => captured.id.as_str().to_owned(),
    }
}

/// Reads one object and its parts; tells whether more than its row is known.
async fn one(
    org: &Org,
    descriptor: &Descriptor,
    mut captured: Captured,
    (inverse, items): (Inverse, &Items),
    sorts: &Sorts,
) -> (Captured, bool, Vec<Failure>) {
    let mut failures = Vec::new();
    if let Some(read) = descriptor.read.as_ref().filter(|read| read.each) {
        let call = get(with_ids(&read.path, captured.id.as_str()), &read.query);
        match org.client.send(call).await {
            Ok(reply) if reply.body.is_object() => {
                let body = looked_at(descriptor, reply.body);
                captured.body = in_parent(descriptor, body, captured.id.as_str());
            }
            Ok(_) => {
                failures.push(Failure::Answer("the answer is no object".to_owned()));
                return (captured, false, failures);
            }
            Err(error) => {
                failures.push(Failure::Call(error));
                return (captured, false, failures);
            }
        }
    }
    for part in &descriptor.parts {
        if !has(sorts, part, &captured) {
            continue;
        }
        let known = items.get(&part.field);
        let read = match known.map(|of| of.get(captured.id.as_str())) {
            Some(own) => Ok(Some(Value::Array(own.cloned().unwrap_or_default()))),
            None if !inverse.asks_for(part) => continue,
            None if descriptor.driver == Driver::Datatable => {
                tables::read(org, part, &captured).await
            }
            None => read_part(org, part, &captured).await,
        };
        match read {
            Ok(Some(value)) => {
                if let Value::Object(body) = &mut captured.body {
                    body.insert(part.field.clone(), trimmed(descriptor, part, value));
                }
            }
            Ok(None) => {}
            Err(failure) => failures.push(failure),
        }
    }
    (captured, true, failures)
}

/// Puts what an object lives in into its body.
pub(super) fn in_parent(descriptor: &Descriptor, mut body: Value, ids: &str) -> Value {
    let Some(parent) = &descriptor.parent else {
        return body;
    };
    let above = match parent.alone {
        true => Some(ids),
        false => ids.rsplit_once('/').map(|(above, _)| above),
    };
    if let Some(ids) = above
        && let Value::Object(fields) = &mut body
    {
        fields.insert(parent.field.clone(), json!({ "id": ids }));
    }
    body
}

/// Keeps of a list of items what is managed: a queue's members come with everything about the users.
fn trimmed(descriptor: &Descriptor, part: &Part, value: Value) -> Value {
    if part.single {
        return value;
    }
    let mut value = value;
    for item in value.as_array_mut().into_iter().flatten() {
        if let Value::Object(item) = item
            && !part.fields.is_empty()
        {
            item.retain(|name, _| {
                let named = [&part.fields, &part.identity, &part.returned];
                name == "id" || named.iter().any(|names| names.contains(name))
            });
        }
    }
    let mut body = json!({});
    body[&part.field] = value;
    let own = |reference: &&Reference| reference.path.root() == part.field && !reference.bare;
    for reference in descriptor.references.iter().filter(own) {
        reference.path.retain(&mut body, &mut |place| {
            if let Value::Object(place) = place {
                place.retain(|name, _| name == "id" || Some(name) == reference.by.as_ref());
            }
            true
        });
    }
    body[&part.field].take()
}

/// Reads a part of an object; nothing where the object's own body carries it.
pub(crate) async fn read_part(
    org: &Org,
    part: &Part,
    captured: &Captured,
) -> Result<Option<Value>, Failure> {
    let Some(spec) = &part.list else {
        return Ok(None);
    };
    let path = versioned(spec, with_ids(&spec.path, captured.id.as_str()), captured);
    if part.single {
        let call = get(path, &spec.query);
        let mut body = org.client.send(call).await.map_err(Failure::Call)?.body;
        let is = |(field, wanted): (&String, &Value)| body.get(field) == Some(wanted);
        // What holds for everybody is nothing of its own.
        if !spec.only.iter().all(is) {
            return Ok(Some(json!({})));
        }
        if let (Some(field), Value::Object(fields)) = (&spec.rows, &mut body)
            && let Some(Value::Object(held)) = fields.remove(field)
        {
            fields.extend(held);
        }
        return Ok(Some(body));
    }
    let empty = part
        .when
        .as_ref()
        .is_some_and(|field| match captured.body.get(field) {
            // What the row does not say must be asked.
            None | Some(Value::Null) => false,
            Some(Value::Number(n)) => n.as_u64() == Some(0),
            Some(Value::Array(list)) => list.is_empty(),
            Some(_) => false,
        });
    if empty {
        return Ok(Some(json!([])));
    }
    let mut items = match &spec.rows {
        None => org.client.list(&listing(spec, &path, "")).await?,
        Some(rows) => {
            let call = get(path, &spec.query);
            let mut reply = org.client.send(call).await.map_err(Failure::Call)?;
            match reply.body.get_mut(rows).map(Value::take) {
                Some(Value::Array(items)) => items,
                _ => return Err(Failure::Answer(format!("the answer has no list of {rows}"))),
            }
        }
    };
    items.retain(|item| {
        spec.only
            .iter()
            .all(|(field, wanted)| match wanted.as_str() {
                Some("{id}") => {
                    item.get(field).and_then(Value::as_str) == Some(captured.id.as_str())
                }
                _ => item.get(field) == Some(wanted),
            })
    });
    Ok(Some(Value::Array(items)))
}

/// Puts the version of an object into the path of a list of that version.
pub(crate) fn versioned(spec: &ListSpec, path: String, object: &Captured) -> String {
    let field = spec.version.as_ref();
    match field.and_then(|field| object.body.get(field)) {
        Some(Value::String(version)) => with_id(&path, version),
        Some(Value::Number(version)) => with_id(&path, &version.to_string()),
        _ => path,
    }
}

/// Puts the ids of an object, those of what it lives in first, in place of a path's parameters.
pub(crate) fn with_ids(path: &str, ids: &str) -> String {
    ids.split('/')
        .fold(path.to_owned(), |path, id| with_id(&path, id))
}

/// Puts an id in place of a path's first parameter.
pub(crate) fn with_id(path: &str, id: &str) -> String {
    match path
        .split_once('{')
        .and_then(|(before, rest)| Some((before, rest.split_once('}')?.1)))
    {
        Some((before, after)) => format!("{before}{}{after}", path_segment(id)),
        None => path.to_owned(),
    }
}

/// Exports the sources of flows that are published.
async fn sources(
    org: &Org,
    descriptor: &Descriptor,
    flows: &mut [Stored],
    collector: &mut Collector<'_>,
) {
    let published = |flow: &Stored| {
        let version = flow.field("publishedVersion");
        version.is_some_and(|version| version.is_object())
    };
    for flow in flows.iter().filter(|flow| !published(flow)) {
        let reason = UNPUBLISHED.to_owned();
        collector.gap(Gap {
            kind: descriptor.kind.clone(),
            object: Some(label(&flow.open())),
            reason,
        });
    }
    let seen = collector.seen;
    for flow in flows.iter_mut().filter(|flow| published(flow)) {
        flow.files.extend(seen.file(&descriptor.kind, &flow.id, ""));
    }
    let ids: Vec<_> = flows
        .iter()
        .filter(|flow| published(flow) && flow.files.is_empty())
        .map(|flow| flow.id.as_str().to_owned())
        .collect();
    let mut exported = HashMap::new();
    // What is to outlive this process is written down now and then.
    let at_once = if seen.is_kept() { FLOWS } else { usize::MAX };
    for ids in ids.chunks(at_once) {
        let some = jobs::export_flows(org, ids).await;
        for (id, source) in &some {
            if let Ok((name, source)) = source {
                let id = SourceId::new(id);
                seen.note_file(&descriptor.kind, &id, "", (name, source));
            }
        }
        exported.extend(some);
    }
    for flow in flows.iter_mut() {
        match exported.remove(flow.id.as_str()) {
            Some(Ok((name, source))) => {
                flow.files.insert(name.to_owned(), source);
            }
            Some(Err(jobs::JobError::Call(error))) => {
                let told = Some(label(&flow.open()));
                collector.failed(&descriptor.kind, told, Failure::Call(error));
            }
            Some(Err(error)) => {
                let reason = format!("its source could not be exported: {error}");
                let object = Some(label(&flow.open()));
                collector.gap(Gap {
                    kind: descriptor.kind.clone(),
                    object,
                    reason,
                });
            }
            None => {}
        }
    }
    // A flow without its source cannot be created elsewhere.
    for flow in flows.iter().filter(|flow| flow.files.is_empty()) {
        collector.unread(&descriptor.kind, &flow.id);
    }
}

/// A file to download: its name and where it is.
type Remote = (String, String);

/// Lists the audio of a prompt.
fn sounds_of(prompt: &Stored) -> Vec<Remote> {
    let resources = prompt.field("resources").unwrap_or_default();
    let resources = resources.as_array();
    resources
        .into_iter()
        .flatten()
        .filter_map(|resource| {
            let text = |field: &str| resource.get(field).and_then(Value::as_str);
            let (language, uri) = (text("language")?, text("mediaUri")?);
            (text("uploadStatus") == Some("transcoded"))
                .then(|| (format!("{language}.wav"), uri.to_owned()))
        })
        .collect()
}

/// Lists the files of a grammar: for each language one for speech and one for keys.
fn grammars_of(grammar: &Stored) -> Vec<Remote> {
    let languages = grammar.field("languages").unwrap_or_default();
    let mut files = Vec::new();
    for language in languages.as_array().into_iter().flatten() {
        let code = language.get("language").and_then(Value::as_str);
        for mode in ["voice", "dtmf"] {
            let url = language
                .get(format!("{mode}FileUrl"))
                .and_then(Value::as_str);
            let end = language
                .get(format!("{mode}FileMetadata"))
                .and_then(|about| about.get("fileType")?.as_str())
                .unwrap_or("grxml")
                .to_lowercase();
            if let (Some(code), Some(url)) = (code, url) {
                files.push((format!("{code}.{mode}.{end}"), url.to_owned()));
            }
        }
    }
    files
}

/// Downloads the files of objects and puts them beside these.
async fn download(
    org: &Org,
    descriptor: &Descriptor,
    files_of: fn(&Stored) -> Vec<Remote>,
    objects: &mut [Stored],
    collector: &mut Collector<'_>,
) {
    let seen = collector.seen;
    let mut files = Vec::new();
    for (index, object) in objects.iter_mut().enumerate() {
        for (name, uri) in files_of(object) {
            match seen.file(&descriptor.kind, &object.id, &name) {
                Some((name, content)) => {
                    object.files.insert(name, content);
                }
                None => files.push((index, (name, uri))),
            }
        }
    }
    let mut downloads = stream::iter(files)
        .map(|(index, (name, uri))| async move { (index, name, org.client.download(&uri).await) })
        .buffered(CONCURRENCY);
    while let Some((index, name, content)) = downloads.next().await {
        let object = &mut objects[index];
        match content {
            Ok(bytes) => {
                seen.note_file(&descriptor.kind, &object.id, &name, (&name, &bytes));
                object.files.insert(name, Arc::from(&bytes[..]));
            }
            Err(error) => {
                let told = Some(label(&object.open()));
                collector.failed(&descriptor.kind, told, Failure::Call(error));
            }
        }
    }
}

/// Fetches the files that objects are.
async fn contents(
    org: &Org,
    descriptor: &Descriptor,
    objects: &mut [Stored],
    collector: &mut Collector<'_>,
) {
    // What every org has is the same everywhere, and never written.
    let fixed = |stored: &Stored| {
        let body = stored.fields(&|field| descriptor.names_by(field));
        descriptor.builtins.iter().any(|builtin| {
            let mut when = builtin.when.iter();
            builtin.fixed && when.all(|(path, value)| path.get(&body) == Some(value))
        })
    };
    let own: Vec<usize> = (0..objects.len())
        .filter(|index| !fixed(&objects[*index]))
        .collect();
    let seen = collector.seen;
    let downloads = stream::iter(own)
        .map(|index| {
            let captured = objects[index].open();
            async move {
                if let Some(known) = seen.file(&descriptor.kind, &captured.id, "") {
                    return (index, Ok(known));
                }
                let file = files::download(org, descriptor, &captured).await;
                if let Ok((name, content)) = &file {
                    seen.note_file(&descriptor.kind, &captured.id, "", (name, content));
                }
                (index, file)
            }
        })
        .buffered(CONCURRENCY)
        .collect::<Vec<_>>()
        .await;
    for (index, content) in downloads {
        match content {
            Ok((name, bytes)) => {
                objects[index].files.insert(name, bytes);
            }
            Err(failure) => {
                collector.unread(&descriptor.kind, &objects[index].id);
                let told = Some(label(&objects[index].open()));
                collector.failed(&descriptor.kind, told, failure);
            }
        }
    }
}

/// Gives objects the places of the secrets that the API takes and never returns.
fn places(descriptor: &Descriptor, objects: &mut [Stored]) {
    if descriptor.secrets.is_empty() {
        return;
    }
    for stored in objects {
        let mut captured = stored.open();
        let name = captured.body.get("name").and_then(Value::as_str);
        let name = name.unwrap_or(captured.id.as_str()).to_owned();
        for path in &descriptor.secrets {
            let Some((holder, field)) = path.split_last_field() else {
                continue;
            };
            holder.retain(&mut captured.body, &mut |value| {
                if let Value::Object(map) = value {
                    let secret = format!("{}/{name}/{field}", descriptor.kind);
                    map.insert(field.to_owned(), json!({ "$secret": secret }));
                }
                true
            });
        }
        *stored = captured.into();
    }
}

/// Gives each credential the places of its secrets; their values are never returned.
async fn secrets(
    org: &Org,
    descriptor: &Descriptor,
    credentials: &mut [Stored],
    collector: &mut Collector<'_>,
) {
    if credentials.is_empty() {
        return;
    }
    let types = match org
        .client
        .send(Call::get("/api/v2/integrations/credentials/types"))
        .await
    {
        Ok(reply) => reply.body,
        Err(error) => return collector.failed(&descriptor.kind, None, Failure::Call(error)),
    };
    for stored in credentials {
        let mut credential = stored.open();
        let name = |value: &Value| value.get("name").and_then(Value::as_str).map(str::to_owned);
        let of = credential
            .body
            .get("type")
            .and_then(name)
            .unwrap_or_default();
        let known = types
            .as_array()
            .into_iter()
            .flatten()
            .find(|known| name(known) == Some(of.clone()));
        let fields = known
            .and_then(|known| known.get("properties"))
            .and_then(|properties| {
                // The type describes its fields by a JSON schema, or by a map of them.
                properties
                    .get("properties")
                    .unwrap_or(properties)
                    .as_object()
            });
        let Some(fields) = fields else {
            let reason = format!("its type {of} is not known, so its fields are not");
            let object = Some(label(&credential));
            collector.gap(Gap {
                kind: descriptor.kind.clone(),
                object,
                reason,
            });
            continue;
        };
        let title = name(&credential.body).unwrap_or_default();
        let places: serde_json::Map<_, _> = fields
            .keys()
            .map(|field| {
                (
                    field.clone(),
                    json!({ "$secret": format!("{title}/{field}") }),
                )
            })
            .collect();
        if let Value::Object(body) = &mut credential.body {
            body.insert("credentialFields".to_owned(), Value::Object(places));
        }
        *stored = credential.into();
    }
}

/// Reads one object whole, as `fill` would, without its parts.
pub(crate) async fn read_one(
    org: &Org,
    descriptor: &Descriptor,
    id: &str,
) -> Result<Option<Value>, Error> {
    let Some(read) = &descriptor.read else {
        return Ok(None);
    };
    let call = get(with_ids(&read.path, id), &read.query);
    Ok(Some(org.client.send(call).await?.body))
}
