//! Container images made in the test, from files and from programs of this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tar::{EntryType, Header};

/// One layer.
pub struct Layer {
    archive: tar::Builder<Vec<u8>>,
}

/// One image for this machine.
#[derive(Debug, Clone, Default)]
pub struct Image {
    layers: Vec<Vec<u8>>,
    run: BTreeMap<&'static str, Value>,
    architecture: Option<String>,
}

/// What an image consists of.
#[derive(Debug, Clone)]
pub struct Blobs {
    /// The digest of its manifest, with `sha256:` before it.
    pub digest: String,
    /// The manifest.
    pub manifest: Vec<u8>,
    /// The configuration and the layers by their digests.
    pub others: BTreeMap<String, Vec<u8>>,
}

impl Default for Layer {
    fn default() -> Self {
        Self {
            archive: tar::Builder::new(Vec::new()),
        }
    }
}

impl Layer {
    /// A file that everybody may read.
    pub fn file(self, path: &str, content: &[u8]) -> Self {
        self.add(path, EntryType::Regular, 0o644, None, content)
    }

    /// A file that only root could read and execute.
    pub fn private_program(self, path: &str, content: &[u8]) -> Self {
        self.add(path, EntryType::Regular, 0o4700, None, content)
    }

    /// A symbolic link.
    pub fn link(self, path: &str, target: &str) -> Self {
        self.add(path, EntryType::Symlink, 0o777, Some(target), b"")
    }

    /// What lower layers have here is gone.
    pub fn gone(self, path: &str) -> Self {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let path = format!("{directory}/.wh.{name}");
        self.add(&path, EntryType::Regular, 0o644, None, b"")
    }

    /// What lower layers have in this directory is gone.
    pub fn emptied(self, directory: &str) -> Self {
        let path = format!("{directory}/.wh..wh..opq");
        self.add(&path, EntryType::Regular, 0o644, None, b"")
    }

    /// Programs of this machine, by their absolute paths, and the libraries that they need.
    pub fn programs(self, paths: &[&str]) -> Self {
        let own = paths.iter().map(|path| (*path).to_owned());
        self.copied(own.chain(libraries_of(paths)).collect())
    }

    /// A program of this machine under another name, and its libraries.
    pub fn program_as(self, path: &str, program: &Path) -> Self {
        let content = fs::read(program).expect("the program is there");
        let libraries = libraries_of(&[program.to_str().expect("a test's path")]);
        self.add(path, EntryType::Regular, 0o755, None, &content)
            .copied(libraries)
    }

    /// The files of a directory of this machine, without those that Python can make and its tests, and the
    /// libraries that its modules need.
    pub fn tree(mut self, path: &str, directory: &Path) -> Self {
        let mut modules = Vec::new();
        let mut directories = vec![(path.to_owned(), directory.to_owned())];
        while let Some((inside, directory)) = directories.pop() {
            for entry in fs::read_dir(&directory).expect("the directory is there") {
                let entry = entry.expect("it can be listed");
                let (name, found) = (entry.file_name(), entry.path());
                let name = name.to_str().expect("names are text");
                let inside = format!("{inside}/{name}");
                if found.is_dir() && !["__pycache__", "test", "tests"].contains(&name) {
                    directories.push((inside, found));
                } else if found.is_file() {
                    let content = fs::read(&found).expect("it can be read");
                    self = self.file(&inside, &content);
                    if name.ends_with(".so") {
                        modules.push(found.to_str().expect("names are text").to_owned());
                    }
                }
            }
        }
        let modules: Vec<&str> = modules.iter().map(String::as_str).collect();
        let libraries = libraries_of(&modules);
        self.copied(libraries)
    }

    fn copied(mut self, paths: BTreeSet<String>) -> Self {
        for path in paths {
            let content = fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
            let inside = path.trim_start_matches('/');
            self = self.add(inside, EntryType::Regular, 0o755, None, &content);
        }
        self
    }

    /// Anything.
    pub fn add(
        mut self,
        path: &str,
        kind: EntryType,
        mode: u32,
        target: Option<&str>,
        content: &[u8],
    ) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        header.set_mtime(1_700_000_000);
        let name = path.as_bytes();
        let fields = header.as_gnu_mut().expect("made as one");
        fields.name[..name.len()].copy_from_slice(name);
        if let Some(target) = target {
            fields.linkname[..target.len()].copy_from_slice(target.as_bytes());
        }
        header.set_cksum();
        self.archive
            .append(&header, content)
            .expect("memory takes every byte");
        self
    }

    /// The archive.
    pub fn finish(self) -> Vec<u8> {
        self.archive.into_inner().expect("memory takes every byte")
    }
}

impl Image {
    /// With another layer on top.
    pub fn layer(mut self, layer: Layer) -> Self {
        self.layers.push(layer.finish());
        self
    }

    /// `ENTRYPOINT`.
    pub fn entry_point(self, words: &[&str]) -> Self {
        self.set("Entrypoint", json!(words))
    }

    /// `CMD`.
    pub fn command(self, words: &[&str]) -> Self {
        self.set("Cmd", json!(words))
    }

    /// `ENV`, as `NAME=value`.
    pub fn environment(self, variables: &[&str]) -> Self {
        self.set("Env", json!(variables))
    }

    /// `WORKDIR`.
    pub fn working_directory(self, path: &str) -> Self {
        self.set("WorkingDir", json!(path))
    }

    /// For other machines.
    pub fn architecture(mut self, name: &str) -> Self {
        self.architecture = Some(name.to_owned());
        self
    }

    fn set(mut self, member: &'static str, value: Value) -> Self {
        self.run.insert(member, value);
        self
    }

    fn config(&self) -> Vec<u8> {
        let diff_ids: Vec<String> = self.layers.iter().map(|layer| digest(layer)).collect();
        let machine = match cfg!(target_arch = "aarch64") {
            true => "arm64",
            false => "amd64",
        };
        let config = json!({
            "architecture": self.architecture.as_deref().unwrap_or(machine),
            "os": "linux",
            "config": self.run,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        config.to_string().into_bytes()
    }

    /// The image in OCI's form, its layers compressed.
    pub fn blobs(&self) -> Blobs {
        let config = self.config();
        let mut others = BTreeMap::from([(digest(&config), config.clone())]);
        let mut layers = Vec::new();
        for layer in &self.layers {
            let packed = gzip(layer);
            layers.push(json!({
                "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                "digest": digest(&packed),
                "size": packed.len(),
            }));
            others.insert(digest(&packed), packed);
        }
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest(&config),
                "size": config.len(),
            },
            "layers": layers,
        });
        let manifest = manifest.to_string().into_bytes();
        Blobs {
            digest: digest(&manifest),
            manifest,
            others,
        }
    }

    /// Writes an OCI image layout with this image under a tag. Gives the image's digest.
    pub fn write_layout(&self, directory: &Path, tag: &str) -> String {
        let Blobs {
            digest,
            manifest,
            mut others,
        } = self.blobs();
        let bytes = manifest.len();
        others.insert(digest.clone(), manifest);
        let blobs = directory.join("blobs/sha256");
        fs::create_dir_all(&blobs).expect("the directory is the test's");
        for (name, content) in others {
            let name = name.strip_prefix("sha256:").expect("made here");
            fs::write(blobs.join(name), content).expect("the directory is the test's");
        }
        let index = json!({
            "schemaVersion": 2,
            "manifests": [{
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": digest,
                "size": bytes,
                "annotations": {"org.opencontainers.image.ref.name": tag},
            }],
        });
        fs::write(directory.join("index.json"), index.to_string()).expect("the same");
        let version = r#"{"imageLayoutVersion":"1.0.0"}"#;
        fs::write(directory.join("oci-layout"), version).expect("the same");
        digest
    }

    /// Writes an OCI image layout as one file.
    pub fn write_layout_archive(&self, path: &Path, tag: &str) {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        self.write_layout(folder.path(), tag);
        let mut archive = Layer::default();
        let blobs = fs::read_dir(folder.path().join("blobs/sha256")).expect("written above");
        let blobs = blobs.map(|blob| blob.expect("it can be listed").file_name());
        let blobs = blobs.map(|name| format!("blobs/sha256/{}", name.to_string_lossy()));
        for name in blobs.chain(["index.json".to_owned(), "oci-layout".to_owned()]) {
            let content = fs::read(folder.path().join(&name)).expect("written above");
            archive = archive.file(&name, &content);
        }
        fs::write(path, archive.finish()).expect("the directory is the test's");
    }

    /// Writes what `docker save` does.
    pub fn write_docker_archive(&self, path: &Path, tag: &str) {
        let config = self.config();
        let name = digest(&config).replace("sha256:", "") + ".json";
        let mut archive = Layer::default().file(&name, &config);
        let mut layers = Vec::new();
        for (number, layer) in self.layers.iter().enumerate() {
            let file = format!("{number}/layer.tar");
            archive = archive.file(&file, layer);
            layers.push(file);
        }
        let saved = json!([{"Config": name, "RepoTags": [tag], "Layers": layers}]);
        let archive = archive.file("manifest.json", saved.to_string().as_bytes());
        fs::write(path, archive.finish()).expect("the directory is the test's");
    }
}

/// The libraries that programs and modules of this machine need.
fn libraries_of(files: &[&str]) -> BTreeSet<String> {
    // It fails when one of them needs none.
    let listed = Command::new("ldd").args(files).output().expect("ldd runs");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let words = listed.split_whitespace();
    let libraries = words.filter(|word| word.starts_with('/') && !word.ends_with(':'));
    libraries.map(str::to_owned).collect()
}

/// The digest of some bytes, as images write it.
pub fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes every byte");
    encoder.finish().expect("memory takes every byte")
}
