//! Code that is looked at before it runs.

use std::sync::Arc;

use super::echo;
use crate::testing::{World, config, invocation, spec};
use crate::{Check, Error, Guard, Spec};

/// Code that must not run, or may, of which that is known or not.
struct Checked {
    is_known: bool,
    may_run: bool,
}

impl Checked {
    fn verdict(&self) -> Result<(), String> {
        match self.may_run {
            true => Ok(()),
            false => Err("it was altered".to_owned()),
        }
    }
}

impl Check for Checked {
    fn known(&self) -> Option<Result<(), String>> {
        self.is_known.then(|| self.verdict())
    }

    fn check(&self) -> std::pin::Pin<Box<dyn Future<Output = Result<(), String>> + Send>> {
        Box::pin(std::future::ready(self.verdict()))
    }
}

fn checked(is_known: bool, may_run: bool) -> World {
    let guard = Guard::new(Arc::new(Checked { is_known, may_run }));
    let spec = Spec {
        guard,
        ..spec("python3.11")
    };
    World::new(config(), spec, echo)
}

#[tokio::test]
async fn code_that_must_not_run_is_refused_with_the_reason() {
    for is_known in [true, false] {
        let world = checked(is_known, false);
        let error = world.handle.invoke(invocation("1")).await.unwrap_err();
        assert_eq!(error, Error::Untrusted("it was altered".to_owned()));
        world.handle.stopped().await;
        let world = checked(is_known, true);
        assert!(world.handle.invoke(invocation("1")).await.is_ok());
        world.handle.stop();
        world.handle.stopped().await;
    }
}
