//! The client against a scripted server: what leaves, what comes back, what is sent again.

mod paging;
mod probe;
mod secrets;
mod sending;
mod server;
mod sockets;
mod tls;
mod tokens;
mod transfers;
