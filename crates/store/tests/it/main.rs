//! Bundles and state against real files.

mod bundle;
mod hostile;
mod state;
