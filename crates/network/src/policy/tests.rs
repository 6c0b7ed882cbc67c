//! What a policy lets out, as tables and for any address.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const KILN: u16 = 4566;

fn policy(network: &str) -> Policy {
    let services = [("cache", "127.0.0.1:6379"), ("db", "db.lan:5432")];
    let services = services.map(|(name, target)| (name.parse().unwrap(), target.parse().unwrap()));
    let config = Config {
        services: services.into_iter().collect(),
        egress: vec!["172.20.0.0/16".parse().unwrap()],
        ..Config::default()
    };
    Policy::new(&network.parse().unwrap(), &config)
}

fn way(policy: &Policy, to: &str) -> Result<Way, Denial> {
    let to = to.parse().unwrap();
    policy.way(to, &Learned::default(), Some(KILN), Moment::default())
}

fn direct(to: &str) -> Result<Way, Denial> {
    Ok(Way::Direct(to.parse().unwrap()))
}

#[test]
fn each_mode_reaches_what_it_says_and_nothing_else() {
    let (private, loopback) = ("private addresses", "the host's loopback");
    let metadata = "link-local addresses and cloud metadata";
    for (network, to, expected) in [
        ("none", "1.1.1.1:443", Err(Denial::NotListed)),
        ("egress", "1.1.1.1:443", direct("1.1.1.1:443")),
        (
            "egress",
            "[2606:4700::1111]:443",
            direct("[2606:4700::1111]:443"),
        ),
        ("egress", "10.0.0.1:443", Err(Denial::Special(private))),
        ("egress", "172.20.1.1:443", direct("172.20.1.1:443")),
        ("egress", "172.21.1.1:443", Err(Denial::Special(private))),
        ("egress", "127.0.0.1:80", Err(Denial::Special(loopback))),
        ("egress", "[::1]:80", Err(Denial::Special(loopback))),
        (
            "egress",
            "[::ffff:127.0.0.1]:80",
            Err(Denial::Special(loopback)),
        ),
        ("egress", "127.0.0.1:4566", Err(Denial::Kiln)),
        (
            "egress",
            "169.254.169.254:80",
            Err(Denial::Special(metadata)),
        ),
        ("egress", "169.254.64.1:6379", Err(Denial::NoService)),
        (
            "allow 10.1.0.0/16",
            "10.1.2.3:5432",
            direct("10.1.2.3:5432"),
        ),
        (
            "allow 10.1.0.0/16",
            "10.2.2.3:5432",
            Err(Denial::Special(private)),
        ),
        ("allow 10.1.0.0/16", "1.1.1.1:443", Err(Denial::NotListed)),
        (
            "allow 10.1.0.0/16:443",
            "10.1.2.3:5432",
            Err(Denial::Special(private)),
        ),
        ("allow 1.1.1.1", "1.1.1.1:443", direct("1.1.1.1:443")),
        (
            "allow 1.1.1.1",
            "[::ffff:1.1.1.1]:443",
            direct("1.1.1.1:443"),
        ),
        (
            "allow 1.1.1.1",
            "[64:ff9b::101:101]:443",
            direct("1.1.1.1:443"),
        ),
        // A range as wide as the world means the world, not the neighbours.
        ("allow 0.0.0.0/0", "1.1.1.1:443", direct("1.1.1.1:443")),
        (
            "allow 0.0.0.0/0",
            "10.0.0.1:443",
            Err(Denial::Special(private)),
        ),
        (
            "allow 0.0.0.0/0",
            "127.0.0.1:80",
            Err(Denial::Special(loopback)),
        ),
        ("allow ::/0", "[fd00::1]:80", Err(Denial::Special(private))),
        ("allow fd00::/8", "[fd00::1]:80", direct("[fd00::1]:80")),
        ("allow 127.0.0.0/8", "127.0.0.1:80", direct("127.0.0.1:80")),
        ("allow 127.0.0.1", "127.0.0.1:4566", Err(Denial::Kiln)),
        (
            "allow 127.0.0.1:4566",
            "127.0.0.1:4566",
            direct("127.0.0.1:4566"),
        ),
        (
            "allow 169.254.169.254",
            "169.254.169.254:80",
            direct("169.254.169.254:80"),
        ),
        ("allow public", "1.1.1.1:443", direct("1.1.1.1:443")),
        ("allow public", "172.20.1.1:443", direct("172.20.1.1:443")),
        (
            "allow public 10.1.0.0/16",
            "10.1.2.3:1",
            direct("10.1.2.3:1"),
        ),
        ("allow example.com", "1.1.1.1:443", Err(Denial::NotListed)),
        ("host-services db", "1.1.1.1:443", Err(Denial::NotListed)),
        (
            "host-services db",
            "169.254.64.1:6379",
            Err(Denial::NoService),
        ),
        (
            "host-services db",
            "169.254.64.2:5433",
            Err(Denial::NoService),
        ),
        (
            "host-services db",
            "127.0.0.1:5432",
            Err(Denial::Special(loopback)),
        ),
    ] {
        assert_eq!(way(&policy(network), to), expected, "{network}: {to}");
    }
}

#[test]
fn services_have_the_same_address_for_every_function() {
    for network in [
        "host-services db",
        "host-services cache db",
        "allow public db.host.kiln.internal",
    ] {
        let policy = policy(network);
        let there = way(&policy, "169.254.64.2:5432");
        assert_eq!(
            there,
            Ok(Way::Service("db.lan:5432".parse().unwrap())),
            "{network}"
        );
        let address = Ipv4Addr::new(169, 254, 64, 2);
        let name = Some("db.host.kiln.internal");
        assert_eq!(policy.resolution(name), Resolution::Service(address));
    }
    let policy = policy("egress");
    let name = Some("db.host.kiln.internal");
    assert_eq!(policy.resolution(name), Resolution::NoService);
    let name = Some("host.kiln.internal");
    assert_eq!(policy.resolution(name), Resolution::NoService);
}

#[test]
fn the_name_server_is_there_in_every_mode() {
    for network in ["egress", "allow 10.0.0.0/8", "host-services db"] {
        assert_eq!(way(&policy(network), "169.254.169.253:53"), Ok(Way::Names));
        let other = way(&policy(network), "169.254.169.253:54");
        assert!(other.is_err(), "{network}");
    }
}

#[test]
fn names_that_may_not_be_known_are_not_asked_for() {
    let listed = policy("allow example.com:443 .example.com 10.0.0.0/8");
    let ask = |ports: &[Option<u16>]| Resolution::Ask(ports.to_vec());
    assert_eq!(listed.resolution(Some("example.com")), ask(&[Some(443)]));
    assert_eq!(listed.resolution(Some("a.example.com")), ask(&[None]));
    assert_eq!(
        listed.resolution(Some("secret.evil.com")),
        Resolution::NotListed
    );
    assert_eq!(listed.resolution(None), Resolution::NotListed);
    assert_eq!(policy("egress").resolution(None), ask(&[]));
    assert_eq!(
        policy("host-services db").resolution(Some("a.b")),
        Resolution::NotListed
    );
}

#[test]
fn a_name_opens_what_it_resolved_to_and_no_private_address() {
    let policy = policy("allow example.com:443");
    let mut learned = Learned::default();
    for address in ["93.184.216.34", "10.0.0.1", "127.0.0.1", "169.254.169.254"] {
        let (address, kept) = (address.parse().unwrap(), Duration::from_secs(60));
        learned.add(address, Some(443), kept, Moment::default());
    }
    let way = |to: &str, at: u64| {
        let now = Moment::after_start(Duration::from_secs(at));
        policy.way(to.parse().unwrap(), &learned, Some(KILN), now)
    };
    assert_eq!(way("93.184.216.34:443", 299), direct("93.184.216.34:443"));
    assert_eq!(way("93.184.216.34:443", 300), Err(Denial::NotListed));
    assert_eq!(way("93.184.216.34:80", 0), Err(Denial::NotListed));
    for rebound in ["10.0.0.1:443", "127.0.0.1:443", "169.254.169.254:443"] {
        assert!(
            matches!(way(rebound, 0), Err(Denial::Special(_))),
            "{rebound}"
        );
    }
}

#[test]
fn own_addresses_have_to_be_written_down_one_by_one() {
    let own: IpAddr = "198.18.0.1".parse().unwrap();
    let kind = address::kind(own);
    let opens = |cidr: &str, is_own| opens(&cidr.parse().unwrap(), own, kind, is_own);
    assert!(opens("198.18.0.0/15", false));
    assert!(!opens("198.18.0.0/15", true));
    assert!(opens("198.18.0.1/32", true));
    let public: IpAddr = "1.1.1.1".parse().unwrap();
    let policy = policy("allow public 1.1.1.0/24");
    assert!(!policy.is_public(public, Kind::Public, true));
    assert!(!policy.is_listed((public, 443).into(), Kind::Public, true, None));
}

proptest! {
    /// By default nothing is reached that is not public, whatever the address looks like.
    #[test]
    fn egress_reaches_public_addresses_only(bits: u128, v6: bool, port: u16) {
        let address = match v6 {
            true => IpAddr::V6(bits.into()),
            false => IpAddr::V4((bits as u32).into()),
        };
        let policy = Policy::new(&Network::Egress, &Config::default());
        let way = policy.way((address, port).into(), &Learned::default(), Some(KILN), Moment::default());
        if let Ok(Way::Direct(to)) = way {
            prop_assert_eq!(address::kind(to.ip()), Kind::Public);
            prop_assert!(!address::is_own(to.ip()));
        }
    }
}
