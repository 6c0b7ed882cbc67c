//! How layers of container images in a data directory are marked for what they hide.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::error::Error;

/// The kernel reads the marks in one way for the machine's root and in another for the root of a user namespace. For the other, files
/// that a layer deletes would be back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerMarks {
    /// `trusted.overlay.*`: the machine's root.
    Trusted,
    /// `user.overlay.*`: everybody else.
    User,
}

impl LayerMarks {
    fn name(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::User => "user",
        }
    }
}

/// Refuses a data directory with layers that are marked in the other way, and notes the own one in a new directory. Where there are
/// layers and no note, root made them: others could not. The directory is locked.
pub(crate) fn refuse_other_marks(own: LayerMarks, dir: &Path) -> Result<(), Error> {
    let path = dir.join("layer-marks");
    let found = match fs::read_to_string(&path) {
        Ok(text) => text.trim().to_owned(),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let layers = dir.join("images/sha256").read_dir();
            let has_layers = layers.is_ok_and(|mut layers| layers.next().is_some());
            let found = if has_layers { LayerMarks::Trusted } else { own }.name();
            fs::write(&path, format!("{found}\n")).map_err(Error::file("write", &path))?;
            found.to_owned()
        }
        Err(error) => return Err(Error::file("read", &path)(error)),
    };
    if found == own.name() {
        return Ok(());
    }
    let (before, now) = match own {
        LayerMarks::Trusted => ("without root", "as root"),
        LayerMarks::User => ("as root", "without root"),
    };
    Err(Error::OtherMarks {
        dir: dir.to_owned(),
        before,
        now,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_the_other_kind_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        refuse_other_marks(LayerMarks::User, dir.path()).unwrap();
        refuse_other_marks(LayerMarks::User, dir.path()).unwrap();
        let refused = refuse_other_marks(LayerMarks::Trusted, dir.path()).unwrap_err();
        let said = refused.to_string();
        assert!(said.contains("was used by Kiln without root"), "{said}");
    }

    #[test]
    fn layers_from_before_are_roots() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("images/sha256/aa")).unwrap();
        refuse_other_marks(LayerMarks::User, dir.path()).unwrap_err();
        refuse_other_marks(LayerMarks::Trusted, dir.path()).unwrap();
    }
}
