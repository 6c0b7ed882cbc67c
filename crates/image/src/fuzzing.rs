//! What `fuzz/` gives bytes to: every function reads them as what a registry or a user sent, and panics where something that
//! is promised does not hold.

use kiln_types::{Architecture, Sha256};

pub use crate::registry::fuzzing::challenge;

use crate::document::{Config, Document, Said, verify};
use crate::reference::{Reference, Which};

/// An index, a manifest or a configuration.
pub fn oci(data: &[u8]) {
    const URI: &str = "registry.example/image";
    match Document::read(URI, data) {
        Ok(Said::Index(manifests)) => {
            for manifest in manifests {
                let _ = (manifest.sha256(URI), manifest.has_tag("latest"));
                let _ = manifest.is_for_others(Architecture::X86_64);
            }
        }
        Ok(Said::Manifest { config, layers }) => {
            let _ = config.sha256(URI);
            for layer in layers {
                let _ = (layer.sha256(URI), layer.check_layer(URI));
            }
        }
        Err(_) => {}
    }
    if let Ok(config) = Config::read(URI, data, Architecture::X86_64) {
        let _ = config.diff_ids(URI);
        for (name, value) in config.run().environment() {
            assert!(!name.is_empty() && !name.contains(['=', '\0']), "{name:?}");
            assert!(!value.contains('\0'), "{value:?}");
        }
    }
    let other = Sha256::from_bytes([7; 32]);
    assert!(verify("it", data, &other).is_err(), "it has any digest");
}

/// The name of an image: with its digest it names the same place.
pub fn image_name(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(reference) = Reference::parse(&text) else {
        return;
    };
    let digest = Sha256::from_bytes([7; 32]);
    let pinned = reference.pinned(&digest);
    // Docker's own registry has names that are longer when they are whole.
    if let Ok(again) = Reference::parse(&pinned) {
        assert_eq!(again.place, reference.place, "{pinned}");
        assert_eq!(again.which, Which::Digest(digest), "{pinned}");
    } else {
        assert!(pinned.len() > text.len(), "{pinned}");
    }
}
