//! Opens the listeners and serves them.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd as _;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use pingora::server::{Fds, ShutdownWatch};
use pingora::services::Service as _;
use pingora::services::listening::Service;
use tokio::task::JoinSet;

use crate::admin;
use crate::command::CommandError;
use crate::config::Config;
use crate::data::listener::Listener;
use crate::gateway::Gateway;
use crate::say::say;
use crate::tls::{Acceptor, Files, Handshakes};
use crate::watch::Watch;

/// Sockets that accept, before anything answers on them.
pub struct Listeners {
    clients: Bound,
    admin: Bound,
}

struct Bound {
    socket: TcpListener,
    /// With the watch over its files.
    tls: Option<(Acceptor, Watch)>,
}

impl Listeners {
    /// Those of them that speak TLS.
    pub fn acceptors(&self) -> Vec<Acceptor> {
        let tls = [&self.clients.tls, &self.admin.tls].into_iter().flatten();
        tls.map(|(acceptor, _)| acceptor.clone()).collect()
    }
}

/// Where they really listen: port 0 has become a port.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// Clients.
    pub clients: Origin,
    /// Admin.
    pub admin: Origin,
}

/// An address and what is spoken there; shown as the beginning of a URL.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// Where.
    pub address: SocketAddr,
    /// `https` instead of `http`.
    pub tls: bool,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(formatter, "{scheme}://{}", self.address)
    }
}

/// Binds both listeners first of all, so that a port that is taken is found before a
/// database is started; and so is a certificate that nobody would accept.
pub fn bind(config: &Config) -> Result<(Listeners, Addresses), CommandError> {
    let bind = |key: &str, address: SocketAddr| {
        TcpListener::bind(address)
            .map_err(|error| CommandError::Failed(format!("{key}: cannot listen on {address}: {error}; choose another address, or stop what uses it")))
    };
    let tls = |listener: &'static str, files: Option<&Files>| {
        files
            .map(|files| Acceptor::open(listener, files))
            .transpose()
    };
    let listeners = Listeners {
        clients: Bound {
            tls: tls("clients", config.tls.as_ref())?,
            socket: bind("server.listen", config.listen)?,
        },
        admin: Bound {
            tls: tls("admin", config.admin_tls.as_ref())?,
            socket: bind("server.admin_listen", config.admin_listen)?,
        },
    };
    let origin = |bound: &Bound| -> std::io::Result<Origin> {
        Ok(Origin {
            address: bound.socket.local_addr()?,
            tls: bound.tls.is_some(),
        })
    };
    let addresses = Addresses {
        clients: origin(&listeners.clients)?,
        admin: origin(&listeners.admin)?,
    };
    Ok((listeners, addresses))
}

/// Serves both until the watch says stop; connections that run are not cut.
pub fn serve(
    Listeners { clients, admin }: Listeners,
    gateway: &Arc<Gateway>,
    stop: &ShutdownWatch,
) -> Result<JoinSet<()>, CommandError> {
    let mut serving = JoinSet::new();
    let tls = followed(clients.tls, &mut serving);
    let name = clients.socket.local_addr()?.to_string();
    let mut service = Service::new("clients".into(), Listener::new(gateway.clone(), tls));
    service.add_tcp(&name);
    // pingora takes over a socket that is open already, as it does in an upgrade.
    clients.socket.set_nonblocking(true)?;
    let mut sockets = Fds::new();
    sockets.add(name, clients.socket.into_raw_fd());
    let watch = stop.clone();
    serving.spawn(async move {
        service
            .start_service(Some(Arc::new(Mutex::new(sockets))), watch, 1)
            .await
    });
    let tls = followed(admin.tls, &mut serving);
    admin.socket.set_nonblocking(true)?;
    let socket = tokio::net::TcpListener::from_std(admin.socket)?;
    let router = admin::router(gateway.clone());
    serving.spawn(async move {
        // The admin listener answers to the last: it tells how the stop goes.
        let served = match tls {
            Some(tls) => axum::serve(Handshakes::new(socket, tls), router).await,
            None => axum::serve(socket, router).await,
        };
        if let Err(error) = served {
            tracing::error!(%error, "the admin listener ended");
        }
    });
    Ok(serving)
}

/// The acceptor, whose files are taken over from here on as they change.
fn followed(tls: Option<(Acceptor, Watch)>, serving: &mut JoinSet<()>) -> Option<Acceptor> {
    let (acceptor, watch) = tls?;
    serving.spawn(acceptor.clone().follow(watch));
    Some(acceptor)
}

/// Says where the gateway is and how to ask it.
pub fn announce(addresses: Addresses, gateway: &Gateway) {
    let Addresses { clients, admin } = addresses;
    let configured = gateway
        .catalog
        .now()
        .models()
        .next()
        .map(|(name, _)| name.to_owned());
    let model = configured.unwrap_or_else(|| match gateway.providers.first() {
        // With nothing configured this is OpenAI itself; any other has its own names.
        Some(provider) if provider == "openai" => "openai/gpt-5-mini".to_owned(),
        Some(provider) => format!("{provider}/MODEL"),
        None => "MODEL".to_owned(),
    });
    say!("lattice listens on {clients}/v1 (clients) and {admin} (admin)");
    say!("make a key:  lattice key create --name me");
    say!(
        "then:        curl {clients}/v1/chat/completions -H \"Authorization: Bearer $LATTICE_KEY\" -H 'Content-Type: application/json' -d '{{\"model\":\"{model}\",\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"Hello\"}}]}}'"
    );
    if let Some(file) = gateway.admin_key.made() {
        announce_admin_key(file);
    }
}

/// Shown once on a terminal; elsewhere it stays in its file.
fn announce_admin_key(file: &Path) {
    use std::io::IsTerminal as _;
    let shown = if std::io::stdout().is_terminal() {
        std::fs::read_to_string(file).and_then(|key| std::fs::remove_file(file).map(|()| key))
    } else {
        Err(std::io::ErrorKind::Unsupported.into())
    };
    match shown {
        Ok(key) => say!(
            "admin key:   {} (shown this once; the admin API asks for it)",
            key.trim()
        ),
        Err(_) => say!(
            "admin key:   in {} (the admin API asks for it)",
            file.display()
        ),
    }
}
