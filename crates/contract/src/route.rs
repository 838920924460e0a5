//! From a concrete path to its operation.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::types::{Contract, Operation};

/// Represents a request's path and method, resolved.
#[derive(Debug, Clone)]
pub struct Route<'c> {
    /// The operation asked for.
    pub operation: &'c Operation,
    /// The path parameters, percent-decoded, in the order of the path.
    pub params: Vec<(&'c str, String)>,
}

impl Route<'_> {
    /// Gives the value of a path parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|(param, _)| *param == name)
            .map(|(_, value)| value.as_str())
    }
}

impl Contract {
    /// Resolves a concrete path, without its query; a literal segment wins over a parameter.
    pub fn route(&self, method: &str, path: &str) -> Option<Route<'_>> {
        let index = *self.routes.find(path)?.methods.get(method)?;
        let operation = &self.operations[index];
        let params = operation
            .path
            .split('/')
            .zip(path.split('/'))
            .filter_map(|(slot, value)| {
                let name = parameter(slot)?;
                Some((name, percent_decode(value).into_owned()))
            })
            .collect();
        Some(Route { operation, params })
    }

    /// Lists the methods that a concrete path answers to; none means that there is no such path.
    pub fn allowed_methods(&self, path: &str) -> Vec<&str> {
        self.routes
            .find(path)
            .map(|node| node.methods.keys().map(String::as_str).collect())
            .unwrap_or_default()
    }
}

/// A tree of path segments.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    root: Node,
    templates: BTreeMap<String, BTreeMap<String, usize>>,
}

#[derive(Debug, Default)]
struct Node {
    literals: BTreeMap<String, Node>,
    parameter: Option<Box<Node>>,
    methods: BTreeMap<String, usize>,
}

impl Routes {
    pub(crate) fn new(operations: &[Operation]) -> Self {
        let mut routes = Self::default();
        for (index, operation) in operations.iter().enumerate() {
            let mut node = &mut routes.root;
            for segment in segments(&operation.path) {
                node = match parameter(segment) {
                    Some(_) => node.parameter.get_or_insert_default(),
                    None => node.literals.entry(segment.to_owned()).or_default(),
                };
            }
            node.methods.insert(operation.method.clone(), index);
            routes
                .templates
                .entry(operation.path.clone())
                .or_default()
                .insert(operation.method.clone(), index);
        }
        routes
    }

    pub(crate) fn template(&self, method: &str, template: &str) -> Option<usize> {
        self.templates.get(template)?.get(method).copied()
    }

    fn find(&self, path: &str) -> Option<&Node> {
        if !path.starts_with('/') {
            return None;
        }
        let segments: Vec<&str> = segments(path).collect();
        self.root.find(&segments)
    }
}

impl Node {
    fn find(&self, segments: &[&str]) -> Option<&Self> {
        let Some((first, rest)) = segments.split_first() else {
            return (!self.methods.is_empty()).then_some(self);
        };
        self.literals
            .get(*first)
            .and_then(|node| node.find(rest))
            .or_else(|| {
                self.parameter
                    .as_ref()
                    .filter(|_| !first.is_empty())
                    .and_then(|node| node.find(rest))
            })
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

fn parameter(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

fn percent_decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let code = (byte == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code {
            Some(code) => {
                bytes.push(code);
                rest = &tail[2..];
            }
            None => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use crate::contract;

    #[test]
    fn a_literal_segment_wins_over_a_parameter() {
        let search = contract().route("POST", "/api/v2/users/search").unwrap();
        assert_eq!(search.operation.id, "postUsersSearch");
        let user = contract().route("GET", "/api/v2/users/u%201").unwrap();
        assert_eq!(user.operation.path, "/api/v2/users/{userId}");
        assert_eq!(user.param("userId"), Some("u 1"));
    }

    #[test]
    fn a_literal_that_leads_nowhere_gives_way_to_a_parameter() {
        let route = contract()
            .route("GET", "/api/v2/users/search/queues")
            .unwrap();
        assert_eq!(route.operation.path, "/api/v2/users/{userId}/queues");
    }

    #[test]
    fn an_unknown_path_has_no_methods_and_a_known_one_lists_them() {
        assert!(contract().route("GET", "/api/v2/orgs/1/export").is_none());
        assert!(
            contract()
                .allowed_methods("/api/v2/orgs/1/export")
                .is_empty()
        );
        assert!(contract().route("PUT", "/api/v2/users").is_none());
        assert_eq!(contract().allowed_methods("/api/v2/users"), ["GET", "POST"]);
        assert!(contract().allowed_methods("/api/v2/users/").is_empty());
    }

    #[test]
    fn every_operation_is_found_by_its_own_path() {
        for op in contract().operations() {
            assert_eq!(
                contract().operation(&op.method, &op.path).unwrap().id,
                op.id
            );
            let path: Vec<String> = op
                .path
                .split('/')
                .map(|segment| match super::parameter(segment) {
                    Some(_) => "0b9f".to_owned(),
                    None => segment.to_owned(),
                })
                .collect();
            let route = contract().route(&op.method, &path.join("/")).unwrap();
            assert_eq!(route.operation.id, op.id);
        }
    }
}
