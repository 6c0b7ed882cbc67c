//! Whether symbolic links stay within their package.
//!
//! Each is followed as Linux would, through other links of the package, on paper. What it leads to
//! need not exist, but on its way it must never climb above the package's own directory.

use std::collections::BTreeMap;

/// Longest target.
pub(super) const TARGET_BYTES_MAX: u64 = 1_024;
/// Links that may be passed on the way (Linux: 40).
const HOPS_MAX: usize = 40;
/// Path components walked for all links of a package: chains of long links multiply.
const STEPS_MAX: usize = 1_000_000;

/// Targets by the path of their link.
pub(super) type Links = BTreeMap<String, String>;

/// The first link that may not be, and why.
pub(super) fn check(links: &Links) -> Result<(), (String, &'static str)> {
    let mut steps = 0;
    for path in links.keys() {
        follow(links, path, &mut steps).map_err(|why| (path.clone(), why))?;
    }
    Ok(())
}

fn follow(links: &Links, start: &str, steps: &mut usize) -> Result<(), &'static str> {
    let mut place = String::new();
    let mut ahead: Vec<&str> = start.split('/').rev().collect();
    let mut hops = 0;
    while let Some(part) = ahead.pop() {
        *steps += 1;
        if *steps > STEPS_MAX {
            return Err("is one of too many long links");
        }
        match part {
            "" | "." => continue,
            ".." if place.is_empty() => return Err("is a link that leads out of the package"),
            ".." => place.truncate(place.rfind('/').unwrap_or(0)),
            name => {
                let parent = place.len();
                if !place.is_empty() {
                    place.push('/');
                }
                place.push_str(name);
                let Some(target) = links.get(&place) else {
                    continue;
                };
                hops += 1;
                if hops > HOPS_MAX {
                    return Err("is a link that leads in a circle");
                }
                check_target(target)?;
                place.truncate(parent);
                ahead.extend(target.split('/').rev());
            }
        }
    }
    Ok(())
}

fn check_target(target: &str) -> Result<(), &'static str> {
    match target {
        "" => Err("is a link to nothing"),
        _ if target.starts_with('/') => Err("is a link to an absolute path"),
        _ if target.contains(['\0', '\\']) => Err("is a link with a NUL or backslash"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(links: &[(&str, &str)]) -> Result<(), (String, &'static str)> {
        let owned = links
            .iter()
            .map(|(path, target)| (path.to_string(), target.to_string()));
        check(&owned.collect())
    }

    #[test]
    fn links_within_the_package_are_fine() {
        let links = [
            ("lib/libz.so", "libz.so.1"),
            ("lib/libz.so.1", "../real/libz.so.1.2"),
            ("here", "."),
            ("bin/top", ".."),
            ("dangling", "not/there"),
        ];
        assert_eq!(verdict(&links), Ok(()));
    }

    #[test]
    fn links_that_leave_are_refused() {
        for target in [
            "..",
            "../x",
            "a/../../x",
            "/etc/passwd",
            "./../x",
            "a/../..",
            "",
            "/",
        ] {
            assert!(verdict(&[("link", target)]).is_err(), "{target}");
        }
        assert!(verdict(&[("a/link", "../x")]).is_ok());
        assert!(verdict(&[("a/link", "../../x")]).is_err());
    }

    #[test]
    fn a_chain_may_not_climb_out_where_no_link_of_it_does_alone() {
        // `deep/up` is the package itself, so `deep/up/..` is outside, although the text has as
        // many names as dots.
        let links = [("deep/up", ".."), ("escape", "deep/up/../x")];
        let refused = verdict(&links).unwrap_err();
        assert_eq!(
            refused,
            (
                "escape".to_owned(),
                "is a link that leads out of the package"
            )
        );
    }

    #[test]
    fn circles_end() {
        assert!(verdict(&[("a", "b"), ("b", "a")]).is_err());
        assert!(verdict(&[("a", "a")]).is_err());
    }

    #[test]
    fn links_that_multiply_are_refused_soon() {
        let target = "x/../".repeat(200) + "next";
        let mut links = Links::new();
        for i in 0..40_000 {
            links.insert(
                format!("l{i}"),
                target.replace("next", &format!("l{}", i + 1)),
            );
        }
        assert!(check(&links).is_err());
    }
}
