//! Links over QUIC with mutual TLS: one connection for each pair of nodes, and one more while a snapshot is sent.
//!
//! Both sides prove by certificate which node they are, and the node table says whether it belongs. Congestion control is BBR: with two
//! lost packets in a hundred the default delivers a tenth of what is sent (research/cluster.md 3).

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures_util::future::BoxFuture;
use proto::id::NodeId;
use quinn::{
    ClientConfig, Connection, Endpoint, IdleTimeout, ServerConfig, TransportConfig, VarInt,
    congestion::BbrConfig,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use rustls::{
    RootCertStore,
    client::verify_server_name,
    pki_types::{CertificateDer, ServerName},
    server::{ParsedCertificate, WebPkiClientVerifier},
};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

use super::{INCOMING_MAX, Incoming, Lane, LinkError, Peers, Stream, Transport, memory, pki};

const ALPN: &[u8] = b"stoa/1";
/// A connection from which nothing comes for this long is dead. Shorter takes a busy node for a dead one, longer keeps dead
/// people online.
const IDLE_MAX: Duration = Duration::from_millis(2_500);
const KEEP_ALIVE: Duration = Duration::from_millis(500);
/// Nodes without a link are dialled this often.
const MESH_EVERY: Duration = Duration::from_millis(500);
/// Dialling, and waiting for a dialler to say who it is.
const HELLO_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes of one stream, and of one connection, that the other side may send ahead.
const STREAM_WINDOW: u32 = 8 << 20;
const CONNECTION_WINDOW: u32 = 32 << 20;
const STREAMS_MAX: u32 = 1024;
/// A node that was removed is disconnected after this long.
const REMOVED_STAYS: Duration = Duration::from_secs(1);

/// Why links cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum QuicError {
    /// The port cannot be had.
    #[error("node links on {address}")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The certificates do not fit together.
    #[error("certificates of node links")]
    Certificates(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn certificates<E: std::error::Error + Send + Sync + 'static>(error: E) -> QuicError {
    QuicError::Certificates(Box::new(error))
}

/// Held by whoever dials.
type Turn = Arc<tokio::sync::Mutex<()>>;

struct Links {
    me: NodeId,
    /// `None` when it was closed: the port is free then.
    endpoint: Mutex<Option<Endpoint>>,
    client: ClientConfig,
    incoming: mpsc::Sender<(NodeId, Stream)>,
    nodes: Mutex<BTreeMap<NodeId, String>>,
    connections: Mutex<BTreeMap<(NodeId, Lane), Connection>>,
    /// One node is dialled once at a time; one that does not answer holds up no other.
    dialling: Mutex<BTreeMap<(NodeId, Lane), Turn>>,
    up: watch::Sender<Peers>,
    /// Connections that live, of each node.
    lives: Mutex<Lives>,
}

/// Connections to nodes that live, so that the last one's end is noticed.
#[derive(Default)]
struct Lives {
    begun: u64,
    of: BTreeMap<NodeId, usize>,
}

/// QUIC links of one node.
pub struct QuicTransport {
    links: Arc<Links>,
    address: SocketAddr,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl QuicTransport {
    /// Listens on an address and accepts members of the cluster.
    ///
    /// # Errors
    /// [`QuicError`].
    pub fn listen(
        me: NodeId,
        address: SocketAddr,
        identity: &pki::Identity,
    ) -> Result<(Self, Incoming), QuicError> {
        let (server, client) = configs(identity)?;
        let bind = |source| QuicError::Bind { address, source };
        let endpoint = Endpoint::server(server, address).map_err(bind)?;
        let address = endpoint.local_addr().map_err(bind)?;
        let (sender, incoming) = mpsc::channel(INCOMING_MAX);
        let links = Arc::new(Links {
            me,
            endpoint: Mutex::new(Some(endpoint.clone())),
            client,
            incoming: sender,
            nodes: Mutex::default(),
            connections: Mutex::default(),
            dialling: Mutex::default(),
            up: watch::Sender::default(),
            lives: Mutex::default(),
        });
        tokio::spawn(Arc::clone(&links).accept(endpoint));
        tokio::spawn(keep_linked(Arc::downgrade(&links)));
        Ok((Self { links, address }, incoming))
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

fn configs(identity: &pki::Identity) -> Result<(ServerConfig, ClientConfig), QuicError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(identity.authority.clone()).map_err(certificates)?;
    let roots = Arc::new(roots);
    let chain = vec![identity.certificate.clone()];
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
            .build()
            .map_err(certificates)?;
    let mut server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(certificates)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain.clone(), identity.key.clone_key())
        .map_err(certificates)?;
    server.alpn_protocols = vec![ALPN.to_vec()];
    let mut client = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(certificates)?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, identity.key.clone_key())
        .map_err(certificates)?;
    client.alpn_protocols = vec![ALPN.to_vec()];
    let transport = Arc::new(transport_config());
    let server = QuicServerConfig::try_from(server).map_err(certificates)?;
    let mut server = ServerConfig::with_crypto(Arc::new(server));
    server.transport_config(Arc::clone(&transport));
    let client = QuicClientConfig::try_from(client).map_err(certificates)?;
    let mut client = ClientConfig::new(Arc::new(client));
    client.transport_config(transport);
    Ok((server, client))
}

fn transport_config() -> TransportConfig {
    let mut config = TransportConfig::default();
    config
        .max_idle_timeout(IdleTimeout::try_from(IDLE_MAX).ok())
        .keep_alive_interval(Some(KEEP_ALIVE))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW))
        .send_window(u64::from(CONNECTION_WINDOW))
        .max_concurrent_bidi_streams(VarInt::from_u32(STREAMS_MAX))
        .max_concurrent_uni_streams(VarInt::from_u32(4))
        .congestion_controller_factory(Arc::new(BbrConfig::default()));
    config
}

/// Links nodes that have nothing to say to each other as well: each must notice when another is gone.
async fn keep_linked(links: Weak<Links>) {
    loop {
        sleep(MESH_EVERY).await;
        let Some(links) = links.upgrade() else { return };
        if lock(&links.endpoint).is_none() {
            return;
        }
        let missing: Vec<NodeId> = {
            let (nodes, up) = (lock(&links.nodes), links.up.borrow());
            // The smaller id dials; the other one helps if that does not get through.
            nodes
                .keys()
                .filter(|node| **node != links.me && !up.contains_key(node))
                .copied()
                .collect()
        };
        for node in missing {
            let links = Arc::clone(&links);
            tokio::spawn(async move {
                if links.me > node {
                    sleep(MESH_EVERY).await;
                }
                // A node that is down: the next round dials again.
                let _unreachable = links.connect(node, Lane::Main).await;
            });
        }
    }
}

/// The first bytes of a connection: who dials, and for which lane.
fn hello(me: NodeId, lane: Lane) -> [u8; 3] {
    let [low, high] = me.0.to_le_bytes();
    [low, high, u8::from(lane == Lane::Bulk)]
}

impl Links {
    async fn accept(self: Arc<Self>, endpoint: Endpoint) {
        while let Some(dialled) = endpoint.accept().await {
            let links = Arc::clone(&self);
            tokio::spawn(async move {
                let remote = dialled.remote_address();
                match timeout(HELLO_TIMEOUT, links.greet(dialled)).await {
                    Ok(Ok((node, lane, connection))) => links.serve(node, lane, connection).await,
                    Ok(Err(reason)) => tracing::warn!(%remote, reason, "a node link was refused"),
                    Err(_) => tracing::warn!(%remote, "a node link said nothing"),
                }
            });
        }
    }

    /// Finds out who dials: what it says, what its certificate says and what the node table says must agree.
    async fn greet(
        &self,
        dialled: quinn::Incoming,
    ) -> Result<(NodeId, Lane, Connection), &'static str> {
        let connection = dialled.await.map_err(|_| "the handshake failed")?;
        let refuse = |reason: &'static str| {
            connection.close(VarInt::from_u32(1), reason.as_bytes());
            reason
        };
        let mut stream = connection.accept_uni().await.map_err(|_| "it hung up")?;
        let mut said = [0; 3];
        stream.read_exact(&mut said).await.map_err(|_| "it did not say who it is")?;
        let [low, high, bulk] = said;
        let node = NodeId(u16::from_le_bytes([low, high]));
        let lane = if bulk == 1 { Lane::Bulk } else { Lane::Main };
        if !is_certified(&connection, node) {
            return Err(refuse("its certificate is another node's"));
        }
        let is_known = {
            let nodes = lock(&self.nodes);
            // A node that joins knows nobody yet; the certificate must do.
            nodes.is_empty() || nodes.contains_key(&node)
        };
        if is_known { Ok((node, lane, connection)) } else { Err(refuse("it is not a member")) }
    }

    /// Takes streams of a connection until it ends. The newest connection is the one used.
    async fn serve(self: Arc<Self>, node: NodeId, lane: Lane, connection: Connection) {
        lock(&self.connections).insert((node, lane), connection.clone());
        if lane == Lane::Main {
            self.count(node, true);
        }
        while let Ok((writing, reading)) = connection.accept_bi().await {
            let stream = Stream { writing: Box::new(writing), reading: Box::new(reading) };
            if self.incoming.send((node, stream)).await.is_err() {
                break;
            }
        }
        if lane == Lane::Main {
            self.count(node, false);
        }
    }

    /// A connection began or ended.
    fn count(&self, node: NodeId, began: bool) {
        let mut lives = lock(&self.lives);
        let of = lives.of.entry(node).or_default();
        *of = if began { *of + 1 } else { of.saturating_sub(1) };
        let is_up = *of > 0;
        lives.begun += u64::from(began);
        let begun = lives.begun;
        self.up.send_modify(|up| {
            if !is_up {
                up.remove(&node);
            } else if began {
                up.insert(node, begun);
            }
        });
    }

    fn alive(&self, key: (NodeId, Lane)) -> Option<Connection> {
        let mut connections = lock(&self.connections);
        let connection = connections.get(&key)?;
        if connection.close_reason().is_none() {
            return Some(connection.clone());
        }
        connections.remove(&key);
        None
    }

    async fn connect(self: &Arc<Self>, node: NodeId, lane: Lane) -> Result<Connection, LinkError> {
        if let Some(connection) = self.alive((node, lane)) {
            return Ok(connection);
        }
        let dialling = Arc::clone(lock(&self.dialling).entry((node, lane)).or_default());
        let dialling = dialling.lock().await;
        if let Some(connection) = self.alive((node, lane)) {
            return Ok(connection);
        }
        let address = lock(&self.nodes).get(&node).cloned();
        let address = address.ok_or(LinkError::UnknownNode(node))?;
        let unreachable = |reason: String| LinkError::Unreachable { node, reason };
        let connection = timeout(HELLO_TIMEOUT, self.dial(node, lane, &address))
            .await
            .map_err(|_| unreachable("no answer".into()))?
            .map_err(unreachable)?;
        lock(&self.connections).insert((node, lane), connection.clone());
        drop(dialling);
        tokio::spawn(Arc::clone(self).serve(node, lane, connection.clone()));
        Ok(connection)
    }

    async fn dial(&self, node: NodeId, lane: Lane, address: &str) -> Result<Connection, String> {
        let resolved = tokio::net::lookup_host(address).await.map_err(|error| error.to_string())?;
        let mut reason = "the address names nothing".to_owned();
        for address in resolved {
            match self.dial_address(node, lane, address).await {
                Ok(connection) => return Ok(connection),
                Err(error) => reason = error.to_string(),
            }
        }
        Err(reason)
    }

    async fn dial_address(
        &self,
        node: NodeId,
        lane: Lane,
        address: SocketAddr,
    ) -> io::Result<Connection> {
        let name = pki::node_name(node);
        let endpoint = lock(&self.endpoint).clone().ok_or(io::ErrorKind::NotConnected)?;
        let dialled = endpoint.connect_with(self.client.clone(), address, &name);
        let connection = dialled.map_err(io::Error::other)?.await?;
        let mut stream = connection.open_uni().await?;
        stream.write_all(&hello(self.me, lane)).await?;
        stream.finish()?;
        Ok(connection)
    }
}

fn is_certified(connection: &Connection, node: NodeId) -> bool {
    let identity = connection.peer_identity();
    let chain = identity.and_then(|identity| identity.downcast::<Vec<CertificateDer<'_>>>().ok());
    let Some(certificate) = chain.as_ref().and_then(|chain| chain.first()) else { return false };
    let Ok(certificate) = ParsedCertificate::try_from(certificate) else { return false };
    let Ok(name) = ServerName::try_from(pki::node_name(node)) else { return false };
    verify_server_name(&certificate, &name).is_ok()
}

impl Transport for QuicTransport {
    fn open(&self, node: NodeId, lane: Lane) -> BoxFuture<'_, Result<Stream, LinkError>> {
        Box::pin(async move {
            let unreachable = |reason: String| LinkError::Unreachable { node, reason };
            if node == self.links.me {
                let (near, far) = memory::pair();
                let sent = self.links.incoming.send((node, far)).await;
                sent.map_err(|_| unreachable("this node is stopping".into()))?;
                return Ok(near);
            }
            let connection = self.links.connect(node, lane).await?;
            let (writing, reading) =
                connection.open_bi().await.map_err(|error| unreachable(error.to_string()))?;
            Ok(Stream { writing: Box::new(writing), reading: Box::new(reading) })
        })
    }

    fn set_nodes(&self, nodes: BTreeMap<NodeId, String>) {
        // Who was removed may not stay connected, but hears the answers to what it asked.
        lock(&self.links.connections).retain(|(node, _), connection| {
            let stays = nodes.is_empty() || nodes.contains_key(node);
            if !stays {
                let connection = connection.clone();
                tokio::spawn(async move {
                    sleep(REMOVED_STAYS).await;
                    connection.close(VarInt::from_u32(2), b"removed");
                });
            }
            stays
        });
        *lock(&self.links.nodes) = nodes;
    }

    fn peers(&self) -> watch::Receiver<Peers> {
        self.links.up.subscribe()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let endpoint = lock(&self.links.endpoint).take();
            lock(&self.links.connections).clear();
            if let Some(endpoint) = endpoint {
                endpoint.close(VarInt::from_u32(0), b"stopping");
                endpoint.wait_idle().await;
            }
        })
    }
}
