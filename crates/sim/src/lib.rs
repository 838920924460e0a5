//! A simulated Genesys Cloud over HTTP: the ground on which everything else is proved.
//!
//! Many orgs live on one port; the token decides the org. Requests are checked against the API
//! contract, and the behaviour that the contract does not tell (rates, versions, uniqueness,
//! integrity, defaults, delays) comes from this room's own table of kinds. It knows nothing of
//! the catalogue, on purpose: a shared table would make both sides wrong together. Where a fact
//! about the real API is not certain, the stricter reading is simulated.
//!
//! - `config`: what a world is started with; `worldfile`: the same, with seeds, from a file
//! - `sim`, `server`, `admin`: the value, the network, the controls below `/sim/`
//! - `state`: a request on its way through auth, limits, contract and handlers
//! - `kind`, `crud`, `page`, `refs`: plain objects by table; `api`: families with behaviour
//! - `seats`: who holds which licence, and how many there are
//! - `faults`, `ledger`, `clock`, `audit`, `storage`: what tests hold on to
//!
//! To add a family, write `api/<family>.rs` with rows of kinds and handlers, and name it in
//! `api/mod.rs`.

mod admin;
mod api;
mod audit;
mod auth;
mod clock;
mod config;
mod crud;
mod cx;
mod error;
mod events;
mod faults;
mod flowyaml;
mod generate;
mod jobs;
mod kind;
mod ledger;
mod limits;
mod page;
mod refs;
mod routes;
mod search;
mod seats;
mod server;
mod sim;
mod single;
mod state;
mod storage;
mod store;
mod validate;
mod world;
mod worldfile;

pub use clock::ClockMode;
pub use config::{
    ActionAnswer, Beyond, Billing, ClientSpec, Config, Jobs, Lag, Limits, OrgSpec, Relax, Scim,
    Seats, ServiceLimit,
};
pub use events::bridge::{Bridge, BridgeReport};
pub use faults::{FaultAction, FaultRule};
pub use generate::{Generate, GenerateError, Oddity};
pub use ledger::Entry;
pub use sim::{SeedError, Sim, StartError};
pub use worldfile::{SeedRequest, WorldError, WorldFile};

/// Lists the contract's operation ids that the simulator serves.
pub fn operations() -> impl Iterator<Item = &'static str> {
    routes::registry().operations()
}

/// A collection of plain objects, as it is listed.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Collection {
    /// The simulator's kind.
    pub kind: &'static str,
    /// The contract's operation that lists it.
    pub list: &'static str,
    /// The most rows of a page; nothing where everything comes at once.
    pub rows: Option<u32>,
    /// The kind that its objects live in: there is a list for each of them.
    pub parent: Option<&'static str>,
}

/// Lists the collections that are listed plainly, so that calls can be counted.
pub fn collections() -> impl Iterator<Item = Collection> {
    let listed = routes::registry().collections();
    listed.map(|(list, kind)| Collection {
        kind: kind.name,
        list,
        rows: (kind.style != kind::Style::Whole).then_some(kind.max_page),
        parent: kind.parent,
    })
}

/// A document of which an org has one.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Document {
    /// The contract's operation that reads it.
    pub read: &'static str,
    /// Whether a new org has it.
    pub at_first: bool,
}

/// Lists the documents of which an org has one.
pub fn documents() -> impl Iterator<Item = Document> {
    routes::registry().documents()
}
