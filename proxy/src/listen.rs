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

/// Sockets that accept, before anything answers on them.
pub struct Listeners {
    clients: TcpListener,
    admin: TcpListener,
}

/// Where they really listen: port 0 has become a port.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// Clients.
    pub clients: SocketAddr,
    /// Admin.
    pub admin: SocketAddr,
}

/// Binds both listeners first of all, so that a port that is taken is found
/// before a database is started.
pub fn bind(config: &Config) -> Result<(Listeners, Addresses), CommandError> {
    let bind = |key: &str, address: SocketAddr| {
        TcpListener::bind(address)
            .map_err(|error| CommandError::Failed(format!("{key}: cannot listen on {address}: {error}; choose another address, or stop what uses it")))
    };
    let clients = bind("server.listen", config.listen)?;
    let admin = bind("server.admin_listen", config.admin_listen)?;
    let addresses = Addresses {
        clients: clients.local_addr()?,
        admin: admin.local_addr()?,
    };
    Ok((Listeners { clients, admin }, addresses))
}

/// Serves both until the watch says stop; connections that run are not cut.
pub fn serve(
    listeners: Listeners,
    addresses: Addresses,
    gateway: &Arc<Gateway>,
    stop: &ShutdownWatch,
) -> Result<JoinSet<()>, CommandError> {
    let mut serving = JoinSet::new();
    let name = addresses.clients.to_string();
    let mut service = Service::new("clients".into(), Listener::new(gateway.clone()));
    service.add_tcp(&name);
    // pingora takes over a socket that is open already, as it does in an upgrade.
    listeners.clients.set_nonblocking(true)?;
    let mut sockets = Fds::new();
    sockets.add(name, listeners.clients.into_raw_fd());
    let watch = stop.clone();
    serving.spawn(async move {
        service
            .start_service(Some(Arc::new(Mutex::new(sockets))), watch, 1)
            .await
    });
    listeners.admin.set_nonblocking(true)?;
    let admin = tokio::net::TcpListener::from_std(listeners.admin)?;
    let router = admin::router(gateway.clone());
    serving.spawn(async move {
        // The admin listener answers to the last: it tells how the stop goes.
        if let Err(error) = axum::serve(admin, router).await {
            tracing::error!(%error, "the admin listener ended");
        }
    });
    Ok(serving)
}

/// Says where the gateway is and how to ask it.
pub fn announce(addresses: Addresses, gateway: &Gateway) {
    let Addresses { clients, admin } = addresses;
    let configured = gateway
        .catalog
        .models()
        .next()
        .map(|(name, _)| name.to_owned());
    let model = configured.unwrap_or_else(|| match gateway.providers.first() {
        // With nothing configured this is OpenAI itself; any other has its own names.
        Some(provider) if provider == "openai" => "openai/gpt-5-mini".to_owned(),
        Some(provider) => format!("{provider}/MODEL"),
        None => "MODEL".to_owned(),
    });
    say!("lattice listens on http://{clients}/v1 (clients) and http://{admin} (admin)");
    say!("make a key:  lattice key create --name me");
    say!(
        "then:        curl http://{clients}/v1/chat/completions -H \"Authorization: Bearer $LATTICE_KEY\" -H 'Content-Type: application/json' -d '{{\"model\":\"{model}\",\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"Hello\"}}]}}'"
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
