//! What the name of an entry means: a path beneath the layer's root, or something that it takes away.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Longest path within a layer (Linux's 4,096, with room for where the layer lies).
const PATH_BYTES_MAX: usize = 3_072;
/// Longest name of one file (Linux).
const NAME_BYTES_MAX: usize = 255;
/// Steps of a path. Removing a tree holds one descriptor for each directory, of which a
/// process may have as few as 1,024, and what cannot be removed stays on the disk for ever.
const DEPTH_MAX: usize = 256;
/// Begins the names of entries that take something away (OCI image specification, "Whiteouts").
const WHITEOUT: &[u8] = b".wh.";
/// Takes away all that lower layers have in its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Begins what is left of AUFS, which means nothing today.
const AUFS: &[u8] = b".wh..wh.";

/// A path: the directories on the way to it, and its own name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) parents: Vec<OsString>,
    pub(super) name: OsString,
}

impl Place {
    /// Whether the way here leads through the other.
    pub(super) fn is_below(&self, other: &Place) -> bool {
        let rest = self.parents.strip_prefix(other.parents.as_slice());
        rest.is_some_and(|rest| rest.first() == Some(&other.name))
    }
}

/// What an entry is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// The root itself.
    Root,
    /// Something at this place.
    There(Place),
    /// What lower layers have at this place is gone.
    Gone(Place),
    /// What lower layers have in this directory is gone.
    Emptied(Vec<OsString>),
    /// Nothing that matters.
    Nothing,
}

/// Reads an entry's name. A leading `/` and steps that stay (`.`) are passed over.
pub(super) fn read(bytes: &[u8]) -> Result<Name, &'static str> {
    let mut parents = steps(bytes)?;
    let Some(name) = parents.pop() else {
        return Ok(Name::Root);
    };
    if parents
        .iter()
        .any(|step| step.as_bytes().starts_with(WHITEOUT))
    {
        return Err("lies below something that is gone");
    }
    let bytes = name.as_bytes();
    if bytes == OPAQUE {
        return Ok(Name::Emptied(parents));
    }
    if bytes.starts_with(AUFS) {
        return Ok(Name::Nothing);
    }
    match bytes.strip_prefix(WHITEOUT) {
        Some(b"" | b"." | b"..") => Err("takes away what has no name"),
        Some(gone) => {
            let name = OsStr::from_bytes(gone).to_owned();
            Ok(Name::Gone(Place { parents, name }))
        }
        None => Ok(Name::There(Place { parents, name })),
    }
}

/// Reads the target of a hard link, which is the name of another entry.
pub(super) fn read_target(bytes: &[u8]) -> Result<Place, &'static str> {
    match read(bytes)? {
        Name::There(place) => Ok(place),
        _ => Err("is a hard link to something that is no file"),
    }
}

fn steps(bytes: &[u8]) -> Result<Vec<OsString>, &'static str> {
    if bytes.is_empty() {
        return Err("has no name");
    }
    if bytes.len() > PATH_BYTES_MAX {
        return Err("has too long a name");
    }
    let mut steps = Vec::new();
    for step in bytes.split(|byte| *byte == b'/') {
        match step {
            b"" | b"." => {}
            b".." => return Err("leads out of the layer with '..'"),
            step if step.len() > NAME_BYTES_MAX => return Err("has too long a name"),
            step if step.contains(&0) => return Err("has a NUL in its name"),
            step => steps.push(OsStr::from_bytes(step).to_owned()),
        }
    }
    if steps.len() > DEPTH_MAX {
        return Err("has more than 256 steps in its name");
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &str) -> Place {
        let mut parents: Vec<OsString> = path.split('/').map(OsString::from).collect();
        let name = parents.pop().unwrap();
        Place { parents, name }
    }

    #[test]
    fn names_are_paths_beneath_the_root() {
        for (name, expected) in [
            ("etc/hosts", "etc/hosts"),
            ("./etc//hosts", "etc/hosts"),
            ("/etc/hosts/", "etc/hosts"),
            ("a\\b", "a\\b"),
        ] {
            assert_eq!(read(name.as_bytes()), Ok(Name::There(place(expected))));
        }
        for root in ["/", ".", "./"] {
            assert_eq!(read(root.as_bytes()), Ok(Name::Root));
        }
    }

    #[test]
    fn what_is_gone_is_told_from_what_is_there() {
        assert_eq!(read(b"a/.wh.b"), Ok(Name::Gone(place("a/b"))));
        assert_eq!(read(b".wh..wh..opq"), Ok(Name::Emptied(Vec::new())));
        assert_eq!(read(b"a/.wh..wh..opq"), Ok(Name::Emptied(vec!["a".into()])));
        assert_eq!(read(b".wh..wh.plnk"), Ok(Name::Nothing));
        assert_eq!(
            read(b"a/.wh.b/.wh.c"),
            Err("lies below something that is gone")
        );
        for bad in [&b".wh."[..], b".wh..", b".wh...", b"a/.wh..."] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let long = [b'a'; 256];
        let deep = b"a/".repeat(DEPTH_MAX + 1);
        let longer = b"abcdefg/".repeat(400);
        for name in [
            &b""[..],
            b"..",
            b"../x",
            b"a/../../x",
            b"a/..",
            b"a\0b",
            &long,
            &deep,
            &longer,
        ] {
            assert!(read(name).is_err(), "{name:?}");
            assert!(read_target(name).is_err(), "{name:?}");
        }
        assert!(read(&b"a/".repeat(DEPTH_MAX)).is_ok());
        assert!(read_target(b"/").is_err());
        assert!(read_target(b".wh.a").is_err());
    }
}
