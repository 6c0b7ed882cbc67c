//! What is sealed at rest.

use serde::Serialize;

use crate::context::Context;
use crate::error::Result;

/// What a rotation of data keys did.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rotated {
    data_keys: usize,
    sealed_anew: usize,
}

/// Gives every account a new data key, and destroys the ones before.
pub(super) async fn rotate(context: &Context) -> Result<Rotated> {
    let resealed = context.deps.store.rotate_data_keys().await?;
    Ok(Rotated {
        data_keys: resealed.keys,
        sealed_anew: resealed.texts,
    })
}

#[cfg(test)]
mod tests {
    use http::Method;

    use crate::admin::handle;
    use crate::lambda::fixture::Fixture;

    const PATH: &str = "/_kiln/vault/rotate";

    #[tokio::test]
    async fn rotation_is_for_the_servers_own_account() {
        let mut fixture = Fixture::new().await;
        fixture.context.caller.account = "123456789012".parse().unwrap();
        let answer = handle(&fixture.context, &Method::POST, PATH, "").await;
        assert_eq!(answer.status(), 403);
    }

    #[tokio::test]
    async fn rotation_says_what_it_did() {
        let fixture = Fixture::new().await;
        let answer = handle(&fixture.context, &Method::POST, PATH, "").await;
        assert_eq!(answer.status(), 200);
        let told: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        assert!(told["dataKeys"].as_u64() >= Some(1), "{told}");
    }
}
