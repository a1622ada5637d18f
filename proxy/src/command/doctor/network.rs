//! The addresses that we listen on, and the providers that we call.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use lattice_providers::{Egress, Provider};
use serde_json::Value;
use ureq::tls::TlsConfig;

use super::check::Check;
use super::known::Known;
use crate::listen::Origin;
use crate::tls::{Files, moment};

/// How long a name may take to resolve and a connection to be accepted, together.
const PATIENCE: Duration = Duration::from_secs(2);

/// Looks at the listeners and at every provider elsewhere.
pub fn look(known: &Known) -> Vec<Check> {
    let mut checks = match known.listeners {
        Ok((clients, admin)) => {
            let tls = known.tls.iter().any(|files| files.at == "server.admin_tls");
            listeners(
                clients,
                Origin {
                    address: admin,
                    tls,
                },
            )
        }
        Err(_) => Vec::new(),
    };
    checks.extend(known.tls.iter().map(certificate));
    checks.extend(providers(known.remotes().cloned().collect(), &known.egress));
    checks
}

/// The files of a listener, as the server reads them.
fn certificate(files: &Files) -> Check {
    match files.load() {
        Ok(identity) => Check::ok(
            files.at,
            format!("certificate until {}", moment(identity.not_after)),
        ),
        Err(error) => Check::failed(
            files.at,
            &error.to_string(),
            "; ",
            "correct the file that is named",
        ),
    }
}

fn listeners(clients: SocketAddr, origin: Origin) -> Vec<Check> {
    let admin = origin.address;
    let (listen, admin_listen) = ("server.listen", "server.admin_listen");
    let clients_free = TcpListener::bind(clients);
    let first = match &clients_free {
        Ok(_) => free(listen, clients),
        // The admin listener tells who it is and leaves no trace in the audit.
        Err(error) => taken(listen, clients, error, ask(origin)),
    };
    let second = if clients == admin && admin.port() != 0 {
        Check::fail(
            admin_listen,
            format!("{admin} is the address of server.listen too"),
            format!("set it to another, for instance {}", next(admin)),
        )
    } else {
        match TcpListener::bind(admin) {
            Ok(_) => free(admin_listen, admin),
            Err(error) => taken(admin_listen, admin, &error, ask(origin)),
        }
    };
    vec![first, second]
}

fn free(name: &str, address: SocketAddr) -> Check {
    Check::ok(
        name,
        match address.port() {
            0 => format!("{address}: any free port"),
            _ => format!("{address} is free"),
        },
    )
}

fn taken(name: &str, address: SocketAddr, error: &std::io::Error, answer: Answer) -> Check {
    match (error.kind(), answer) {
        (ErrorKind::AddrInUse, Answer::Ready) => {
            Check::ok(name, format!("{address} is served by a running Lattice"))
        }
        (ErrorKind::AddrInUse, Answer::Unready(why)) => Check::warn(
            name,
            format!("{address} is served by a running Lattice that is not ready"),
            why,
        ),
        (ErrorKind::AddrInUse, Answer::Stranger) => Check::fail(
            name,
            format!("{address} is in use by another program"),
            format!(
                "set {name} to another, for instance {}, or stop that program; {}",
                next(address),
                who_listens(address.port())
            ),
        ),
        (ErrorKind::PermissionDenied, _) => Check::fail(
            name,
            format!("{address}: {error}"),
            "ports below 1024 are root's; choose a higher one",
        ),
        _ => Check::fail(
            name,
            format!("{address}: {error}"),
            "choose an address of this machine, for instance 127.0.0.1:8080",
        ),
    }
}

fn who_listens(port: u16) -> String {
    if cfg!(target_os = "linux") {
        format!("`ss -ltnp 'sport = :{port}'` shows which")
    } else {
        format!("`lsof -nP -iTCP:{port} -sTCP:LISTEN` shows which")
    }
}

/// A neighbour that is likely to be free.
fn next(mut address: SocketAddr) -> SocketAddr {
    address.set_port(address.port().checked_add(10).unwrap_or(8080));
    address
}

/// Who answers at an admin address.
enum Answer {
    /// A Lattice that serves.
    Ready,
    /// A Lattice that says what it lacks.
    Unready(String),
    /// Somebody else, or nobody.
    Stranger,
}

/// `/readyz` and not `/healthz`, which many programs have: the parts that it names are
/// Lattice's own.
fn ask(admin: Origin) -> Answer {
    // Who is asked is told by the address; nothing is sent that another may not see.
    let tls = TlsConfig::builder().disable_verification(true).build();
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .tls_config(tls)
        .timeout_global(Some(PATIENCE * 2))
        .build()
        .into();
    let answer = agent
        .get(format!("{admin}/readyz"))
        .call()
        .and_then(|mut response| {
            let body = response.body_mut().with_config().limit(64 << 10);
            body.read_to_vec()
        });
    let ready: Value = answer
        .ok()
        .and_then(|body| serde_json::from_slice(&body).ok())
        .unwrap_or_default();
    let Some(parts) = ready["parts"].as_object() else {
        return Answer::Stranger;
    };
    if !parts.contains_key("journal") {
        return Answer::Stranger;
    }
    if ready["ready"] == true {
        return Answer::Ready;
    }
    let lacks: Vec<String> = parts
        .iter()
        .filter(|(_, part)| part["ok"] == false)
        .map(|(name, part)| format!("{name}: {}", part["state"].as_str().unwrap_or_default()))
        .collect();
    Answer::Unready(format!("{} (curl {admin}/readyz)", lacks.join("; ")))
}

/// All at once, each with a thread of its own: a name that does not resolve holds up no
/// other, nor the end of this program.
fn providers(providers: Vec<Provider>, egress: &Egress) -> Vec<Check> {
    let asked: Vec<_> = providers
        .into_iter()
        .map(|provider| {
            let (tell, told) = mpsc::channel();
            let (host, port) = (provider.host.clone(), provider.port);
            let egress = egress.clone();
            thread::spawn(move || tell.send(connect(&egress, &host, port)));
            (provider, told)
        })
        .collect();
    let judged = asked.into_iter().map(|(provider, told)| {
        let reached = told
            .recv_timeout(PATIENCE + Duration::from_millis(200))
            .unwrap_or_else(|_| {
                let patience = PATIENCE.as_secs();
                Err(Unreached::Closed(format!("no answer within {patience} s")))
            });
        judge(&provider, reached)
    });
    judged.collect()
}

/// Why a provider was not reached.
enum Unreached {
    /// Its name has no address.
    Nameless,
    /// The gateway would not dial it; why, and the mend.
    Forbidden(String),
    /// What the system said of the last address.
    Closed(String),
}

/// Opens a connection and closes it; nothing is sent. What the gateway would not dial is
/// not dialled here either.
fn connect(egress: &Egress, host: &str, port: u16) -> Result<(), Unreached> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let addresses = (bare, port).to_socket_addrs();
    let addresses = addresses.map_err(|_| Unreached::Nameless)?;
    let mut unreached = Unreached::Nameless;
    for address in admitted(egress, host, addresses)? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                unreached = Unreached::Closed(format!("{address} refuses connections"));
            }
            Err(error) => unreached = Unreached::Closed(format!("{address}: {error}")),
        }
    }
    Err(unreached)
}

/// The addresses of `host` that the gateway would dial.
fn admitted(
    egress: &Egress,
    host: &str,
    addresses: impl Iterator<Item = SocketAddr>,
) -> Result<Vec<SocketAddr>, Unreached> {
    let mut forbidden = None;
    let mut admitted = Vec::new();
    for address in addresses {
        match egress.admit(host, address.ip()) {
            Ok(()) => admitted.push(address),
            Err(why) => forbidden = forbidden.or(Some(why)),
        }
    }
    match forbidden {
        Some(why) if admitted.is_empty() => Err(Unreached::Forbidden(why.to_string())),
        _ => Ok(admitted),
    }
}

fn judge(provider: &Provider, reached: Result<(), Unreached>) -> Check {
    let Provider {
        name, host, port, ..
    } = provider;
    let title = format!("provider {name}");
    match reached {
        Ok(()) => Check::ok(title, format!("{host}:{port} accepts connections")),
        Err(Unreached::Nameless) => Check::warn(
            title,
            format!("{host} has no address"),
            format!("correct providers.{name}.base_url, or this machine's name service"),
        ),
        Err(Unreached::Forbidden(why)) => {
            let (found, mend) = why.split_once("; ").unwrap_or((&why, ""));
            let mend = format!("{mend}; else correct providers.{name}.base_url");
            Check::fail(title, format!("not dialled: {found}"), mend)
        }
        Err(Unreached::Closed(why)) => Check::warn(
            title,
            why,
            format!(
                "start it, correct providers.{name}.base_url, or open the network's way to {host}:{port}"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(allow: &[&str], host: &str, to: &[&str]) -> Result<Vec<String>, String> {
        let egress = Egress::allowing(allow).expect("addresses");
        let addresses = to
            .iter()
            .map(|address| address.parse().expect("an address"));
        match admitted(&egress, host, addresses) {
            Ok(admitted) => Ok(admitted.iter().map(ToString::to_string).collect()),
            Err(Unreached::Forbidden(why)) => Err(why),
            Err(_) => unreachable!("nothing is dialled"),
        }
    }

    #[test]
    fn only_what_the_gateway_would_dial_is_dialled() {
        let private = ["10.0.0.5:8000"];
        assert_eq!(
            found(&[], "llm.example", &private),
            Err("llm.example is at 10.0.0.5, a private address; if that is meant, add 10.0.0.5 to security.egress.allow".into())
        );
        assert_eq!(
            found(&["10.0.0.0/8"], "llm.example", &private),
            Ok(vec!["10.0.0.5:8000".into()])
        );
        assert_eq!(
            found(&[], "llm.example", &["10.0.0.5:80", "8.8.8.8:80"]),
            Ok(vec!["8.8.8.8:80".into()])
        );
    }
}
