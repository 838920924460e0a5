//! Which operation is served by what.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use orgsmith_contract::{Model, Operation, Type, contract};
use serde_json::Value;

use crate::Document;
use crate::api;
use crate::crud::{self, Verb};
use crate::cx::Cx;
use crate::error::{Answer, Refusal};
use crate::kind::{Kind, Style};
use crate::single::{self, Single};

/// Serves one operation.
pub(crate) type Handler = fn(&mut Cx<'_>, &Req) -> Answer;

/// Represents a request that has been checked against the contract.
#[derive(Debug, Clone)]
pub(crate) struct Req {
    pub(crate) operation: &'static Operation,
    pub(crate) path: String,
    pub(crate) params: Vec<(&'static str, String)>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Value,
}

impl Req {
    /// Gives a path parameter.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.params
            .iter()
            .find(|(param, _)| *param == name)
            .map_or("", |(_, value)| value)
    }

    /// Gives the last path parameter: the id, when the path is of one object.
    pub(crate) fn id(&self) -> &str {
        self.params.last().map_or("", |(_, value)| value)
    }

    /// Gives a query parameter, or its default.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let given = self.query.iter().find(|(key, _)| key == name);
        given.map(|(_, value)| value.clone()).or_else(|| {
            match self.operation.query(name)?.default.as_ref()? {
                Value::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            }
        })
    }

    /// Lists the values of a repeated query parameter.
    pub(crate) fn queries<'r>(&'r self, name: &'r str) -> impl Iterator<Item = &'r str> {
        self.query
            .iter()
            .filter(move |(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.query(name).as_deref() == Some("true")
    }

    pub(crate) fn expands(&self, what: &str) -> bool {
        self.queries("expand").any(|word| word == what)
    }
}

#[derive(Debug, Clone, Copy)]
enum Served {
    Crud(&'static Kind, Verb),
    Single(&'static Single),
    By(Handler),
    /// By what the contract alone says, as no family knows better.
    Fallback(&'static Kind, Verb),
}

/// Knows every kind and every operation that is simulated.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    kinds: BTreeMap<&'static str, &'static Kind>,
    /// What no family knows, by path.
    others: BTreeMap<&'static str, &'static Kind>,
    served: BTreeMap<&'static str, Served>,
    /// What is shown of a kind.
    models: BTreeMap<&'static str, &'static Model>,
}

/// Gives the table, built at the first use.
pub(crate) fn registry() -> &'static Registry {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
        let mut registry = Registry::default();
        api::register(&mut registry);
        registry.fall_back();
        registry
    });
    &REGISTRY
}

/// Gives a kind that a family registers, by its name.
pub(crate) fn the_kind(name: &str) -> &'static Kind {
    let kind = registry().kind(name);
    kind.unwrap_or_else(|| panic!("no family registers the kind {name}"))
}

impl Registry {
    /// Serves every contract operation on the paths of these kinds.
    pub(crate) fn kinds_of(&mut self, kinds: &'static [Kind]) {
        for kind in kinds {
            self.kinds.insert(kind.name, kind);
            self.serve_plain(kind, Served::Crud);
        }
    }

    fn serve_plain(&mut self, kind: &'static Kind, served: fn(&'static Kind, Verb) -> Served) {
        for operation in contract().operations() {
            let Some(tail) = operation.path.strip_prefix(kind.path) else {
                continue;
            };
            let is_item =
                tail.starts_with("/{") && tail.ends_with('}') && tail.matches('/').count() == 1;
            let verb = match (operation.method.as_str(), tail) {
                ("GET", "") => Verb::List,
                ("POST", "") => Verb::Create,
                ("GET", _) if is_item => Verb::Read,
                ("PUT", _) if is_item => Verb::Replace,
                ("PATCH", _) if is_item => Verb::Merge,
                ("DELETE", _) if is_item => Verb::Delete,
                _ => continue,
            };
            let served = served(kind, verb);
            // The fallback knows least.
            let known = self.served.contains_key(operation.id.as_str());
            if known && matches!(served, Served::Fallback(..)) {
                continue;
            }
            self.served.insert(&operation.id, served);
            if matches!(verb, Verb::Read | Verb::Create)
                && let Some(Type::Model(name)) = &operation.response
                && let Some(model) = contract().model(name)
            {
                self.models.insert(kind.name, model);
            }
        }
    }

    /// Serves the documents of which an org has one.
    pub(crate) fn singles_of(&mut self, singles: &'static [Single]) {
        for single in singles {
            for operation in contract().operations() {
                let method = operation.method.as_str();
                if operation.path == single.path
                    && ["GET", "PUT", "PATCH", "DELETE"].contains(&method)
                {
                    self.served.insert(&operation.id, Served::Single(single));
                }
            }
        }
    }

    /// Serves what looks like a collection of plain objects and no family serves: it can be listed
    /// and created in, and its objects read.
    fn fall_back(&mut self) {
        let has = |method: &str, path: &str| contract().operation(method, path).is_some();
        for operation in contract().operations() {
            let path = operation.path.as_str();
            let Some((collection, last)) = path.rsplit_once('/') else {
                continue;
            };
            let is_item = operation.method == "GET" && last.starts_with('{');
            let known = |id: &str| self.served.contains_key(id);
            if !is_item
                || known(&operation.id)
                || !has("GET", collection)
                || !has("POST", collection)
            {
                continue;
            }
            let list = contract().operation("GET", collection).expect("looked up");
            if known(&list.id) || list.response.as_ref().is_none_or(|ty| !is_listing(ty)) {
                continue;
            }
            let kind: &'static Kind = Box::leak(Box::new(Kind {
                name: collection,
                path: collection,
                audit: ("", ""),
                key: &[],
                style: match list.query("pageNumber") {
                    Some(_) => Style::Offset,
                    None => Style::Cursor,
                },
                max_page: 500,
                any_filter: true,
                ..Kind::PLAIN
            }));
            self.others.insert(kind.name, kind);
            self.serve_plain(kind, Served::Fallback);
        }
    }

    /// Lists the collections that are listed plainly, with the operations that list them.
    pub(crate) fn collections(&self) -> impl Iterator<Item = (&'static str, &'static Kind)> {
        self.served.iter().filter_map(|(id, served)| match served {
            Served::Crud(kind, Verb::List) => Some((*id, *kind)),
            _ => None,
        })
    }

    /// Lists the documents of which an org has one, by the operations that read them.
    pub(crate) fn documents(&self) -> impl Iterator<Item = Document> {
        self.served.iter().filter_map(|(id, served)| match served {
            Served::Single(single) => contract()
                .operation("GET", single.path)
                .filter(|operation| operation.id == *id)
                .map(|_| Document {
                    read: id,
                    at_first: single.at_first.is_some(),
                }),
            _ => None,
        })
    }

    /// Tells whether only the fallback answers an operation.
    pub(crate) fn is_fallback(&self, operation: &str) -> bool {
        matches!(self.served.get(operation), Some(Served::Fallback(..)))
    }

    /// Serves one operation of the contract by a handler, instead of the generic one if need be.
    pub(crate) fn on(&mut self, method: &str, path: &str, handler: Handler) {
        let operation = contract()
            .operation(method, path)
            .expect("handlers are registered for operations of the contract");
        self.served.insert(&operation.id, Served::By(handler));
    }

    pub(crate) fn kind(&self, name: &str) -> Option<&'static Kind> {
        let known = self.kinds.get(name).or_else(|| self.others.get(name));
        known.copied()
    }

    /// Gives the model of what is shown of a kind.
    pub(crate) fn shown(&self, kind: &str) -> Option<&'static Model> {
        self.models.get(kind).copied()
    }

    pub(crate) fn kinds(&self) -> impl Iterator<Item = &'static Kind> {
        self.kinds.values().copied()
    }

    /// Gives the kind that an operation reads or writes generically.
    pub(crate) fn kind_of(&self, operation: &Operation) -> Option<&'static Kind> {
        if let Some(Served::Crud(kind, _) | Served::Fallback(kind, _)) =
            self.served.get(operation.id.as_str())
        {
            return Some(kind);
        }
        let path = operation.path.split("/{").next().unwrap_or_default();
        self.kinds().find(|kind| kind.path == path)
    }

    /// Names the operations that are simulated.
    pub(crate) fn operations(&self) -> impl Iterator<Item = &'static str> {
        let known = self.served.iter();
        known
            .filter(|(_, served)| !matches!(served, Served::Fallback(..)))
            .map(|(id, _)| *id)
    }

    /// Serves a request.
    pub(crate) fn serve(&self, cx: &mut Cx<'_>, req: &Req) -> Answer {
        match self.served.get(req.operation.id.as_str()) {
            Some(Served::Crud(kind, verb) | Served::Fallback(kind, verb)) => {
                crud::serve(cx, req, kind, *verb)
            }
            Some(Served::Single(single)) => single::serve(cx, req, single),
            Some(Served::By(handler)) => handler(cx, req),
            None => Err(Refusal::not_simulated(format!(
                "The simulator does not know {} {} yet.",
                req.operation.method, req.operation.path
            ))),
        }
    }
}

/// Tells whether an answer is a page of objects.
fn is_listing(ty: &Type) -> bool {
    let model = ty.model_name().and_then(|name| contract().model(name));
    model.is_some_and(|model| model.field("entities").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_paths_of_the_contract_and_good_defaults() {
        for kind in registry().kinds() {
            assert!(
                contract()
                    .operations()
                    .iter()
                    .any(|op| op.path.starts_with(kind.path)),
                "{}: {}",
                kind.name,
                kind.path
            );
            let defaults: Value = serde_json::from_str(kind.defaults).expect(kind.name);
            assert!(defaults.is_object(), "{}", kind.name);
        }
    }
}
