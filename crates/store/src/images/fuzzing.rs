//! Layers, as registries send them.

use std::fs::{self, File};
use std::path::Path;

use kiln_types::Sha256;

use super::unpack::unpack;
use super::{Layer, LayerSize};
use crate::fuzzing::{check_alone, walk};

const BYTES_MAX: u64 = 256 * 1024;

/// A layer, compressed or not: nothing is outside its directory, and its bytes are as many as may be. Its digest is told
/// wrong, which is found last.
pub fn layer(data: &[u8], root: &Path) {
    let (archive, dir) = (root.join("archive"), root.join("layer"));
    fs::write(&archive, data).expect("there is room");
    let layer = Layer {
        diff_id: Sha256::from_bytes([7; 32]),
        digest: None,
        file: File::open(&archive).expect("it was written"),
        bytes: data.len() as u64,
    };
    let most = LayerSize {
        bytes: BYTES_MAX,
        entries: 100,
    };
    assert!(unpack(layer, &dir, most).is_err(), "it has any digest");
    check_alone(&["archive", "layer"], root);
    if dir.exists() {
        assert!(walk(&dir) <= BYTES_MAX, "more was written than may be");
        fs::remove_dir_all(&dir).expect("it can be removed");
    }
}
