//! What only a raw system call can ask for. Nowhere else in this crate is `unsafe` allowed.

pub(crate) mod quota;
