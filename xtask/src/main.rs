//! Under construction in this sitting.
fn main() {}
