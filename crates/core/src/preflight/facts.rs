//! What an org says of itself, or why it does not.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{LIMITS_PERMISSION, Question};
use crate::id::ObjectRef;
use crate::permissions::{self, Lacks};

/// Why something is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// The call: `GET /api/v2/billing/contracts`.
    pub call: String,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// What came of it.
    pub reason: String,
    /// The permissions of which it asks for one, where one may be what lacks.
    pub permissions: Vec<String>,
}

impl Unread {
    /// Says why a call told nothing; `status` is what it was answered, if it was.
    pub fn new(method: &str, path: &str, status: Option<u16>, reason: String) -> Self {
        let of_contract = permissions::asked(method, path);
        let names: Vec<String> = match status {
            Some(403) if path.contains("/limits/namespaces") => vec![LIMITS_PERMISSION.to_owned()],
            Some(403) => of_contract.into_iter().map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        Self {
            call: format!("{method} {path}"),
            status,
            reason,
            permissions: names,
        }
    }
}

/// Something that was asked for.
pub type Told<T> = Result<T, Unread>;

/// What one product costs in a billing period.
#[derive(Clone, Debug, PartialEq)]
pub struct Charge {
    /// What the product is called: its name, its SKU, its id.
    pub names: Vec<String>,
    /// The quantity that is paid for.
    pub prepaid: f64,
    /// The quantity in use.
    pub used: f64,
}

/// What an org says of itself. What was not asked for, as nothing depends on it, is absent.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The licences that answer each question.
    pub inferred: BTreeMap<Question, Told<BTreeSet<String>>>,
    /// The questions that the source answered, as the target did not.
    pub by_source: BTreeSet<Question>,
    /// The licences that the org has.
    pub licences: Option<Told<BTreeSet<String>>>,
    /// Who is left out of the plan for want of a licence that the org does not have, by licence.
    pub left_out: BTreeMap<String, BTreeSet<ObjectRef>>,
    /// What is paid for, and used, in the open billing periods.
    pub charges: Option<Told<Vec<Charge>>>,
    /// The licences of users, by their ids.
    pub holders: Option<Told<BTreeMap<String, BTreeSet<String>>>>,
    /// The limits of each namespace, by key.
    pub limits: BTreeMap<&'static str, Told<BTreeMap<String, u64>>>,
    /// What the token lacks for the plan.
    pub lacks: Option<Told<Lacks>>,
    /// The products of the target, and of the source where that is an org.
    pub products: Option<Told<[BTreeSet<String>; 2]>>,
    /// How many phone numbers are free.
    pub free_numbers: Option<Told<u64>>,
    /// How much of each medium the org lets a person have at once.
    pub capacity: Option<Told<BTreeMap<String, u64>>>,
    /// API calls that it took.
    pub calls: u64,
}

/// Reads a list of texts; anything else in it is passed over.
pub fn texts(body: &Value) -> BTreeSet<String> {
    let items = body.as_array().into_iter().flatten();
    items
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

/// Reads the ids of a list of objects.
pub fn page_texts(objects: &[Value]) -> BTreeSet<String> {
    let ids = objects.iter().filter_map(|object| object["id"].as_str());
    ids.map(str::to_owned).collect()
}

/// Reads which users hold which licences.
pub fn holders(rows: &[Value]) -> BTreeMap<String, BTreeSet<String>> {
    let rows = rows.iter().filter_map(|row| {
        let id = row["id"].as_str()?;
        Some((id.to_owned(), texts(&row["licenses"])))
    });
    rows.collect()
}

/// Reads the limits of a namespace.
pub fn limits_of(body: &Value) -> BTreeMap<String, u64> {
    let limits = body["entities"].as_array().into_iter().flatten();
    limits
        .filter_map(|limit| Some((limit["key"].as_str()?.to_owned(), limit["value"].as_u64()?)))
        .collect()
}

/// Reads which contract has which open billing period.
pub fn open_periods(contracts: &[Value]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for contract in contracts {
        let periods = contract["billingPeriods"].as_array().into_iter().flatten();
        for period in periods.filter(|period| period["status"] == "Open") {
            if let (Some(contract), Some(period)) = (contract["id"].as_str(), period["id"].as_str())
            {
                found.push((contract.to_owned(), period.to_owned()));
            }
        }
    }
    found
}

impl Charge {
    /// Reads the charges of a billing period.
    pub fn read(period: &Value) -> Vec<Self> {
        let charges = period["charges"].as_array().into_iter().flatten();
        charges
            .filter_map(|charge| {
                let product = &charge["product"];
                let names = ["name", "sku", "id"].map(|name| product[name].as_str());
                let quantity = |name: &str| charge[name].as_f64().filter(|q| q.is_finite());
                Some(Self {
                    names: names.into_iter().flatten().map(str::to_owned).collect(),
                    prepaid: quantity("prepaidQuantity")?,
                    used: quantity("actualQuantity").unwrap_or(0.0),
                })
            })
            .collect()
    }

    /// Tells whether it is for seats of a licence: contracts spell it in their own way.
    pub(crate) fn is_for(&self, licence: &str) -> bool {
        let wanted = plain(licence);
        self.names.iter().any(|name| {
            let name = plain(name);
            let short = name.strip_prefix("genesys");
            let shorter = short.and_then(|name| name.strip_prefix("cloud"));
            [Some(name.as_str()), short, shorter]
                .into_iter()
                .flatten()
                .any(|name| name == wanted)
        })
    }
}

/// Reduces a name to its letters and digits.
fn plain(name: &str) -> String {
    let kept = name.chars().filter(char::is_ascii_alphanumeric);
    kept.map(|c| c.to_ascii_lowercase()).collect()
}
