//! Functions for the tests of this crate.

use std::sync::Arc;

use kiln_types::function::{Code, ProvisionedConfig, State};
use kiln_types::{
    Architecture, Configuration, EphemeralMb, Function, FunctionId, LoggingConfig, MemoryMb,
    Qualifier, RevisionId, Sha256, TimeoutSecs, Timestamp, UpdateStatus, Version,
};

/// What functions are given here.
pub(crate) const MEMORY_MB: u64 = 512;

pub(crate) fn id(name: &str) -> FunctionId {
    FunctionId {
        account: Default::default(),
        name: name.parse().unwrap(),
    }
}

/// One whose version 1 is to have so many instances ready.
pub(crate) fn provisioned(name: &str, count: u32) -> Function {
    let mut published = configuration(&id(name));
    published.version = Version::Published(1);
    let mut function = Function::new(id(name), Timestamp::default(), configuration(&id(name)));
    function.versions.insert(1, Arc::new(published));
    provision(&mut function, count);
    function
}

/// Changes how many that are.
pub(crate) fn provision(function: &mut Function, count: u32) {
    let version = Qualifier::Version(Version::Published(1));
    let config = ProvisionedConfig {
        count,
        modified: Timestamp::default(),
    };
    match count {
        0 => function.provisioned.remove(&version),
        _ => function.provisioned.insert(version, config),
    };
}

pub(crate) fn configuration(id: &FunctionId) -> Configuration {
    Configuration {
        version: Version::Latest,
        revision: RevisionId::random(),
        modified: Timestamp::default(),
        runtime: None,
        handler: None,
        role: String::new(),
        description: String::new(),
        timeout: TimeoutSecs::default(),
        memory: MemoryMb::new(MEMORY_MB).unwrap(),
        ephemeral: EphemeralMb::default(),
        environment: Default::default(),
        architecture: Architecture::X86_64,
        logging: LoggingConfig::of(id),
        code: Code {
            sha256: Sha256::from_bytes([0; 32]),
            zipped_bytes: 0,
            unzipped_bytes: 0,
            signer: None,
        },
        container: None,
        layers: Vec::new(),
        file_systems: Vec::new(),
        state: State::Active,
        update: UpdateStatus::Successful,
        start: None,
        snap_start: Default::default(),
        network: None,
        slots: Default::default(),
        is_per_tenant: false,
        dead_letters: None,
        kept: Default::default(),
    }
}
