//! The AWS endpoint of functions, which is the gateway.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use kiln_gateway::{FunctionDoor, FunctionKeys};
use kiln_instance::{AwsEndpoint, Credentials};
use kiln_store::Keys;
use kiln_types::FunctionCaller;
use tokio::net::TcpStream;

/// What functions may do at this server's APIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum FunctionAccess {
    /// They do not find it.
    None,
    /// What the policies of their execution roles allow.
    Role,
    /// Everything in their account.
    Account,
}

/// Serves functions through the gateway.
pub(crate) struct Aws {
    keys: Keys,
    /// Instances may start before the gateway is there; what connects until then is closed, and tried
    /// again by every client. The gateway leads back to the instances: who stops must close this.
    door: Mutex<Option<FunctionDoor>>,
}

impl Aws {
    pub(crate) fn new(keys: Keys) -> Self {
        let door = Mutex::default();
        Self { keys, door }
    }

    /// From now on connections are served.
    pub(crate) fn open(&self, door: FunctionDoor) {
        *self.door.lock().expect("no holder panics") = Some(door);
    }

    /// From now on none is.
    pub(crate) fn close(&self) {
        *self.door.lock().expect("no holder panics") = None;
    }
}

impl AwsEndpoint for Aws {
    fn credentials(&self, caller: &FunctionCaller) -> Credentials {
        let keys = FunctionKeys::derive(self.keys.function_secret(), caller);
        Credentials {
            access_key_id: keys.access_key_id,
            secret_access_key: keys.secret_access_key,
            session_token: Some(keys.session_token),
        }
    }

    fn serve(
        &self,
        caller: Arc<FunctionCaller>,
        stream: TcpStream,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let door = self.door.lock().expect("no holder panics").clone();
        Box::pin(async move {
            if let Some(door) = door {
                door.serve(caller, stream).await;
            }
        })
    }
}
