//! The shape of a kind file: everything the engine needs to know of a kind, as data.
//!
//! Field names and paths are the API's own. A path names a place in an object's body: `division`,
//! `bullseye.rings[].memberGroups[]` (`[]` = each element of a list), `defaultScripts{}`
//! (`{}` = each value of a map).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::id::Kind;
use crate::path::FieldPath;

impl Descriptor {
    /// Tells whether a top-level field of an answer says what an object is called.
    pub fn names_by(&self, field: &str) -> bool {
        let mut builtins = self.builtins.iter();
        self.key.fields.iter().any(|path| path.root() == field)
            || builtins.any(|builtin| {
                let mut paths = builtin.when.keys().chain(&builtin.key_field);
                paths.any(|path| path.root() == field)
            })
    }

    /// Tells whether anybody looks at a top-level field of an answer; the others are not kept.
    pub fn looks_at(&self, field: &str) -> bool {
        let own = |name: &String| name == field;
        matches!(
            field,
            "id" | "name" | "version" | "state" | "division" | "dateModified"
        ) || field == self.id
            || self.fields.iter().any(own)
            || self.unmanaged.contains_key(field)
            || self.looked_at.contains(field)
            || self.names_by(field)
            || self.stamp.as_ref().is_some_and(|path| path.root() == field)
            || self
                .parts
                .iter()
                .any(|part| part.field == field || part.when.as_ref().is_some_and(own))
            || self.list.iter().any(|list| list.only.contains_key(field))
    }

    /// Returns the kinds whose keys are part of this kind's keys, with the places that refer to them.
    pub fn key_references(&self) -> impl Iterator<Item = (&Kind, &FieldPath)> {
        let in_key = |path: &FieldPath| self.key.fields.iter().any(|field| field.is_at(path));
        let references = self.references.iter();
        references
            .filter(move |reference| in_key(&reference.path))
            .filter_map(|reference| Some((reference.kind.as_ref()?, &reference.path)))
    }
}

/// Where a body says something of a person, by what is put in its place ([`crate::privacy`]).
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Pii {
    /// What the person is called.
    #[serde(default)]
    pub names: Vec<FieldPath>,
    /// E-mail addresses and telephone numbers.
    #[serde(default)]
    pub contacts: Vec<FieldPath>,
    /// Other texts.
    #[serde(default)]
    pub texts: Vec<FieldPath>,
    /// What cannot be put in other words, and goes.
    #[serde(default)]
    pub others: Vec<FieldPath>,
}

impl Pii {
    /// Tells whether the kind says nothing of a person.
    pub fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    /// Lists every place, with the name of its list.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &FieldPath)> {
        let Self {
            names,
            contacts,
            texts,
            others,
        } = self;
        let lists = [
            ("pii.names", names),
            ("pii.contacts", contacts),
            ("pii.texts", texts),
            ("pii.others", others),
        ];
        let lists = lists.into_iter();
        lists.flat_map(|(list, paths)| paths.iter().map(move |path| (list, path)))
    }
}

/// Describes one kind; one file of the catalogue.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Descriptor {
    /// The name users write, such as `routing_queue`.
    pub kind: Kind,
    /// Genesys' noun for it, singular: `queue`.
    pub title: String,
    /// The product area: `routing`, `architect`, `directory`, …
    pub family: String,
    /// Who performs its writes.
    #[serde(default)]
    pub driver: Driver,
    /// Whether and when a clone includes it.
    #[serde(default)]
    pub clone: ClonePhase,
    /// Read only where a selection names the kind: there may be millions of its objects, or they are
    /// about people rather than configuration.
    #[serde(default)]
    pub on_request: bool,
    /// The contract's model of an object as it is read.
    pub model: String,
    /// How an object is found by what people call it.
    pub key: KeySpec,
    /// What an object lives in: its calls name that object before its own id.
    pub parent: Option<Parent>,
    /// No call makes one: it comes with an object of this kind, by whose key its own begins. Its id is
    /// looked up when something refers to it.
    pub comes_with: Option<Kind>,
    /// The field of an answer that holds an object's id.
    #[serde(default = "id_field")]
    pub id: String,
    /// Only one object exists in an org; it is read at `read`. With `create` it may also be absent,
    /// which the org says by 404.
    #[serde(default)]
    pub singleton: bool,
    /// Every call that returns objects of the kind; empty for a singleton.
    #[serde(default)]
    pub list: Vec<ListSpec>,
    /// Finds the objects of a name: `{id}` in its body stands for the name. Its index may lag
    /// and it may ask for more permissions: what it does not find, the lists may have.
    pub search: Option<ListSpec>,
    /// Returns one object; needed where a list row is not the whole object.
    pub read: Option<ReadSpec>,
    /// Creates one object; absent where the API cannot or orgsmith must not.
    pub create: Option<WriteSpec>,
    /// The path of a `POST` by SCIM that creates one object together with some of its parts.
    pub scim: Option<String>,
    /// Changes one object.
    pub update: Option<WriteSpec>,
    /// Deletes one object.
    pub delete: Option<DeleteSpec>,
    /// Makes what was written take effect, for objects that are drafts until somebody says so.
    pub publish: Option<PublishSpec>,
    /// The path of a `POST` without a body that puts into force what was created or changed.
    pub go_live: Option<String>,
    /// Brings a deleted object back, where deletion is soft; sends what `with` says and no field.
    pub restore: Option<WriteSpec>,
    /// Its writes change a draft, which is then published as a version with an id of its own.
    pub draft: Option<DraftSpec>,
    /// The body carries `version`, which must be the current one when writing.
    #[serde(default)]
    pub version: bool,
    /// Seconds a new object may be invisible to lists.
    #[serde(default)]
    pub visible_after_s: u32,
    /// Writes of the kind are sent one at a time in an org.
    #[serde(default)]
    pub serial: bool,
    /// A value that changes whenever somebody changes the object, though it is not managed: a flow's
    /// published version.
    pub stamp: Option<FieldPath>,
    /// After creation, the update that completes the object goes after its parts: an integration is
    /// enabled once it is configured.
    #[serde(default)]
    pub update_last: bool,
    /// The fields orgsmith manages: what a bundle holds and a plan compares.
    pub fields: Vec<String>,
    /// Fields the API would accept and orgsmith leaves alone, each with the reason. A `PUT` sends
    /// them as they are in the target, because what a `PUT` does not send is lost.
    #[serde(default)]
    pub unmanaged: BTreeMap<String, String>,
    /// Values put in place of what the source has, on creation: a campaign starts switched off.
    #[serde(default)]
    pub create_with: BTreeMap<String, serde_json::Value>,
    /// Values that a new object has when nothing is said: no call is made to set them.
    #[serde(default)]
    pub defaults: BTreeMap<String, serde_json::Value>,
    /// Fields that are compared on objects that exist but never changed by an update.
    #[serde(default)]
    pub immutable: Vec<String>,
    /// Its name in the call that moves objects to another division, where there is one:
    /// `POST /api/v2/authorization/divisions/{id}/objects/{name}` with `[object id]`. `division` is
    /// among `immutable`, because no update moves an object.
    pub move_as: Option<String>,
    /// Lists whose order the API does not keep.
    #[serde(default)]
    pub unordered: Vec<FieldPath>,
    /// Elements of lists that nobody manages, such as the address that mirrors a user's e-mail.
    #[serde(default)]
    pub leave_out: Vec<LeaveOut>,
    /// Places inside the body that the server fills in and nobody manages.
    #[serde(default)]
    pub volatile: Vec<FieldPath>,
    /// Places whose text is a list or an object written as JSON: a document holds what it says.
    #[serde(default)]
    pub json: Vec<FieldPath>,
    /// Those among `volatile` that a `PUT` must send back as they are in the target: the ids of a
    /// telephone's lines.
    #[serde(default)]
    pub returned: Vec<FieldPath>,
    /// Ids that whoever writes the object makes up, and that mean something only inside of it.
    #[serde(default)]
    pub own_ids: Vec<FieldPath>,
    /// Where the body points to other objects.
    #[serde(default, rename = "reference")]
    pub references: Vec<Reference>,
    /// Telephone numbers that must lie in a DID pool of the org.
    #[serde(default)]
    pub numbers: Vec<FieldPath>,
    /// Where the body holds URLs of other systems, which the org or its users depend on.
    #[serde(default, rename = "endpoint")]
    pub endpoints: Vec<Endpoint>,
    /// Where the body holds secrets: written, never read.
    #[serde(default)]
    pub secrets: Vec<FieldPath>,
    /// Where the body holds headers of requests to other systems; one that carries a credential in
    /// clear is a secret.
    #[serde(default)]
    pub headers: Vec<FieldPath>,
    /// Where the body says something of a person.
    #[serde(default)]
    pub pii: Pii,
    /// What belongs to the object but has calls of its own.
    #[serde(default, rename = "part")]
    pub parts: Vec<Part>,
    /// What an object belongs to, by what its document calls it: the queues of a user. Who belongs
    /// there is written as items of the other object's part.
    #[serde(default)]
    pub member_of: BTreeMap<String, MemberOf>,
    /// Objects that are one's own though they are of another kind: the telephone in somebody's browser.
    #[serde(default)]
    pub brings: Vec<Brings>,
    /// Objects that every org has: mapped to their twin, never created.
    #[serde(default, rename = "builtin")]
    pub builtins: Vec<Builtin>,
    /// Permissions that reading needs.
    #[serde(default)]
    pub read_permissions: Vec<String>,
    /// Permissions that creating and updating needs.
    #[serde(default)]
    pub write_permissions: Vec<String>,
    /// Permissions that deleting needs besides.
    #[serde(default)]
    pub delete_permissions: Vec<String>,
    /// Facts for people: what does not travel, and why.
    #[serde(default)]
    pub notes: Vec<String>,
    /// What the org's audits call its objects and what belongs to them, as `service/entity`; the id
    /// of such an entity is the object's. Where an entity has been seen in two services, both stand
    /// here. Without any, only reading the kind again tells of its changes.
    #[serde(default)]
    pub audit: Vec<Audited>,
    /// Notification topics that tell of its changes; `{id}` stands for the object's.
    #[serde(default)]
    pub topics: Vec<String>,
    /// Fields that are read though they are not managed, such as where a file lies; to these come
    /// those that other kinds look at: the groups of a user tell the members of a group.
    #[serde(default)]
    pub looked_at: BTreeSet<String>,
}

fn id_field() -> String {
    "id".to_owned()
}

/// A service and a type of entity, as audits spell them: `ContactCenter/Queue`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Audited {
    /// The service.
    pub service: String,
    /// The type of entity.
    pub entity: String,
}

impl TryFrom<String> for Audited {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once('/') {
            Some((service, entity)) if !service.is_empty() && !entity.is_empty() => Ok(Self {
                service: service.to_owned(),
                entity: entity.to_owned(),
            }),
            _ => Err(format!("{text:?} is not of the form service/entity")),
        }
    }
}

impl From<Audited> for String {
    fn from(audited: Audited) -> Self {
        format!("{}/{}", audited.service, audited.entity)
    }
}

/// What an object lives in, such as the domain of an e-mail route.
///
/// The id of such an object is all the ids of its path, joined by `/`: `example.com/4f0c…`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Parent {
    /// Its kind.
    pub kind: Kind,
    /// The field of the document that refers to it; put in when an org is read, and never sent.
    pub field: String,
    /// There is one in each at most, and its id is that of what it lives in: the schedule of a view.
    #[serde(default)]
    pub alone: bool,
}

/// Who performs the writes of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Driver {
    /// One request per write, from the descriptor alone.
    #[default]
    Crud,
    /// Architect jobs: the source goes up and comes down as a file.
    Flow,
    /// Prompt resources with audio.
    Prompt,
    /// Grammars, whose languages have files.
    Grammar,
    /// Credentials, whose fields are never returned.
    Credential,
    /// Data actions, whose contract changes only through a draft.
    Action,
    /// Data tables, whose rows are also written by the file.
    Datatable,
    /// Response assets, which are a file: it goes up once and never changes.
    Asset,
    /// Scripts, which go up and come down as a file.
    Script,
    /// Variations of knowledge documents, which also come as one file of a whole knowledge base.
    Variation,
}

/// Whether and when a clone includes a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClonePhase {
    /// With everything else.
    #[default]
    Core,
    /// After that, as it makes the org call other systems, or be called by them.
    Integration,
    /// After everything else, as it may reach customers.
    Outbound,
    /// Only mapped to its twin in the target: never created, changed or deleted.
    Mapped,
}

impl ClonePhase {
    /// Returns the phase of a plan in which its objects are written.
    pub fn phase(self) -> u8 {
        match self {
            Self::Core | Self::Mapped => 0,
            Self::Integration => 1,
            Self::Outbound => 2,
        }
    }

    /// The phase of a plan in which objects are deleted.
    pub const DELETING: u8 = 3;
}

/// Elements of a list that nobody manages.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LeaveOut {
    /// The elements: `addresses[]`.
    pub path: FieldPath,
    /// Field values that tell one.
    #[serde(default)]
    pub when: BTreeMap<String, serde_json::Value>,
    /// How the texts of fields begin that tell one.
    #[serde(default)]
    pub begins: BTreeMap<String, String>,
}

/// How an object is found by what people call it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeySpec {
    /// Paths of the parts, in order. A part that is a reference contributes the parts of the key of
    /// what it refers to.
    pub fields: Vec<FieldPath>,
    /// Parts that the API writes in capitals and a key in lower case: a flow's type.
    #[serde(default)]
    pub lower_case: Vec<FieldPath>,
    /// Two spellings that differ in case are the same object.
    #[serde(default)]
    pub ignore_case: bool,
    /// A part may hold the id of an object of this kind, put there by a user interface:
    /// `Integration-<id>`. The object's key stands for it, in the key and in the document.
    pub names: Option<Kind>,
    /// The API lets two objects have the same key.
    #[serde(default)]
    pub duplicates: bool,
}

/// How a list is paged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Paging {
    /// `pageSize` and `pageNumber`, with a total.
    Offset,
    /// `after` or `nextUri`, no total.
    Cursor,
    /// As `Cursor`, with `cursor` and `limit`.
    Scan,
    /// Everything in one answer.
    Unpaged,
}

/// A call that returns objects.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ListSpec {
    /// The contract's path.
    pub path: String,
    /// How it is paged.
    pub paging: Paging,
    /// Rows per page: the largest the API grants.
    #[serde(default)]
    pub page_size: u32,
    /// Fixed query parameters; commas separate the values of one that is a list.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// Where it is asked for by a `POST`: the body, to which the paging is added. `{id}` in it
    /// stands for what it stands for in the query.
    pub body: Option<BTreeMap<String, serde_json::Value>>,
    /// Rows are kept only where these fields have these values; in a list of a part, `{id}` is the
    /// id of the object that has the part.
    #[serde(default)]
    pub only: BTreeMap<String, serde_json::Value>,
    /// The field of an unpaged answer that holds the rows, if it is not `entities`; for lists of
    /// parts. Of a part that is a single object it is the field that holds it; what the answer says
    /// beside it is kept with it.
    pub rows: Option<String>,
    /// The rows are objects that were deleted and can be restored.
    #[serde(default)]
    pub deleted: bool,
    /// The query parameter that keeps the objects of a name, and perhaps others.
    pub by_name: Option<String>,
    /// The call is made once for each object of this kind. Its id is the first parameter of the
    /// path, or stands in the query or in the body as `{id}`.
    pub each: Option<Kind>,
    /// The field of the object whose list it is that fills the parameter behind the object's id, such
    /// as its latest version.
    pub version: Option<String>,
    /// No call is made: this field of each object of `each` is the row, or a list of rows, and `path`
    /// is the list that brought the object.
    pub inside: Option<String>,
}

impl ListSpec {
    /// Returns the method of the call.
    pub fn method(&self) -> &'static str {
        match self.body {
            Some(_) => "POST",
            None => "GET",
        }
    }
}

/// A call that returns one object.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ReadSpec {
    /// The contract's path; its first parameter is the object's id.
    pub path: String,
    /// Fixed query parameters.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// A list row is not the whole object, so an export reads each.
    #[serde(default)]
    pub each: bool,
    /// A list row does not even say what people call the object, so each is read with the list.
    #[serde(default)]
    pub with_list: bool,
}

/// A call that writes one object.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WriteSpec {
    /// `POST`, `PUT` or `PATCH`. `PATCH` sends what changed, the others the whole object.
    pub method: String,
    /// The contract's path; its first parameter is the object's id.
    pub path: String,
    /// The field that refers to the object whose id stands first in the path, where the object itself
    /// does not live in it: a greeting is made at its owner and read by its own id alone.
    pub within: Option<String>,
    /// The update makes a new object in place of the old one, with an id of its own: a new version.
    /// Its path has the ids of what it lives in, as that of creation has.
    #[serde(default)]
    pub anew: bool,
    /// Fields that this call does not take: managed ones, and those that a `PUT` would send back.
    #[serde(default)]
    pub omit: Vec<String>,
    /// Fields without which the API creates nothing.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Fields that a `PATCH` sends even when they did not change, because the API asks; those that
    /// are left alone are sent as they are in the target.
    #[serde(default)]
    pub always: Vec<String>,
    /// Managed fields beside which the API ignores all others: a change of one is a call of its
    /// own, before the rest.
    #[serde(default)]
    pub alone: Vec<String>,
    /// Values that this call always sends.
    #[serde(default)]
    pub with: BTreeMap<String, serde_json::Value>,
    /// Fields that this call takes under another name, and perhaps as a bare id; a field inside
    /// another is named by its path: `autoAssign.rule`.
    #[serde(default)]
    pub rename: BTreeMap<String, WireField>,
}

/// How a field is sent where that differs from how it is read.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WireField {
    /// The name in the request; the field's own where absent.
    pub name: Option<String>,
    /// References in it are sent as bare ids.
    #[serde(default)]
    pub bare_ids: bool,
}

/// A call that deletes one object.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteSpec {
    /// The contract's path.
    pub path: String,
    /// Fixed query parameters.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
}

/// A call that makes what was written take effect: it publishes a document or a version.
///
/// It is made when an object is to be published and is not, or was changed: itself, or what lives
/// in it. Publishing the same again changes nothing.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PublishSpec {
    /// `POST` or `PUT`.
    pub method: String,
    /// The contract's path; its first parameter, if it has one, is the object's id.
    pub path: String,
    /// The managed field that says whether the object is published; no other call sets it.
    pub field: String,
    /// Its value when it is.
    pub value: serde_json::Value,
    /// What the body holds; a call without a body has none.
    pub with: Option<BTreeMap<String, serde_json::Value>>,
    /// The field of the body that lists the object's id.
    pub ids: Option<String>,
    /// The call before the first change of an object that is published; it makes a draft of it.
    pub reopen: Option<CallSpec>,
    /// The call starts a job, whose end is awaited.
    pub job: Option<JobSpec>,
}

/// A call without a body.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CallSpec {
    /// The HTTP method.
    pub method: String,
    /// The contract's path; its first parameter is the object's id.
    pub path: String,
}

/// A job that a call starts; the answer to the call has its `id`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// The contract's path of the job; its last parameter is the job's id.
    pub path: String,
    /// The field that says how far it is.
    pub field: String,
    /// Its value when the work is done.
    pub done: String,
    /// Its value when it failed.
    pub failed: String,
}

/// A place in the body that holds a URL of another system, or settings in which such URLs stand.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Where.
    pub path: FieldPath,
    /// No placeholder ever takes its place: people sign in there.
    #[serde(default)]
    pub kept: bool,
}

/// A place in the body that points to another object.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Where: the object `{id, …}`, or the id itself where `bare` is set.
    pub path: FieldPath,
    /// What it points to; absent where the type field decides.
    pub kind: Option<Kind>,
    /// What it points to, by the value of the field named in `by`.
    #[serde(default)]
    pub kinds: BTreeMap<String, Kind>,
    /// The field beside the id that says which of `kinds` it is. A value that is not among them
    /// says that no id stands there.
    pub by: Option<String>,
    /// The place holds a bare id, not an object with one.
    #[serde(default)]
    pub bare: bool,
    /// The place may hold the object's name instead of its id; it is sent as an id all the same.
    #[serde(default)]
    pub or_name: bool,
    /// The place names a version beside the id: the newest of those that this list of versions has.
    pub newest: Option<String>,
    /// The place is a map whose keys are bare ids.
    #[serde(default)]
    pub keys: bool,
    /// The object may be created without it and linked later.
    #[serde(default)]
    pub deferrable: bool,
    /// Values that stand in the place of an id and mean something else, such as `*`; one that goes
    /// on before its `*` says how they begin.
    #[serde(default)]
    pub literals: Vec<String>,
    /// A whole list element goes when its reference cannot be resolved.
    #[serde(default)]
    pub owns_element: bool,
}

impl Reference {
    /// Tells whether a text stands in the place of an id and means something else.
    pub fn is_literal(&self, text: &str) -> bool {
        self.literals.iter().any(|literal| {
            let begins = literal
                .strip_suffix('*')
                .filter(|begins| !begins.is_empty());
            begins.map_or(literal == text, |begins| text.starts_with(begins))
        })
    }
}

/// How a draft becomes the object: an evaluation form.
///
/// What is listed and referred to are published versions. A write goes to the draft, and its
/// publication is a part of the same step.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DraftSpec {
    /// `POST`ed with `{id, published: true}`; the answer has the id of the new version.
    pub path: String,
    /// Lists the versions of the object, of which the draft is the one with `published: false`.
    pub versions: String,
}

/// What belongs to an object but has calls of its own: queue members, an integration's configuration.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its place in the portable document.
    pub field: String,
    /// One object, or a list of items.
    #[serde(default)]
    pub single: bool,
    /// Returns it; absent where the object's own body carries it.
    pub list: Option<ListSpec>,
    /// The list is not asked for where this field of the object is zero or empty.
    pub when: Option<String>,
    /// Only objects that refer to one of a certain sort have it: the function of a data action.
    pub having: Option<Having>,
    /// Asking costs a call for each object, and most have nothing of their own there: only objects
    /// that a selection names with what they need are asked, and those of whose part a document
    /// speaks.
    pub asked: Option<Asked>,
    /// It is read off other objects where all of those are read: a group's members are known from
    /// the users. A list serves where only few objects are.
    pub inverse: Option<Inverse>,
    /// Where the items of all objects are listed together, which costs less than asking each.
    pub gathered: Option<Gathered>,
    /// A field of the object that names others which may have the same items, such as a queue's
    /// member groups: where they do, the items are added first, as they are refused afterwards.
    pub before: Option<String>,
    /// What tells one item from another: `user`, `key`, `language`. Empty: the item itself.
    #[serde(default)]
    pub identity: Vec<String>,
    /// The fields of an item that are managed. Empty: all (a row), or the item is a reference.
    #[serde(default)]
    pub fields: Vec<String>,
    /// Fields of an item that nobody manages and that a replacement sends back for the item that has
    /// the same identity in the target: its id and version.
    #[serde(default)]
    pub returned: Vec<String>,
    /// Values an item has when nothing is said.
    #[serde(default)]
    pub defaults: BTreeMap<String, serde_json::Value>,
    /// Fields of an item that are written with a new item, and left alone afterwards: whether an
    /// agent takes part in a queue is the agent's own choice.
    #[serde(default)]
    pub at_first: Vec<String>,
    /// Replaces the whole list, or the single object.
    pub replace: Option<ItemWrite>,
    /// The creation of an object takes the ids of the items, and adds some by itself where it is told
    /// none.
    #[serde(default)]
    pub at_creation: bool,
    /// Adds items.
    pub add: Option<ItemWrite>,
    /// Changes one item.
    pub change: Option<ItemWrite>,
    /// Removes items; a single object is taken away by a rollback only.
    pub remove: Option<ItemWrite>,
    /// The single object has a `version` of its own, which is this when the object is new.
    pub first_version: Option<u64>,
    /// The calls send and raise the object's `version`.
    #[serde(default)]
    pub versioned: bool,
    /// It says who belongs to the object, as the [`MemberOf`] of another kind tells: an object that
    /// is only taken along with others comes without.
    #[serde(skip)]
    pub members: bool,
}

/// Says which objects have a part, by what they refer to.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Having {
    /// Where the object refers to the other one.
    pub reference: FieldPath,
    /// A place in the other one. It is part of its key, so that a document tells without it.
    pub field: FieldPath,
    /// What stands there.
    pub value: String,
}

/// What a part needs that is not read of every object.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Permissions that reading it needs, besides those of the kind.
    #[serde(default)]
    pub read_permissions: Vec<String>,
    /// Permissions that writing it needs, besides those of the kind.
    #[serde(default)]
    pub write_permissions: Vec<String>,
}

/// What objects of a kind belong to.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MemberOf {
    /// The kind they belong to.
    pub kind: Kind,
    /// Its part that lists who belongs to it.
    pub part: String,
    /// The field of an object's own body that names what it belongs to: one `{id}`, or a list.
    pub field: Option<String>,
    /// Lists what an object belongs to, where its body does not say it.
    #[serde(default)]
    pub list: Vec<ListSpec>,
    /// An object belongs to one at most.
    #[serde(default)]
    pub one: bool,
}

/// Objects that refer to their owner and come along where it is selected with what it needs.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Brings {
    /// Their kind.
    pub kind: Kind,
    /// Where they refer to the owner.
    pub by: FieldPath,
    /// Lists those of one owner.
    pub list: ListSpec,
}

/// A list of the items of many objects, such as the grants in a division.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Gathered {
    /// The contract's path; its parameter is the id of an object of `each`. Paged by offset.
    pub path: String,
    /// Rows per page: the largest the API grants.
    pub page_size: u32,
    /// The kind for whose objects the list is read.
    pub each: Kind,
    /// What stands in the place of an id besides, such as `*`.
    #[serde(default)]
    pub also: Vec<String>,
    /// The field of a row that holds the id of the object whose item it is.
    pub by: String,
}

/// Says whose field lists the objects that have the item.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Inverse {
    /// The kind that holds the list.
    pub kind: Kind,
    /// Its field: a list of `{id}`.
    pub path: FieldPath,
}

/// A call that writes items of a part.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ItemWrite {
    /// The HTTP method.
    pub method: String,
    /// The contract's path; the first parameter is the object's id, the second the item's identity.
    pub path: String,
    /// Fixed query parameters.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// Most items in one call; 1 means one call per item.
    #[serde(default = "one")]
    pub cap: usize,
    /// What the body is.
    #[serde(default)]
    pub body: ItemBody,
    /// The name of the field or query parameter that carries the ids, for those bodies that need it.
    pub name: Option<String>,
    /// The item's fields that the body carries, for `item` and `items`; empty: all.
    #[serde(default)]
    pub fields: Vec<String>,
    /// Fields of an item that the body has under another name, and perhaps as a bare id.
    #[serde(default)]
    pub rename: BTreeMap<String, WireField>,
    /// A call that adds one item to many objects, for a body that is an `item_list`.
    pub together: Option<Together>,
}

/// A call that adds the same item to many objects: a role to many users.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Together {
    /// The HTTP method.
    pub method: String,
    /// The contract's path; its parameter is what an item says in `each`.
    pub path: String,
    /// Fixed query parameters.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// The field of an item that is in the path: there is a call for each of its values.
    pub each: String,
    /// The other field of an item, and the name of the body's list of its values.
    pub items: (String, String),
    /// The name of the body's list of the objects' ids.
    pub objects: String,
    /// Most objects in one call.
    pub cap: usize,
}

fn one() -> usize {
    1
}

/// What the body of a part's write is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemBody {
    /// The item, or the single object.
    #[default]
    Item,
    /// A list of items.
    Items,
    /// A list of `{id}`.
    Ids,
    /// `{name: [id, …]}`.
    IdList,
    /// `{name: [item, …]}`.
    ItemList,
    /// Nothing; the ids are in the query, separated by commas.
    Query,
    /// Nothing; the item is in the path.
    Empty,
}

/// Objects that every org has.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Builtin {
    /// Field values that tell one; a value ending in `*` matches by its beginning.
    pub when: BTreeMap<FieldPath, serde_json::Value>,
    /// The key it gets.
    pub key: Option<String>,
    /// The field whose value is its key, the same in every org.
    pub key_field: Option<FieldPath>,
    /// Its own natural key is the same in every org.
    #[serde(default)]
    pub natural_key: bool,
    /// Managed fields that may differ from org to org.
    #[serde(default)]
    pub unmanaged: Vec<String>,
    /// It is never changed either.
    #[serde(default)]
    pub fixed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_is_a_whole_value_or_how_values_begin() {
        let literals = |literals: &[&str]| Reference {
            literals: literals.iter().map(ToString::to_string).collect(),
            ..Reference::default()
        };
        assert!(literals(&["ININ-*"]).is_literal("ININ-WRAP-UP-TIMEOUT"));
        assert!(!literals(&["ININ-*"]).is_literal("0f6bd6c6"));
        assert!(literals(&["*"]).is_literal("*"));
        assert!(!literals(&["*"]).is_literal("0f6bd6c6"));
    }
}
