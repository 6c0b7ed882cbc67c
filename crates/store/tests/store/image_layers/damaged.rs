//! Layers whose files were damaged while the server was not running.

use std::collections::HashSet;
use std::fs;

use kiln_testkit::image::Layer;

use super::{Rig, sha256};

#[tokio::test]
async fn a_layer_whose_manifest_is_damaged_stops_no_start_and_is_replaced() {
    let mut rig = Rig::new();
    let archive = Layer::default().file("file", b"content").finish();
    let diff_id = sha256(&archive);
    let root = rig.put(&archive).await.unwrap();
    assert!(rig.images.has(&diff_id));
    for manifest in ["", "{", "[]"] {
        fs::write(root.with_file_name("manifest.json"), manifest).unwrap();
        fs::remove_file(root.join("file")).unwrap();
        rig = rig.reopened().await;
        assert!(!rig.images.has(&diff_id));
        assert_eq!(rig.images.touch(&diff_id), None);
        rig.put(&archive).await.unwrap();
        assert!(rig.images.has(&diff_id));
        assert_eq!(fs::read(root.join("file")).unwrap(), b"content");
    }
    fs::write(root.with_file_name("manifest.json"), "").unwrap();
    rig = rig.reopened().await;
    rig.images.collect(&HashSet::new()).await.unwrap();
    assert!(!root.exists(), "it is collected like others");
}
