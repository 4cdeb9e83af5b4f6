//! What the kernel sends of project quotas: the number of the family, two bytes, and a datagram.

use disk_engine::quota::parse_warnings;

/// The shortest message: its two headers.
const HEADERS: usize = 20;

/// Whatever it is, it is read to its end, has no more warnings than there is room for, and says each of them once.
pub(crate) fn run(bytes: &[u8]) {
    let Some((family, datagram)) = bytes.split_first_chunk() else {
        return;
    };
    let family = u16::from_ne_bytes(*family);
    let warnings = parse_warnings(datagram, family);
    assert!(warnings.len() <= datagram.len() / HEADERS);
    for (number, warning) in warnings.iter().enumerate() {
        assert!(!warnings[..number].contains(warning));
    }
    // A datagram that was cut short has no other warnings than the whole.
    let cut = parse_warnings(&datagram[..datagram.len() / 2], family);
    assert!(cut.iter().all(|warning| warnings.contains(warning)));
}
