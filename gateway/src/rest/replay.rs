//! Answers by idempotency key: a request that comes again gets the answer of the first time.
//!
//! This is the quick half, on one node and for a while. The lasting half is in the state: messages, groups and
//! accounts are made with a key of their own, which is derived from the idempotency key.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::digest;
use bytes::Bytes;
use proto::im::id::ClientKey;
use tokio::time::Instant;

use crate::error::Error;

/// Answers that are kept at most.
const KEPT_MAX: usize = 4_096;
/// Largest answer that is kept, in bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// Answers are kept for this long.
const KEPT_FOR: Duration = Duration::from_mins(10);

/// Which request it is: whose, and its key.
pub(crate) type Name = [u8; 32];

#[derive(Debug, Default)]
struct Kept {
    answers: BTreeMap<Name, (Name, Bytes)>,
    order: VecDeque<(Instant, Name)>,
}

/// Answers that may have to be told again.
#[derive(Debug, Default)]
pub(crate) struct Replays(Mutex<Kept>);

/// A hash of parts, each with its length, so that no two lists of parts look alike.
pub(crate) fn name(parts: &[&[u8]]) -> Name {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&part.len().to_be_bytes());
        context.update(part);
    }
    let mut name = [0; 32];
    name.copy_from_slice(context.finish().as_ref());
    name
}

/// The key in the state that belongs to a request.
pub(crate) fn key(name: &Name) -> ClientKey {
    let mut key = [0; 16];
    key.copy_from_slice(name.split_at(16).0);
    ClientKey(key)
}

impl Replays {
    /// The answer of the first time, if there was one.
    pub(crate) fn find(
        &self,
        now: Instant,
        name: &Name,
        request: &Name,
    ) -> Result<Option<Bytes>, Error> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.forget(now);
        match kept.answers.get(name) {
            None => Ok(None),
            Some((first, answer)) if first == request => Ok(Some(answer.clone())),
            Some(_) => Err(Error::KeyReused),
        }
    }

    /// Keeps an answer.
    pub(crate) fn keep(&self, now: Instant, name: Name, request: Name, answer: Bytes) {
        if answer.len() > ANSWER_BYTES_MAX {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.answers.insert(name, (request, answer)).is_none() {
            kept.order.push_back((now, name));
        }
        kept.forget(now);
    }
}

impl Kept {
    fn forget(&mut self, now: Instant) {
        while let Some((at, name)) = self.order.front() {
            let is_old = now.saturating_duration_since(*at) > KEPT_FOR;
            if !is_old && self.order.len() <= KEPT_MAX {
                break;
            }
            self.answers.remove(name);
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::time::Instant;

    use super::{KEPT_FOR, KEPT_MAX, Replays, name};
    use crate::error::Error;

    #[test]
    fn the_same_request_gets_the_same_answer_for_a_while() {
        let (replays, now) = (Replays::default(), Instant::now());
        let (one, request) = (name(&[b"ada", b"key"]), name(&[b"body"]));
        assert_eq!(replays.find(now, &one, &request), Ok(None));
        replays.keep(now, one, request, Bytes::from_static(b"answer"));
        let found = replays.find(now, &one, &request).unwrap().unwrap();
        assert_eq!(found, "answer");
        assert_eq!(replays.find(now, &one, &name(&[b"other"])), Err(Error::KeyReused));
        assert_eq!(replays.find(now, &name(&[b"bob", b"key"]), &request), Ok(None));
        assert_eq!(replays.find(now + KEPT_FOR * 2, &one, &request), Ok(None));
    }

    #[test]
    fn only_so_many_answers_are_kept() {
        let (replays, now) = (Replays::default(), Instant::now());
        for index in 0..=KEPT_MAX {
            let one = name(&[&index.to_be_bytes()]);
            replays.keep(now, one, one, Bytes::new());
        }
        let first = name(&[&0_usize.to_be_bytes()]);
        assert_eq!(replays.find(now, &first, &first), Ok(None));
        assert_eq!(replays.0.lock().unwrap().answers.len(), KEPT_MAX);
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(name(&[b"ab", b"c"]), name(&[b"a", b"bc"]));
    }
}
