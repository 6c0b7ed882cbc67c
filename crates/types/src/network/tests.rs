//! How the tag `kiln:network` is read and written.

use super::*;

fn network(text: &str) -> Result<Network, String> {
    text.parse()
        .map_err(|error: InvalidNetwork| error.to_string())
}

#[test]
fn what_is_read_is_written_the_same() {
    for text in [
        "none",
        "egress",
        "allow public",
        "allow 10.1.0.0/16 example.com:443 .example.org 192.0.2.7/32:5432",
        "allow fd00::/8 ::1/128",
        "allow db.host.kiln.internal public",
        "host-services db cache-2",
    ] {
        let read = network(text).unwrap();
        assert_eq!(read.to_string(), text);
        let kept = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<Network>(&kept).unwrap(), read);
    }
    assert_eq!(
        network("  allow   10.0.0.1 ").unwrap().to_string(),
        "allow 10.0.0.1/32"
    );
    assert_eq!(
        network("allow Example.COM").unwrap().to_string(),
        "allow example.com"
    );
}

#[test]
fn what_cannot_be_meant_is_refused_with_the_reason() {
    for (text, part) in [
        ("", "none of none, egress, allow"),
        ("public", "none of none, egress"),
        ("none at all", "nothing can follow 'none'"),
        ("egress 10.0.0.0/8", "nothing can follow 'egress'"),
        ("allow", "needs addresses or names"),
        ("host-services", "needs names"),
        ("allow 10.0.0.1/8", "write 10.0.0.0/8"),
        ("allow 10.0.0.0/33", "no address and no range"),
        ("allow 10.0.0.0/-1", "no address and no range"),
        ("allow 10.0.0", "no name such as"),
        ("allow 256.1.1.1", "no name such as"),
        ("allow example.com:0", "port of 1 to 65535"),
        ("allow example.com:https", "port of 1 to 65535"),
        ("allow exa@mple.com", "no name such as"),
        ("allow a..b", "no name such as"),
        ("allow db.host.kiln.internal:5432", "leave it out"),
        ("host-services Db", "cannot name a service"),
    ] {
        let refused = network(text).unwrap_err();
        assert!(refused.contains(part), "{text}: {refused}");
    }
}

#[test]
fn ranges_contain_what_agrees_in_their_first_bits() {
    let cidr = |text: &str| text.parse::<Cidr>().unwrap();
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    for (range, inside, outside) in [
        ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
        ("192.0.2.128/25", "192.0.2.128", "192.0.2.127"),
        ("0.0.0.0/0", "255.255.255.255", "::"),
        ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
        ("fd00::/8", "fdff::1", "fe00::"),
        ("::/0", "ffff::", "0.0.0.0"),
    ] {
        assert!(cidr(range).contains(address(inside)), "{range} {inside}");
        assert!(!cidr(range).contains(address(outside)), "{range} {outside}");
    }
    assert!(cidr("10.1.0.0/16").is_within(&cidr("10.0.0.0/8")));
    assert!(!cidr("10.0.0.0/8").is_within(&cidr("10.1.0.0/16")));
    assert!(!cidr("0.0.0.0/0").is_within(&cidr("10.0.0.0/8")));
    assert!(cidr("10.0.0.1").is_single() && !cidr("10.0.0.0/31").is_single());
}

#[test]
fn a_dot_before_a_name_means_all_below_it_and_not_the_name() {
    let pattern = |text: &str| text.parse::<DomainPattern>().unwrap();
    assert!(pattern("example.com").matches("EXAMPLE.com"));
    assert!(!pattern("example.com").matches("a.example.com"));
    assert!(pattern(".example.com").matches("a.b.Example.com"));
    for other in [
        "example.com",
        ".example.com",
        "aexample.com",
        "com",
        "",
        "é.com",
    ] {
        assert!(!pattern(".example.com").matches(other), "{other}");
    }
}

#[test]
fn targets_of_services_are_a_host_and_a_port() {
    let target = |text: &str| text.parse::<ServiceTarget>();
    let of = |host: &str, port| ServiceTarget {
        host: host.into(),
        port,
    };
    assert_eq!(target("127.0.0.1:5432").unwrap(), of("127.0.0.1", 5432));
    assert_eq!(target("[::1]:80").unwrap(), of("::1", 80));
    assert_eq!(target("db.lan:1").unwrap(), of("db.lan", 1));
    for wrong in [
        "db",
        "db:",
        ":80",
        "db:0",
        "::1:80",
        "http://db:80",
        "db:65536",
    ] {
        assert!(target(wrong).is_err(), "{wrong}");
    }
}
