//! The simulator's own table of kinds: what the contract does not say about plain objects.
//!
//! A family adds a kind by one row, a [`Kind`] that overrides what differs from [`Kind::PLAIN`];
//! `crud` then serves every operation that the contract has on its path. Behaviour beyond that is
//! a hook of the row or a handler of its own (see `routes`).

use std::fmt;

use serde_json::Value;

use crate::cx::Cx;
use crate::error::Refusal;
use crate::refs::Ref;
use crate::routes::Req;
use crate::store::{Fields, text};
use crate::world::Org;

/// Checks, and may complete, the fields about to be written; `old` is what they replace.
pub(crate) type Check = fn(&mut Cx<'_>, &Req, &mut Fields, Option<&Fields>) -> Result<(), Refusal>;

/// Tells whether an object may be deleted in its present state.
pub(crate) type MayDelete = fn(&Cx<'_>, &Req, &Fields) -> Result<(), Refusal>;

/// Adds computed fields to what is shown of an object.
pub(crate) type View = fn(&Org, &str, &mut Fields);

/// Describes one kind.
pub(crate) struct Kind {
    /// The simulator's noun.
    pub(crate) name: &'static str,
    /// The path of the collection, as the contract writes it: `/api/v2/knowledge/…/{id}/labels`.
    pub(crate) path: &'static str,
    /// The kind of object that the last parameter of the path names: it must be there, and what
    /// lives in it goes with it.
    pub(crate) parent: Option<&'static str>,
    /// The field of a create that becomes the id, such as the name of an e-mail domain.
    pub(crate) id_from: Option<&'static str>,
    /// The service and the entity type of its audits; empty where there are none.
    pub(crate) audit: (&'static str, &'static str),
    /// The fields that no two objects share, ignoring case.
    pub(crate) key: &'static [&'static str],
    /// How a second object with the same key is refused.
    pub(crate) duplicate: (u16, &'static str),
    pub(crate) version: Version,
    pub(crate) division: Division,
    /// Its references to other objects.
    pub(crate) refs: &'static [Ref],
    pub(crate) deletion: Deletion,
    /// Whether it carries `state: active`.
    pub(crate) state: bool,
    /// What the server fills in, as JSON; nested objects are completed.
    pub(crate) defaults: &'static str,
    pub(crate) style: Style,
    /// The largest `pageSize`.
    pub(crate) max_page: u32,
    /// What happens above it.
    pub(crate) oversize: Oversize,
    /// Whether query parameters of the list that nobody knows are taken without effect.
    pub(crate) any_filter: bool,
    /// Query parameters of the list that select, with the field that they look at.
    pub(crate) filters: &'static [(&'static str, Filter)],
    /// Fields that a request may carry but the server sets, although the contract is silent.
    pub(crate) server: &'static [&'static str],
    /// Fields that keep the value of the create.
    pub(crate) fixed: &'static [&'static str],
    /// Fields that lists leave out.
    pub(crate) list_omits: &'static [&'static str],
    /// Fields that are taken but never shown.
    pub(crate) write_only: &'static [&'static str],
    /// Fields that the contract requires in a body and the service does not.
    pub(crate) optional: &'static [&'static str],
    /// Whether lists show soft-deleted objects.
    pub(crate) lists_deleted: bool,
    /// Brings the fields of a body into the form in which they are kept.
    pub(crate) prepare: Option<fn(&mut Fields)>,
    pub(crate) check: Option<Check>,
    /// Refuses to delete an object because of its own state.
    pub(crate) may_delete: Option<MayDelete>,
    pub(crate) view: Option<View>,
    /// Tidies up what pointed to an object that is gone.
    pub(crate) deleted: Option<fn(&mut Org, &str)>,
}

/// The field that keeps the ids in the path above an object's own, joined by `/`.
pub(crate) const AT: &str = "$at";

impl Kind {
    /// The ordinary kind: keyed by name, unversioned, paged by offset up to 100.
    pub(crate) const PLAIN: Self = Self {
        name: "",
        path: "",
        parent: None,
        id_from: None,
        audit: ("", ""),
        key: &["name"],
        duplicate: (400, "duplicate.name"),
        version: Version::None,
        division: Division::None,
        refs: &[],
        deletion: Deletion::PLAIN,
        state: false,
        defaults: "{}",
        style: Style::Offset,
        max_page: 100,
        oversize: Oversize::Refuse,
        any_filter: false,
        filters: &[],
        server: &[],
        fixed: &[],
        list_omits: &[],
        write_only: &[],
        optional: &[],
        lists_deleted: false,
        prepare: None,
        check: None,
        may_delete: None,
        view: None,
        deleted: None,
    };

    /// Spells the key of an object; `None` when a field of it is missing.
    pub(crate) fn key_of(&self, fields: &Fields) -> Option<String> {
        let parts: Option<Vec<String>> = self
            .key
            .iter()
            .map(|field| match fields.get(*field)? {
                Value::String(text) => Some(text.to_lowercase()),
                other => Some(other.to_string()),
            })
            .collect();
        // A soft-deleted object gives its name free unless the kind says otherwise.
        let gone = self.deletion.frees_key && text(fields, "state") == "deleted";
        // Two objects of different parents may share a key.
        let at = fields.get(AT).and_then(Value::as_str).map(str::to_owned);
        parts
            .filter(|parts| !parts.is_empty() && !gone)
            .map(|parts| {
                at.into_iter()
                    .chain(parts)
                    .collect::<Vec<_>>()
                    .join("\u{1f}")
            })
    }

    /// Gives the path of one object that lives in no other.
    pub(crate) fn uri(&self, id: &str) -> String {
        format!("{}/{id}", self.path)
    }

    /// Gives the path of one object, below what it lives in.
    pub(crate) fn uri_of(&self, id: &str, fields: &Fields) -> String {
        let mut at = text(fields, AT).split('/');
        let mut path = String::new();
        for segment in self.path.split('/').skip(1) {
            let filled = match segment.starts_with('{') {
                true => at.next().unwrap_or_default(),
                false => segment,
            };
            path.push('/');
            path.push_str(filled);
        }
        format!("{path}/{id}")
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kind").field(&self.name).finish()
    }
}

/// Says whether writes name the version that they replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// Last write wins.
    None,
    /// A number; a stale one is refused with 409.
    Number,
    /// A number; a stale one is refused by the directory, with 400 and its own text.
    Directory,
    /// A string that is shown but never asked for.
    Text,
}

impl Version {
    /// Whether updates are checked.
    pub(crate) fn is_checked(self) -> bool {
        matches!(self, Self::Number | Self::Directory)
    }
}

/// Says how an object belongs to a division.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Division {
    /// It does not: the whole org owns it.
    None,
    /// By `division: {id}`; moved by the divisions API.
    Object,
    /// As `Object`, and an update moves it as well.
    Movable,
    /// As `Movable`, and it may belong to all divisions at once: `{id: "*"}`.
    Starrable,
}

/// Says what a delete does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deletion {
    /// Whether the object stays, as `state: deleted`.
    pub(crate) soft: bool,
    /// Whether a soft-deleted object's key can be used again.
    pub(crate) frees_key: bool,
    /// The status of the answer; 200 with a kept object shows it.
    pub(crate) status: u16,
    /// How a delete is refused while others refer to the object; `None` lets it go.
    pub(crate) in_use: Option<(u16, &'static str)>,
    /// The query parameter that overrides the refusal.
    pub(crate) force: Option<&'static str>,
}

impl Deletion {
    pub(crate) const PLAIN: Self = Self {
        soft: false,
        frees_key: true,
        status: 204,
        in_use: Some((409, "general.conflict")),
        force: None,
    };
}

/// Says how a list is cut into pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// `pageSize` and `pageNumber`, with totals.
    Offset,
    /// `after` and `pageSize`, without totals.
    Cursor,
    /// Everything at once.
    Whole,
}

/// Says what a too large `pageSize` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Oversize {
    /// 400.
    Refuse,
    /// The largest page is given.
    Clamp,
}

/// Says how a query parameter selects, and by which field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filter {
    /// The whole value, ignoring case.
    Exact(&'static str),
    /// A part of the value, ignoring case.
    Contains(&'static str),
    /// The beginning of the value, ignoring case.
    Prefix(&'static str),
    /// The value with `*` for anything, ignoring case.
    Wildcard(&'static str),
    /// The value in the way that the parameter `filterType` names.
    ByType(&'static str),
    /// A reference that the object holds at this path.
    Reference(&'static str),
    /// Taken and without effect on which objects are listed.
    Ignored,
}
