//! Seeds that gate. `cargo xtask sweep` looks for more.

#[cfg(test)]
mod pure;
#[cfg(test)]
mod sim;
