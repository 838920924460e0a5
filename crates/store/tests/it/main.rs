//! Bundles and state against real files.

mod backup;
mod bundle;
mod desk;
mod fuzz;
#[cfg(feature = "object-store")]
mod gcs;
mod hostile;
#[cfg(feature = "object-store")]
mod objects;
mod past;
mod postgres;
mod state;
