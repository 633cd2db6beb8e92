//! Under construction in this sitting.
