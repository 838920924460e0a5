//! What each call of the API asks for, as the API contract says.
//!
//! The contract itself is no part of the program; `catalogue/permissions.txt` is made from it, one
//! call a line, whatever kinds there are. A test holds the file against the contract.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// The file: `METHOD path all|any|unknown permission…`.
const TEXT: &str = include_str!("../../catalogue/permissions.txt");

/// What a call asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// Every one of them.
    All(Vec<&'static str>),
    /// One of them.
    Any(Vec<&'static str>),
    /// The contract does not say how they combine, or says nothing at all.
    Unknown,
}

/// A call: method and path.
pub(super) type Call = (&'static str, &'static str);

/// Knows what each call asks for.
#[derive(Debug)]
pub(super) struct Facts {
    /// By path and method.
    calls: BTreeMap<&'static str, BTreeMap<&'static str, Asks>>,
    users: BTreeMap<&'static str, BTreeSet<Call>>,
}

impl Facts {
    pub(super) fn get() -> &'static Self {
        static FACTS: LazyLock<Facts> = LazyLock::new(|| Facts::read(TEXT));
        &FACTS
    }

    fn read(text: &'static str) -> Self {
        let mut calls: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        let mut users: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split_ascii_whitespace();
            let (Some(method), Some(path), Some(how)) = (words.next(), words.next(), words.next())
            else {
                continue;
            };
            let names: Vec<&str> = words.collect();
            for name in &names {
                users.entry(*name).or_default().insert((method, path));
            }
            let asks = match how {
                "unknown" => Asks::Unknown,
                // One of one is all.
                "any" if names.len() > 1 => Asks::Any(names),
                _ => Asks::All(names),
            };
            calls.entry(path).or_default().insert(method, asks);
        }
        Self { calls, users }
    }

    /// Returns what a call asks for; nothing where it asks for no permission.
    pub(super) fn asks(&self, method: &str, path: &str) -> Option<&Asks> {
        self.calls.get(path)?.get(method)
    }

    /// Returns the calls that name a permission.
    pub(super) fn calls_of(&self, permission: &str) -> impl Iterator<Item = (Call, &Asks)> {
        let calls = self.users.get(permission).into_iter().flatten();
        calls.filter_map(|call| Some((*call, self.asks(call.0, call.1)?)))
    }

    /// Returns every permission that the contract names.
    pub(super) fn permissions(&self) -> impl Iterator<Item = &'static str> {
        self.users.keys().copied()
    }
}
