//! Bounds of what outside parties may use, and how they are kept.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::error::Error;

/// Most addresses whose joins are counted at once; beyond it the fullest buckets are forgotten first.
pub const ADDRESSES_MAX: usize = 65_536;

/// The bounds. Each has a counter that rises when it is hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most TCP connections at once that have not become sockets. Each may hold a head of 128 KiB.
    pub connections_max: usize,
    /// Most signalling sockets at once.
    pub sockets_max: usize,
    /// Joins a second from one address, on average. Generous: whole schools sit behind one address.
    pub joins_per_second: u32,
    /// Joins at once from one address.
    pub joins_burst: u32,
    /// Largest HTTP body in bytes.
    pub body_bytes_max: usize,
    /// Largest signal frame in bytes.
    pub frame_bytes_max: usize,
    /// Largest `join_request` after inflating, in bytes.
    pub join_bytes_max: usize,
    /// Messages that may wait for a slow socket. More would only delay its resume.
    pub outbox_messages_max: usize,
    /// Bytes that may wait for a slow socket.
    pub outbox_bytes_max: usize,
    /// Events of the node that may wait for one session.
    pub events_max: usize,
    /// Largest data message in bytes. Descriptions announce 256 KiB; clients that do not read them stay at 64 kB.
    pub data_bytes_max: usize,
    /// A request's head has to arrive within this, and its body and answer within this again.
    pub request_after_max: Duration,
    /// Signal frames a second from one client, on average.
    pub frames_per_second: u32,
    /// A socket that sends nothing for this long is dead. Clients ping every 5 s.
    pub idle_after_max: Duration,
    /// The node has to answer a request within this.
    pub answer_after_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 8_192,
            sockets_max: 16_384,
            joins_per_second: 50,
            joins_burst: 200,
            body_bytes_max: 10 * 1024 * 1024,
            frame_bytes_max: 2 * 1024 * 1024,
            join_bytes_max: 1024 * 1024,
            outbox_messages_max: 256,
            outbox_bytes_max: 1024 * 1024,
            events_max: 256,
            data_bytes_max: 256 * 1024,
            request_after_max: Duration::from_secs(30),
            frames_per_second: 200,
            idle_after_max: Duration::from_secs(30),
            answer_after_max: Duration::from_secs(10),
        }
    }
}

/// A token bucket in which the level rises with time.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    level: f64,
    at: Instant,
}

impl Bucket {
    /// A full bucket.
    #[must_use]
    pub fn full(now: Instant, burst: u32) -> Self {
        Self { level: f64::from(burst), at: now }
    }

    /// Takes one token, or says how long to wait for it.
    ///
    /// # Errors
    /// The time until a token is there.
    pub fn take(&mut self, now: Instant, per_second: u32, burst: u32) -> Result<(), Duration> {
        self.take_at(now, f64::from(per_second.max(1)), burst)
    }

    /// As [`Self::take`], at a rate in tokens a second that may be below one.
    ///
    /// # Errors
    /// The time until a token is there.
    pub fn take_at(&mut self, now: Instant, rate: f64, burst: u32) -> Result<(), Duration> {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + since * rate).min(f64::from(burst));
        self.at = now;
        if self.level < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.level) / rate));
        }
        self.level -= 1.0;
        Ok(())
    }
}

/// Buckets by key, of which only so many are remembered.
#[derive(Debug)]
pub(crate) struct Buckets<K> {
    buckets: BTreeMap<K, Bucket>,
    kept_max: usize,
}

impl<K: Ord> Buckets<K> {
    pub(crate) const fn new(kept_max: usize) -> Self {
        Self { buckets: BTreeMap::new(), kept_max }
    }

    /// Takes one token from the bucket of `key`. When too many are remembered, those that are full again by now are
    /// forgotten, and if that is not enough, all.
    ///
    /// # Errors
    /// The time until a token is there.
    pub(crate) fn take(
        &mut self,
        now: Instant,
        key: K,
        rate: f64,
        burst: u32,
    ) -> Result<(), Duration> {
        if self.buckets.len() >= self.kept_max && !self.buckets.contains_key(&key) {
            let refill = Duration::from_secs_f64(f64::from(burst) / rate);
            self.buckets.retain(|_, bucket| now.saturating_duration_since(bucket.at) < refill);
            if self.buckets.len() >= self.kept_max {
                metrics::counter!("stoa_gateway_limits_forgotten_total").increment(1);
                self.buckets.clear();
            }
        }
        let bucket = self.buckets.entry(key).or_insert_with(|| Bucket::full(now, burst));
        bucket.take_at(now, rate, burst)
    }
}

/// Keeps the bounds that concern the whole process.
#[derive(Debug)]
pub(crate) struct Keeper {
    limits: Limits,
    sockets: Arc<Semaphore>,
    joins: Mutex<Buckets<IpAddr>>,
}

impl Keeper {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            sockets: Arc::new(Semaphore::new(limits.sockets_max)),
            joins: Mutex::new(Buckets::new(ADDRESSES_MAX)),
        }
    }

    /// Room for one more socket, given back when the permit is dropped.
    pub(crate) fn socket(&self) -> Result<OwnedSemaphorePermit, Error> {
        Arc::clone(&self.sockets).try_acquire_owned().map_err(|_| {
            metrics::counter!("stoa_gateway_sockets_refused_total").increment(1);
            Error::Overloaded
        })
    }

    /// Counts a join from `address`.
    pub(crate) fn join(&self, now: Instant, address: IpAddr) -> Result<(), Error> {
        let Limits { joins_per_second, joins_burst, .. } = self.limits;
        let address = network_of(address);
        let mut joins = self.joins.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = f64::from(joins_per_second.max(1));
        joins.take(now, address, rate, joins_burst).map_err(|after| {
            metrics::counter!("stoa_gateway_joins_limited_total").increment(1);
            Error::RateLimited { after }
        })
    }
}

/// One subscriber of an access network holds a whole /64 of IPv6 addresses.
const fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => IpAddr::V4(mapped),
            None => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_refuses_beyond_its_burst_and_recovers_with_time() {
        let now = Instant::now();
        let mut bucket = Bucket::full(now, 2);
        assert_eq!(bucket.take(now, 10, 2), Ok(()));
        assert_eq!(bucket.take(now, 10, 2), Ok(()));
        assert_eq!(bucket.take(now, 10, 2), Err(Duration::from_millis(100)));
        assert_eq!(bucket.take(now + Duration::from_millis(100), 10, 2), Ok(()));
    }

    #[test]
    fn when_too_many_are_remembered_those_that_used_theirs_are_kept_longest() {
        let now = Instant::now();
        let mut buckets = Buckets::new(2);
        let mut take =
            |after_s, who| buckets.take(now + Duration::from_secs(after_s), who, 1.0, 1).is_ok();
        assert!(take(0, "ada") && take(1, "bob"));
        assert!(take(1, "eve"), "ada's is full again: it is forgotten");
        assert!(!take(1, "bob"), "bob's is not, and is remembered");
        assert!(take(1, "dan"), "nobody's is full: all are forgotten");
        assert!(take(1, "bob"));
    }

    #[test]
    fn one_busy_address_does_not_limit_another() {
        let limits = Limits { joins_burst: 1, joins_per_second: 1, ..Limits::default() };
        let keeper = Keeper::new(limits);
        let (a, b) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let now = Instant::now();
        assert_eq!(keeper.join(now, a), Ok(()));
        assert!(matches!(keeper.join(now, a), Err(Error::RateLimited { .. })));
        assert_eq!(keeper.join(now, b), Ok(()));
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_together() {
        let network = |text: &str| network_of(text.parse().unwrap());
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
        assert_ne!(network("2001:db8:0:1::1"), network("2001:db8::1"));
        assert_eq!(network("::ffff:10.0.0.1"), network("10.0.0.1"));
    }

    #[test]
    fn sockets_beyond_the_limit_are_refused_until_one_closes() {
        let keeper = Keeper::new(Limits { sockets_max: 1, ..Limits::default() });
        let first = keeper.socket().unwrap();
        assert_eq!(keeper.socket().unwrap_err(), Error::Overloaded);
        drop(first);
        assert!(keeper.socket().is_ok());
    }
}
