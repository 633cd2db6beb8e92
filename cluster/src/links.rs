//! Calls to other nodes.

use std::{sync::Arc, time::Duration};

use proto::id::NodeId;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::timeout;

use crate::link::{
    Lane, LinkError, Transport,
    wire::{self, FrameReceiver, FrameSender, Service},
};

/// The transport with our frames on it.
pub(crate) struct Links {
    pub(crate) transport: Arc<dyn Transport>,
}

/// A node id as consensus has it, as the house has it.
pub(crate) fn node_id(id: u64) -> NodeId {
    NodeId(u16::try_from(id).unwrap_or(u16::MAX))
}

impl Links {
    /// Begins a stream for a service.
    pub(crate) async fn begin(
        &self,
        node: u64,
        lane: Lane,
        service: Service,
    ) -> Result<(FrameSender, FrameReceiver), LinkError> {
        wire::begin(self.transport.open(node_id(node), lane).await?, service).await
    }

    /// Asks one question.
    pub(crate) async fn call<A: DeserializeOwned>(
        &self,
        node: u64,
        service: Service,
        question: &impl Serialize,
        patience: Duration,
    ) -> Result<A, LinkError> {
        let asked = async {
            let (mut sender, mut receiver) = self.begin(node, Lane::Main, service).await?;
            sender.send_value(question).await?;
            let answer = receiver.receive_value().await?;
            answer.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into())
        };
        timeout(patience, asked).await.map_err(|_| LinkError::Timeout)?
    }
}
