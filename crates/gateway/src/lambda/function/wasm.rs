//! What is particular to functions that are WebAssembly: their code is compiled before it is taken.
//!
//! AWS has no such runtime. The refusals are in the form of those that AWS has for packages.

use std::time::Duration;

use kiln_types::function::Code;
use kiln_types::{Architecture, Language, Runtime};
use tokio::time::timeout;

use super::package::Source;
use crate::compile::NotCompiled;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::lambda::refusal::invalid;

/// When to come again while others are compiled, which takes seconds.
const RETRY_AFTER_SECS: u64 = 5;

/// How long all of it may take, from unpacking a package to its code on the disk: clients of the API wait
/// for a minute. Compiling alone has its own limit, and waiting for it; this one is for a busy machine.
const TAKE_MAX: Duration = Duration::from_secs(58);

/// Whether a runtime is WebAssembly.
pub(super) fn is_wasm(runtime: Option<&Runtime>) -> bool {
    runtime.is_some_and(|runtime| runtime.language() == Language::Wasm)
}

/// The architecture that was named: a module runs on any.
pub(super) fn architecture(named: Option<&[String]>) -> Result<Architecture> {
    match named.and_then(|named| named.first()) {
        None => Ok(Architecture::of_this_machine()),
        Some(named) => named.parse().map_err(|error| invalid(format!("{error}"))),
    }
}

/// Takes a package, and compiles it where its runtime is WebAssembly.
pub(super) async fn take(
    context: &Context,
    source: Source,
    runtime: Option<&Runtime>,
    handler: Option<&str>,
) -> Result<Code> {
    let taking = async {
        let code = source.take(context).await?;
        compile(context, runtime, handler, &code).await?;
        Ok(code)
    };
    if !is_wasm(runtime) {
        return taking.await;
    }
    let taken = timeout(TAKE_MAX, taking).await;
    taken.unwrap_or_else(|_| {
        let max = TAKE_MAX.as_secs();
        let busy =
            format!("Kiln did not unpack and compile the code within {max} seconds; try again.");
        Err(ApiError::new(Exception::TooManyRequests, busy).with_retry_after(RETRY_AFTER_SECS))
    })
}

async fn compile(
    context: &Context,
    runtime: Option<&Runtime>,
    handler: Option<&str>,
    code: &Code,
) -> Result<()> {
    let Some(compile) = context.deps.compile.as_ref().filter(|_| is_wasm(runtime)) else {
        return Ok(());
    };
    let handler = handler.unwrap_or_default().to_owned();
    match compile(code.sha256.clone(), handler).await {
        Ok(()) => Ok(()),
        Err(NotCompiled::Refused(why)) => Err(invalid(format!(
            "The uploaded file cannot be used as WebAssembly: {why}."
        ))),
        Err(NotCompiled::Busy) => {
            let busy = "Kiln is compiling other WebAssembly modules; try again.";
            Err(ApiError::new(Exception::TooManyRequests, busy).with_retry_after(RETRY_AFTER_SECS))
        }
        Err(NotCompiled::Failed(error)) => {
            tracing::error!(error, "could not compile a function");
            Err(ApiError::internal())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::compile::Compile;
    use crate::lambda::fixture::{Fixture, zip_of};
    use crate::lambda::function::{create_function, update_function_code};
    use crate::lambda::generated as wire;

    type Asked = Arc<Mutex<Vec<String>>>;

    /// A server that has WebAssembly, and what its compiler was asked.
    async fn fixture(answer: std::result::Result<(), NotCompiled>) -> (Fixture, Asked) {
        let mut fixture = Fixture::new().await;
        let asked = Asked::default();
        let seen = Arc::clone(&asked);
        let compile: Compile = Box::new(move |_, handler| {
            seen.lock().unwrap().push(handler);
            Box::pin(std::future::ready(answer.clone()))
        });
        let deps = Arc::get_mut(&mut fixture.context.deps).expect("nobody else has it yet");
        deps.compile = Some(compile);
        deps.runtimes.push("provided.wasm".into());
        (fixture, asked)
    }

    fn create(fixture: &Fixture, code: &[u8]) -> wire::CreateFunctionRequest {
        let mut request = fixture.create_request("sum");
        request.runtime = Some("provided.wasm".into());
        request.handler = Some("main.wasm".into());
        request.code.zip_file = Some(code.to_vec().into());
        request
    }

    fn update(code: &[u8]) -> wire::UpdateFunctionCodeRequest {
        wire::UpdateFunctionCodeRequest {
            function_name: "sum".into(),
            zip_file: Some(code.to_vec().into()),
            ..Default::default()
        }
    }

    #[tokio::test]
    async fn code_is_compiled_when_it_is_created_and_when_it_is_updated() {
        let (fixture, asked) = fixture(Ok(())).await;
        let zip = zip_of(&[("main.wasm", b"\0asm one")]);
        for code in [zip.to_vec(), b"\0asm raw".to_vec()] {
            let before = asked.lock().unwrap().len();
            let created = create_function::handle(&fixture.context, create(&fixture, &code)).await;
            created.unwrap();
            fixture.settle().await;
            let updated = update_function_code::handle(&fixture.context, update(&code)).await;
            updated.unwrap();
            fixture.settle().await;
            assert_eq!(asked.lock().unwrap().len(), before + 2);
            let store = &fixture.context.deps.store;
            store.delete_function(&fixture.id("sum")).await.unwrap();
        }
        assert!(
            asked
                .lock()
                .unwrap()
                .iter()
                .all(|asked| asked == "main.wasm")
        );
    }

    #[tokio::test]
    async fn code_that_cannot_be_compiled_is_refused_with_the_reason() {
        let (fixture, _) = fixture(Err(NotCompiled::Refused("no _start".into()))).await;
        let request = create(&fixture, b"\0asm");
        let refused = create_function::handle(&fixture.context, request).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.exception, Exception::InvalidParameterValue);
        assert_eq!(
            refused.message,
            "The uploaded file cannot be used as WebAssembly: no _start."
        );
        assert!(
            fixture
                .context
                .deps
                .store
                .function(&fixture.id("sum"))
                .is_none()
        );
    }

    #[tokio::test]
    async fn a_busy_compiler_is_throttling_and_leaves_no_function() {
        let (fixture, _) = fixture(Err(NotCompiled::Busy)).await;
        let request = create(&fixture, b"\0asm");
        let busy = create_function::handle(&fixture.context, request).await;
        let busy = busy.unwrap_err();
        assert_eq!(busy.exception, Exception::TooManyRequests);
        assert_eq!(busy.retry_after_secs, Some(RETRY_AFTER_SECS));
        let store = &fixture.context.deps.store;
        assert!(store.function(&fixture.id("sum")).is_none());
    }

    #[tokio::test]
    async fn code_that_takes_too_long_altogether_is_refused_before_clients_give_up() {
        let (mut fixture, _) = fixture(Ok(())).await;
        let deps = Arc::get_mut(&mut fixture.context.deps).expect("nobody else has it yet");
        deps.compile = Some(Box::new(|_, _| {
            // From here on nothing else happens, and time flies.
            tokio::time::pause();
            Box::pin(std::future::pending())
        }));
        let request = create(&fixture, b"\0asm");
        let late = create_function::handle(&fixture.context, request).await;
        let late = late.unwrap_err();
        assert_eq!(late.exception, Exception::TooManyRequests);
        let store = &fixture.context.deps.store;
        assert!(store.function(&fixture.id("sum")).is_none());
    }

    #[tokio::test]
    async fn a_module_instead_of_a_zip_is_for_this_runtime_only() {
        let (fixture, asked) = fixture(Ok(())).await;
        let mut request = create(&fixture, b"\0asm");
        request.runtime = Some("python3.11".into());
        let refused = create_function::handle(&fixture.context, request).await;
        let refused = refused.unwrap_err();
        assert!(refused.message.starts_with("Could not unzip uploaded file"));
        fixture.create("sum").await;
        let refused = update_function_code::handle(&fixture.context, update(b"\0asm")).await;
        assert!(refused.unwrap_err().message.starts_with("Could not unzip"));
        assert!(asked.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn both_architectures_are_taken() {
        let (fixture, _) = fixture(Ok(())).await;
        for named in ["x86_64", "arm64"] {
            let mut request = create(&fixture, b"\0asm");
            request.architectures = Some(vec![named.into()]);
            let created = create_function::handle(&fixture.context, request)
                .await
                .unwrap();
            assert_eq!(created.architectures, Some(vec![named.to_owned()]));
            fixture.settle().await;
            let store = &fixture.context.deps.store;
            store.delete_function(&fixture.id("sum")).await.unwrap();
        }
    }
}
