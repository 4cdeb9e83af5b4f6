//! The one call that Rust's standard library has no safe face for.

use std::ffi::{c_char, c_int};

unsafe extern "C" {
    /// glibc: nss/nsswitch.h.
    fn __nss_configure_lookup(database: *const c_char, service_line: *const c_char) -> c_int;
}

/// Makes glibc look host names up in `/etc/hosts` and DNS by its built-in code, whatever
/// `/etc/nsswitch.conf` says. Other services there are shared objects, which a static program can
/// load only from the very glibc it was built with, and may crash on otherwise.
///
/// Call it before the first look-up; false if glibc refused, in which case nothing changed.
#[must_use]
pub(crate) fn use_builtin_resolver() -> bool {
    // SAFETY: both arguments are NUL-terminated and live forever; glibc copies what it keeps and
    // takes its own lock.
    unsafe { __nss_configure_lookup(c"hosts".as_ptr(), c"files dns".as_ptr()) == 0 }
}

#[cfg(test)]
mod tests {
    use std::net::ToSocketAddrs;

    #[test]
    fn names_are_still_found_with_the_built_in_resolver() {
        assert!(super::use_builtin_resolver());
        let found = ("localhost", 1).to_socket_addrs().unwrap().count();
        assert!(found > 0);
    }
}
