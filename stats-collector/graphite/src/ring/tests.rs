use super::*;
use crate::Address;

fn destination(host: &str, port: u16, instance: Option<&str>) -> Destination {
    let mut destination = Destination::plaintext(Address {
        host: host.to_owned(),
        port,
    });
    destination.instance = instance.map(str::to_owned);
    destination
}

fn replication(factor: usize, diverse: bool) -> Replication {
    Replication {
        factor: NonZeroUsize::new(factor).unwrap(),
        diverse,
    }
}

const ONCE: Replication = Replication {
    factor: NonZeroUsize::MIN,
    diverse: false,
};

fn chosen(ring: &Ring, name: &str) -> Vec<usize> {
    let mut chosen = Vec::new();
    ring.choose(name.as_bytes(), &mut chosen);
    chosen
}

#[test]
fn tags_are_put_in_order_before_a_series_is_placed() {
    let normal = |name: &str| String::from_utf8(normal(name.as_bytes()).into_owned()).unwrap();
    assert_eq!(normal("a.b"), "a.b");
    assert_eq!(normal("a;b=1;c=2"), "a;b=1;c=2");
    // As whole texts, `=` included: that is how carbon sorts them.
    assert_eq!(normal("a;b=2;b-c=1;a=3"), "a;a=3;b-c=1;b=2");
}

#[test]
fn copies_of_a_point_are_on_different_destinations_and_on_different_hosts_if_wanted() {
    let destinations: Vec<_> = ["x", "x", "x", "y", "z"]
        .iter()
        .zip(["one", "two", "three", "four", "five"])
        .map(|(host, instance)| destination(host, 2004, Some(instance)))
        .collect();
    for hash in [Hash::CarbonCh, Hash::Fnv1aCh, Hash::JumpFnv1a] {
        let anywhere = Ring::new(&destinations, hash, replication(5, false)).unwrap();
        let diverse = Ring::new(&destinations, hash, replication(3, true)).unwrap();
        for name in (0..100).map(|number| format!("servers.s{number}.cpu")) {
            let mut all = chosen(&anywhere, &name);
            let some = chosen(&diverse, &name);
            assert_eq!(all[0], some[0]);
            all.sort_unstable();
            assert_eq!(all, [0, 1, 2, 3, 4], "{hash:?}");
            let mut hosts: Vec<_> = some
                .iter()
                .map(|&at| &destinations[at].address.host)
                .collect();
            hosts.sort_unstable();
            assert_eq!(hosts, ["x", "y", "z"], "{hash:?}");
        }
    }
}

#[test]
fn a_ring_that_cannot_tell_two_destinations_apart_is_refused_and_says_what_it_looks_at() {
    let two = [destination("x", 2003, None), destination("x", 2103, None)];
    let refused = |hash| Ring::new(&two, hash, ONCE).unwrap_err().to_string();
    assert_eq!(
        refused(Hash::CarbonCh),
        "tcp://x:2003 and tcp://x:2103 are one and the same to the ring: it looks only at host and instance"
    );
    assert!(refused(Hash::Fnv1aCh).ends_with("it looks only at the instance"));
    assert!(Ring::new(&two, Hash::JumpFnv1a, ONCE).is_ok());
}

#[test]
fn more_copies_than_places_are_refused() {
    let two = [
        destination("x", 2003, Some("a")),
        destination("x", 2103, Some("b")),
    ];
    let refused = |factor, diverse| {
        let ring = Ring::new(&two, Hash::CarbonCh, replication(factor, diverse));
        ring.unwrap_err().to_string()
    };
    assert_eq!(
        refused(3, false),
        "3 replicas want 3 destinations, and there are 2"
    );
    assert_eq!(refused(2, true), "2 replicas want 2 hosts, and there are 1");
}

#[test]
fn what_python_would_quote_in_another_way_is_refused() {
    for odd in ["it's", "a\\b", "a b", "ü", "\"a\""] {
        let ring = Ring::new(&[destination("x", 2003, Some(odd))], Hash::CarbonCh, ONCE);
        assert!(matches!(ring, Err(RingError::Quoting { .. })), "{odd}");
    }
}
