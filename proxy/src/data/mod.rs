//! The data path: from a client's socket to the pipeline and back.
//!
//! `listener` accepts, `routes` names what is asked, `arrival` reads the body
//! once gate 1 has passed, `stream` passes the reply on and has `tools` judge what it
//! asks the caller to run, `respond` writes what is ours to say, `transport` reaches
//! upstreams over HTTP, `documents` gets the keys of OpenID providers, `local` reaches
//! models in this process. pingora is named here alone.

pub mod arrival;
mod coalesce;
mod credential;
mod dial;
pub mod documents;
mod encrypted;
mod forward;
mod framing;
mod layer;
pub mod listener;
mod listing;
pub mod local;
pub mod pool;
mod ratelimits;
mod reader;
pub mod respond;
pub mod routes;
pub mod serve;
pub mod stream;
mod strict;
mod tools;
pub mod transport;
