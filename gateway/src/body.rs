//! Reading the body of a request within a limit.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use futures_util::StreamExt as _;

/// What is read of a body beyond its limit, and thrown away, before the refusal is sent: who is cut off while it still
/// sends does not see the answer. Less leaves ordinary clients with a reset, more is a free ride.
const DISCARDED_MAX: usize = 8 << 20;

/// Throwing away takes no longer than this.
const DISCARD_WITHIN: Duration = Duration::from_secs(2);

/// The body was longer than its limit, or broke off.
#[derive(Debug)]
pub(crate) struct TooLarge;

/// Reads a body of at most `limit` bytes.
///
/// # Errors
/// [`TooLarge`].
pub(crate) async fn read(body: Body, limit: usize) -> Result<Bytes, TooLarge> {
    let mut stream = body.into_data_stream();
    let mut read = Vec::new();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|_| TooLarge)?;
        if piece.len() > limit - read.len() {
            // Either way the answer is the same.
            let _ = tokio::time::timeout(DISCARD_WITHIN, discard(stream)).await;
            return Err(TooLarge);
        }
        read.extend_from_slice(&piece);
    }
    Ok(read.into())
}

async fn discard(mut stream: BodyDataStream) {
    let mut discarded = 0;
    while let Some(Ok(piece)) = stream.next().await {
        discarded += piece.len();
        if discarded > DISCARDED_MAX {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use axum::body::Body;
    use futures_util::StreamExt as _;

    use super::read;

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        assert_eq!(read(Body::from("abc"), 3).await.unwrap(), "abc");
        assert!(read(Body::from("abcd"), 3).await.is_err());
        assert_eq!(read(Body::empty(), 0).await.unwrap(), "");
    }

    #[tokio::test]
    async fn what_is_beyond_the_limit_is_taken_before_the_refusal() {
        let taken = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&taken);
        let pieces = futures_util::stream::iter(0..4).map(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok::<_, std::io::Error>("ab")
        });
        assert!(read(Body::from_stream(pieces), 3).await.is_err());
        assert_eq!(taken.load(Ordering::Relaxed), 4);
    }
}
