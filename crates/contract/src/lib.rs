//! The Genesys Cloud Platform API v2 contract as data, with a small typed reader.
//!
//! The data (`data/genesys-cloud-v2.json.gz`) is every operation and every model that the vendor's
//! own SDKs know: paths, parameters, permissions, and fields with their types and constraints.
//! It holds no behaviour: status codes, limits and defaults are the business of those who use it.
//! This room knows no kinds and talks to nobody.
//!
//! ```
//! let contract = orgsmith_contract::contract();
//! let route = contract.route("GET", "/api/v2/routing/queues/q-1").unwrap();
//! assert_eq!(route.operation.id, "getRoutingQueue");
//! assert_eq!(route.param("queueId"), Some("q-1"));
//! ```

mod check;
mod load;
mod route;
mod types;

pub use check::{Direction, Problem, ProblemKind};
pub use load::contract;
pub use route::Route;
pub use types::{Contract, Field, Location, Model, Operation, Param, Permissions, Type};
