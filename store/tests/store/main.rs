//! The store against real servers: the managed cluster on its socket, and a second one over
//! TCP with TLS and a password. Start reading at `servers.rs`.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

/// Lists functions as cases, which `servers.rs` runs, each in a database of its own.
macro_rules! cases {
    ($list:ident: $($name:ident),* $(,)?) => {
        pub const $list: &[crate::servers::Case] =
            &[$((stringify!($name), |bench| Box::pin($name(bench)))),*];
    };
}

mod audit;
mod connect;
mod identity;
mod managed;
mod people;
mod races;
mod roles;
mod servers;
mod slices;
mod upgrade;
