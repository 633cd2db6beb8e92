//! What holds after every command. Found broken, a replica must stop rather than spread it.

use proto::store::View;
use thiserror::Error;

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Broken(pub alloc::string::String);

/// Checks.
///
/// # Errors
/// The first broken invariant.
pub const fn check_invariants(_view: &dyn View) -> Result<(), Broken> {
    Ok(())
}
