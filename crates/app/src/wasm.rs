//! The program that runs WebAssembly functions, `kiln-wasm`: found beside `kiln`, shown to sandboxes,
//! and asked to compile what is uploaded. A server without it has no such runtime.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use kiln_gateway::{Compile, NotCompiled};
use kiln_instance::{Compiler, Installed};
use kiln_sandbox::{Image, Mount, Program, Sandboxes};
use kiln_store::{ArtifactError, Store};
use kiln_types::runtime::WASM;
use kiln_types::{Configuration, Language, Sha256};
use sha2::Digest;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Beside `kiln`, and in the folder that sandboxes see.
const PROGRAM: &str = "kiln-wasm";
/// Where sandboxes see that folder.
const RUNTIME_DIR: &str = "/var/runtime";
/// Between two tries to compile anew while the compiler is busy.
const RENEW_PAUSE: Duration = Duration::from_secs(5);

/// The program, ready to be used.
#[derive(Debug, Clone)]
pub(crate) struct Wasm {
    /// A folder with the program in it and nothing else.
    dir: PathBuf,
    /// Names what this program compiles on this machine: code of another would not load.
    maker: String,
}

/// Where the program is when this server has it.
pub(crate) fn program() -> anyhow::Result<Option<PathBuf>> {
    let kiln = std::env::current_exe().context("find the program that runs")?;
    let beside = kiln.with_file_name(PROGRAM);
    Ok(beside.is_file().then_some(beside))
}

impl Wasm {
    /// Finds the program and gives it a folder of its own in the data directory, which must be this
    /// server's: sandboxes see whole folders, and beside the program lies other software.
    pub(crate) fn find(data_dir: &Path) -> anyhow::Result<Option<Self>> {
        match program()? {
            Some(program) => Self::install(&program, data_dir)
                .map(Some)
                .with_context(|| format!("prepare {}", program.display())),
            None => Ok(None),
        }
    }

    fn install(program: &Path, data_dir: &Path) -> anyhow::Result<Self> {
        let maker = maker(program)?;
        let all = data_dir.join("wasm");
        let dir = all.join(&maker);
        if !dir.join(PROGRAM).is_file() {
            // What other versions left, and what a crash left of this one.
            match fs::remove_dir_all(&all) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
            fs::create_dir_all(&dir)?;
            let draft = all.join("draft");
            // A link where it can be: the same file, at no cost.
            if fs::hard_link(program, &draft).is_err() {
                fs::copy(program, &draft)?;
            }
            for path in [&draft, &dir] {
                fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
            }
            fs::rename(&draft, dir.join(PROGRAM))?;
        }
        Ok(Self { dir, maker })
    }

    /// What its processes see. Stems are kept from the first function on that needs one.
    pub(crate) fn image(&self) -> Image {
        Image {
            name: WASM.to_owned(),
            mounts: vec![Mount {
                source: self.dir.clone(),
                target: RUNTIME_DIR.into(),
            }],
            zygote: None,
            env: Vec::new(),
            ahead: Vec::new(),
        }
    }

    /// What instances are started with.
    pub(crate) fn installed(&self) -> Installed {
        let command = |verb: &str| vec![inside(), verb.to_owned()];
        Installed {
            fresh: command("run"),
            ahead: Some(Program {
                argv: command("stem"),
                env: Vec::new(),
                cwd: "/".into(),
            }),
        }
    }

    /// Names what it compiles.
    pub(crate) fn maker(&self) -> &str {
        &self.maker
    }

    /// Compiles for the gateway, and keeps the code beside the package.
    pub(crate) fn compile(&self, store: Store, sandboxes: Sandboxes) -> Compile {
        let compiler = Compiler::new(sandboxes, &inside());
        let maker: Arc<str> = self.maker.as_str().into();
        Box::new(move |sha256, handler| {
            let (store, compiler) = (store.clone(), compiler.clone());
            let maker = Arc::clone(&maker);
            Box::pin(async move { compile(&store, &compiler, &maker, &sha256, &handler).await })
        })
    }
}

/// Compiles what another version of the program, or another machine, had compiled. Functions run
/// meanwhile: an instance without compiled code compiles for itself.
pub(crate) async fn renew(wasm: Wasm, store: Store, sandboxes: Sandboxes, stop: CancellationToken) {
    let compile = wasm.compile(store.clone(), sandboxes);
    for function in store.all_functions() {
        for configuration in function.configurations() {
            if stop.is_cancelled() {
                return;
            }
            let Some(handler) = handler_of(configuration) else {
                continue;
            };
            let sha256 = &configuration.code.sha256;
            if store.artifacts().has_derived(sha256, &wasm.maker) {
                continue;
            }
            let compiled = compile_when_free(&compile, sha256, handler);
            let compiled = tokio::select! {
                compiled = compiled => compiled,
                () = stop.cancelled() => return,
            };
            match compiled {
                Ok(()) => info!(function = %function.id, "compiled a function anew"),
                Err(error) => {
                    warn!(function = %function.id, ?error, "could not compile a function anew");
                }
            }
        }
    }
}

/// Nobody waits for what is compiled anew: who uploads goes first.
async fn compile_when_free(
    compile: &Compile,
    sha256: &Sha256,
    handler: &str,
) -> Result<(), NotCompiled> {
    loop {
        match compile(sha256.clone(), handler.to_owned()).await {
            Err(NotCompiled::Busy) => tokio::time::sleep(RENEW_PAUSE).await,
            done => return done,
        }
    }
}

fn handler_of(configuration: &Configuration) -> Option<&str> {
    let runtime = configuration.runtime.as_ref()?;
    let is_wasm = runtime.language() == Language::Wasm;
    is_wasm.then(|| configuration.handler.as_deref().unwrap_or_default())
}

async fn compile(
    store: &Store,
    compiler: &Compiler,
    maker: &str,
    sha256: &Sha256,
    handler: &str,
) -> Result<(), NotCompiled> {
    let artifacts = store.artifacts();
    let not_kept = |error| match error {
        ArtifactError::NotFound(_) => NotCompiled::Refused("the package is gone".to_owned()),
        error => NotCompiled::Failed(error.to_string()),
    };
    let (file, draft) = artifacts.draft_derived().await.map_err(not_kept)?;
    let mut file = tokio::fs::File::from_std(file);
    artifacts.check(sha256).await.map_err(not_kept)?;
    let package = artifacts.dir(sha256);
    let compiled = compiler.compile(&package, handler, &mut file).await;
    let name = compiled.map_err(|error| match error {
        kiln_instance::NotCompiled::Failed(error) => NotCompiled::Failed(error),
        kiln_instance::NotCompiled::Busy => NotCompiled::Busy,
        fault => NotCompiled::Refused(fault.to_string()),
    })?;
    let kept = artifacts.put_derived(sha256, maker, &name, draft);
    kept.await.map_err(not_kept)
}

/// The program as sandboxes see it.
fn inside() -> String {
    format!("{RUNTIME_DIR}/{PROGRAM}")
}

/// Changes with the program and with what this machine's processor can do.
fn maker(program: &Path) -> anyhow::Result<String> {
    let about = fs::metadata(program)?;
    let mut digest = sha2::Sha256::new();
    digest.update(program.as_os_str().as_bytes());
    for number in [
        about.size(),
        about.mtime() as u64,
        about.mtime_nsec() as u64,
    ] {
        digest.update(number.to_le_bytes());
    }
    // One line of flags: the same for every core. `Features` is what Arm calls it.
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let is_flags = |line: &&str| line.starts_with("flags") || line.starts_with("Features");
    digest.update(processor.lines().find(is_flags).unwrap_or_default());
    let digest: [u8; 32] = digest.finalize().into();
    Ok(hex::encode(&digest[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_of_the_program_has_a_folder_by_itself() {
        let dir = tempfile::tempdir().unwrap();
        let (program, data) = (dir.path().join("anything"), dir.path().join("data"));
        fs::write(&program, "one").unwrap();
        let one = Wasm::install(&program, &data).unwrap();
        assert_eq!(Wasm::install(&program, &data).unwrap().maker, one.maker);
        assert_eq!(fs::read(one.dir.join(PROGRAM)).unwrap(), b"one");
        assert_eq!(fs::read_dir(&one.dir).unwrap().count(), 1);
        fs::remove_file(&program).unwrap();
        fs::write(&program, "another").unwrap();
        let other = Wasm::install(&program, &data).unwrap();
        assert_ne!(other.maker, one.maker);
        assert_eq!(fs::read(other.dir.join(PROGRAM)).unwrap(), b"another");
        assert!(!one.dir.exists());
    }
}
