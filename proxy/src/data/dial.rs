//! From a provider's host to the addresses that are dialled.
//!
//! The name is resolved once, every address is judged, and what was judged is what
//! is dialled: nobody can answer the judge with one address and the connection
//! with another.

use std::io;
use std::net::{IpAddr, SocketAddr};

use lattice_providers::{Egress, TransportError, egress};

/// Addresses of one name that are tried.
const MOST: usize = 4;

/// Up to four addresses of `host` that may be dialled, in the resolver's order;
/// never none. `look_up` is not asked about a host that is an address itself.
///
/// # Errors
/// The host has no address, or none that may be dialled.
pub async fn addresses<L>(
    egress: &Egress,
    host: &str,
    port: u16,
    look_up: L,
) -> Result<Vec<SocketAddr>, TransportError>
where
    L: AsyncFnOnce(&str) -> io::Result<Vec<IpAddr>>,
{
    addresses_as(egress, host, host, port, look_up).await
}

/// The same where the host was not written by whoever configures: it is judged as
/// `face`, which is no address, so that none is meant by it.
pub async fn addresses_as<L>(
    egress: &Egress,
    face: &str,
    host: &str,
    port: u16,
    look_up: L,
) -> Result<Vec<SocketAddr>, TransportError>
where
    L: AsyncFnOnce(&str) -> io::Result<Vec<IpAddr>>,
{
    let unreached = |why: String| TransportError::Unreached(format!("{host}: {why}"));
    let found = match egress::literal(host) {
        Some(address) => vec![address],
        None => look_up(host)
            .await
            .map_err(|error| unreached(error.to_string()))?,
    };
    let mut forbidden = None;
    let mut admitted = Vec::new();
    for address in found {
        match egress.admit(face, address) {
            Ok(()) => admitted.push(SocketAddr::new(address, port)),
            Err(why) => forbidden = forbidden.or(Some(why)),
        }
    }
    admitted.truncate(MOST);
    match forbidden {
        _ if !admitted.is_empty() => Ok(admitted),
        Some(why) => Err(TransportError::Forbidden(why.to_string())),
        None => Err(unreached("the name has no address".into())),
    }
}

/// Asks the system.
pub async fn look_up(host: &str) -> io::Result<Vec<IpAddr>> {
    let found = tokio::net::lookup_host((host, 0)).await?;
    Ok(found.map(|address| address.ip()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn resolved(egress: &Egress, host: &str, to: &[&str]) -> Result<Vec<String>, String> {
        let found = to.iter().map(|address| address.parse().unwrap());
        let found: Vec<IpAddr> = found.collect();
        let dialled = addresses(egress, host, 80, async |_| Ok(found)).await;
        let dialled = dialled.map_err(|error| error.to_string())?;
        Ok(dialled.iter().map(ToString::to_string).collect())
    }

    #[tokio::test]
    async fn a_name_that_turns_out_to_be_this_machine_is_not_dialled() {
        let egress = Egress::default();
        for host in ["llm.example", "localhost.example"] {
            assert_eq!(
                resolved(&egress, host, &["127.0.0.1"]).await,
                Err(format!(
                    "not dialled: {host} is at 127.0.0.1, a loopback address; if that is meant, add 127.0.0.1 to security.egress.allow"
                ))
            );
        }
        assert_eq!(
            resolved(&egress, "localhost", &["127.0.0.1", "::1"]).await,
            Ok(vec!["127.0.0.1:80".into(), "[::1]:80".into()])
        );
    }

    #[tokio::test]
    async fn only_what_was_judged_is_dialled() {
        let egress = Egress::default();
        assert_eq!(
            resolved(
                &egress,
                "h",
                &["10.0.0.1", "8.8.8.8", "169.254.169.254", "1.1.1.1"]
            )
            .await,
            Ok(vec!["8.8.8.8:80".into(), "1.1.1.1:80".into()])
        );
        let many = ["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4", "1.1.1.5"];
        assert_eq!(resolved(&egress, "h", &many).await.unwrap().len(), 4);
        assert_eq!(
            resolved(&egress, "h", &[]).await,
            Err("no connection: h: the name has no address".into())
        );
    }

    #[tokio::test]
    async fn a_literal_is_not_looked_up() {
        let never = async |host: &str| panic!("{host} is looked up");
        let dialled = addresses(&Egress::default(), "[::1]", 8000, never).await;
        assert_eq!(dialled.unwrap(), ["[::1]:8000".parse().unwrap()]);
    }
}
