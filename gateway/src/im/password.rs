//! Passwords: argon2id with OWASP's parameters, off the reactor, a bounded number at once.

use std::sync::Arc;

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use tokio::sync::Semaphore;

use crate::error::Error;

/// Hashes that may wait for a thread; each takes 19 MiB and some 20 ms when it runs.
pub(crate) const WAITING_MAX: usize = 64;
/// Shortest password, in bytes.
pub(crate) const BYTES_MIN: usize = 8;
/// Longest password, in bytes: longer ones only cost time.
pub(crate) const BYTES_MAX: usize = 256;

/// A hash of no password, so that an unknown account takes as long as a known one.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c3RvYS1ub2JvZHktMDA$mQ8v1C1m6W2mZ1YyN4nJZ7p0Q3k5b0w2G1k1sT8mX1E";

/// Hashes and checks passwords.
#[derive(Clone, Debug)]
pub(crate) struct Hasher {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Hasher {
    /// A hasher for a machine with so many processors: half of them hash at most.
    #[must_use]
    pub(crate) fn new(processors: usize) -> Self {
        let running = (processors / 2).max(1);
        Self {
            running: Arc::new(Semaphore::new(running)),
            waiting: Arc::new(Semaphore::new(running + WAITING_MAX)),
        }
    }

    /// The hash of a new password in PHC string form.
    ///
    /// # Errors
    /// [`Error::PasswordWeak`] by length; [`Error::Overloaded`] when too many wait.
    pub(crate) async fn hash(&self, password: String, salt: [u8; 16]) -> Result<String, Error> {
        if !(BYTES_MIN..=BYTES_MAX).contains(&password.len()) {
            return Err(Error::PasswordWeak);
        }
        self.run(move || {
            let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
            hash.map(|hash| hash.to_string()).map_err(|_| Error::Internal)
        })
        .await
    }

    /// Whether it is the password of the hash; `None`: there is no account, which takes as long.
    ///
    /// # Errors
    /// [`Error::PasswordWrong`]; [`Error::Overloaded`] when too many wait.
    pub(crate) async fn verify(&self, password: String, hash: Option<String>) -> Result<(), Error> {
        if password.len() > BYTES_MAX {
            return Err(Error::PasswordWrong);
        }
        self.run(move || {
            let known = hash.is_some();
            let hash = hash.as_deref().unwrap_or(NOBODY);
            let hash = PasswordHash::new(hash).map_err(|_| Error::Internal)?;
            let same = Argon2::default().verify_password(password.as_bytes(), &hash).is_ok();
            if same && known { Ok(()) } else { Err(Error::PasswordWrong) }
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let Ok(waits) = Arc::clone(&self.waiting).try_acquire_owned() else {
            metrics::counter!("stoa_im_hashes_refused_total").increment(1);
            return Err(Error::Overloaded);
        };
        let running = Arc::clone(&self.running).acquire_owned().await;
        let runs = running.map_err(|_| Error::Internal)?;
        let done = tokio::task::spawn_blocking(move || {
            // Held until the work is done, even if nobody waits for it any more.
            let _held = (waits, runs);
            work()
        });
        done.await.map_err(|_| Error::Internal)?
    }
}

#[cfg(test)]
mod tests {
    use super::{Hasher, WAITING_MAX};
    use crate::error::Error;

    #[tokio::test]
    async fn a_password_is_known_again_and_another_is_not() {
        let hasher = Hasher::new(2);
        let hash = hasher.hash("correct horse".to_owned(), [7; 16]).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let check = |password: &str, hash: Option<&String>| {
            hasher.verify(password.to_owned(), hash.cloned())
        };
        assert_eq!(check("correct horse", Some(&hash)).await, Ok(()));
        assert_eq!(check("wrong horse", Some(&hash)).await, Err(Error::PasswordWrong));
        assert_eq!(check("correct horse", None).await, Err(Error::PasswordWrong));
    }

    #[tokio::test]
    async fn a_password_has_a_sensible_length() {
        let hasher = Hasher::new(2);
        for bytes in [0, 7, 257] {
            let refused = hasher.hash("x".repeat(bytes), [7; 16]).await;
            assert_eq!(refused, Err(Error::PasswordWeak), "{bytes}");
        }
        let refused = hasher.verify("x".repeat(257), None).await;
        assert_eq!(refused, Err(Error::PasswordWrong));
    }

    #[tokio::test]
    async fn too_many_at_once_are_told_to_come_back() {
        let hasher = Hasher::new(2);
        let held = hasher.running.acquire().await.unwrap();
        let tries: Vec<_> = (0..=WAITING_MAX + 1)
            .map(|_| {
                let hasher = hasher.clone();
                tokio::spawn(async move { hasher.verify("password".to_owned(), None).await })
            })
            .collect();
        let mut refused = 0;
        while refused == 0 {
            tokio::task::yield_now().await;
            refused = tries.iter().filter(|task| task.is_finished()).count();
        }
        assert_eq!(refused, 1);
        drop(held);
    }
}
