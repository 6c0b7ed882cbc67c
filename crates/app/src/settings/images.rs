//! Where container images may come from.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use kiln_image::Sources;

/// What functions may name in `ImageUri` besides registries, and who the server is there.
#[derive(Debug, Clone, Args)]
pub(crate) struct Images {
    /// A directory below which functions may name container images by their paths, such as
    /// `oci:/srv/images/app` or `docker-archive:/srv/images/app.tar`; repeat it for more.
    #[arg(long, env = "KILN_IMAGE_DIR", value_name = "DIR")]
    image_dir: Vec<PathBuf>,
    /// Docker's `config.json` with users and passwords of registries, as `docker login` writes it
    /// without a credential helper.
    #[arg(long, env = "KILN_REGISTRY_CREDENTIALS", value_name = "FILE")]
    registry_credentials: Option<PathBuf>,
}

impl Images {
    /// Fails where a directory or the credentials are not there: a name that is wrong today would fail
    /// deployments tomorrow.
    pub(crate) fn sources(&self) -> anyhow::Result<Sources> {
        let dir = |dir: &PathBuf| {
            let found = dir.canonicalize().ok().filter(|dir| dir.is_dir());
            found.with_context(|| {
                let dir = dir.display();
                format!("--image-dir {dir}: there is no such directory")
            })
        };
        let dirs = self.image_dir.iter().map(dir);
        Sources::new(kiln_image::Config {
            dirs: dirs.collect::<Result<_, _>>()?,
            credentials: self.registry_credentials.clone(),
        })
        .context("read --registry-credentials")
    }
}
