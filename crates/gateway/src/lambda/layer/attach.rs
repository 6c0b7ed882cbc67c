//! The layers that a function names: resolved once, and kept with the function from then on.

use kiln_types::limits::{LAYERS_MAX, UNZIPPED_BYTES_MAX};
use kiln_types::{AttachedLayer, Configuration, LayerVersionArn};

use super::find;
use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::lambda::refusal::invalid;

/// The layers that a request names, if it names any or none at all.
pub(crate) fn layers(
    context: &Context,
    arns: Option<Vec<String>>,
) -> Result<Option<Vec<AttachedLayer>>> {
    arns.map(|arns| resolve(context, &arns)).transpose()
}

/// The layers of these ARNs, in this order.
fn resolve(context: &Context, arns: &[String]) -> Result<Vec<AttachedLayer>> {
    if arns.len() > LAYERS_MAX {
        return Err(invalid(format!(
            "Cannot reference more than {LAYERS_MAX} layers."
        )));
    }
    let mut attached: Vec<AttachedLayer> = Vec::with_capacity(arns.len());
    for text in arns {
        // What the service model takes and is none: a layer of AWS's own (`awslayer`).
        let arn: LayerVersionArn = text.parse().map_err(|_| missing(text))?;
        let region = &context.config.region;
        if arn.layer.region != *region {
            return Err(invalid(format!(
                "Layers are not in the same region as the function. Layers are expected to be in region {region}."
            )));
        }
        if let Some(other) = attached.iter().find(|other| other.arn.layer == arn.layer) {
            return Err(invalid(format!(
                "Two different versions of the same layer are not allowed to be referenced in the same function. {} and {arn} are versions of the same layer.",
                other.arn
            )));
        }
        let layer = find(context, &arn)?.ok_or_else(|| missing(text))?;
        let code = layer.code.clone();
        attached.push(AttachedLayer { arn, code });
    }
    Ok(attached)
}

/// Checks that code and layers together are not too large.
pub(crate) fn check_size(of: &Configuration) -> Result<()> {
    let layers = of.layers.iter().map(|layer| layer.code.unzipped_bytes);
    let layers_bytes: u64 = layers.sum();
    let bytes = layers_bytes + of.code.unzipped_bytes;
    if layers_bytes > UNZIPPED_BYTES_MAX {
        return Err(invalid(format!(
            "Layers consume more than the available size of {UNZIPPED_BYTES_MAX} bytes"
        )));
    }
    if bytes > UNZIPPED_BYTES_MAX && !of.layers.is_empty() {
        return Err(invalid(format!(
            "Function code combined with layers exceeds the maximum allowed size of {UNZIPPED_BYTES_MAX} bytes. The actual size is {bytes} bytes."
        )));
    }
    Ok(())
}

fn missing(arn: &str) -> ApiError {
    invalid(format!("Layer version {arn} does not exist."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::Fixture;
    use crate::lambda::function::{
        create_function, update_function_code, update_function_configuration,
    };
    use crate::lambda::generated as wire;
    use crate::lambda::layer::{add_layer_version_permission, delete_layer_version};

    fn arn(name: &str, version: u64) -> String {
        format!("arn:aws:lambda:us-east-1:000000000000:layer:{name}:{version}")
    }

    fn update(arns: &[String]) -> wire::UpdateFunctionConfigurationRequest {
        wire::UpdateFunctionConfigurationRequest {
            function_name: "sum".into(),
            layers: Some(arns.to_vec()),
            ..Default::default()
        }
    }

    fn refusal(fixture: &Fixture, arns: &[String]) -> ApiError {
        resolve(&fixture.context, arns).unwrap_err()
    }

    #[tokio::test]
    async fn layers_are_shown_in_their_order_kept_and_taken_away() {
        let fixture = Fixture::new().await;
        fixture.publish_layer("a", "a.py").await;
        fixture.publish_layer("b", "b.py").await;
        let arns = [arn("b", 1), arn("a", 1)];
        let request = wire::CreateFunctionRequest {
            layers: Some(arns.to_vec()),
            ..fixture.create_request("sum")
        };
        let created = create_function::handle(&fixture.context, request)
            .await
            .unwrap();
        let shown = created.layers.unwrap();
        let shown_arns: Vec<_> = shown
            .iter()
            .map(|layer| layer.arn.clone().unwrap())
            .collect();
        assert_eq!(shown_arns, arns);
        assert!(shown.iter().all(|layer| layer.code_size > Some(0)));
        fixture.settle().await;
        let timeout = wire::UpdateFunctionConfigurationRequest {
            timeout: Some(9),
            layers: None,
            ..update(&[])
        };
        let kept = update_function_configuration::handle(&fixture.context, timeout).await;
        assert_eq!(kept.unwrap().layers.unwrap().len(), 2);
        fixture.settle().await;
        let none = update_function_configuration::handle(&fixture.context, update(&[])).await;
        assert_eq!(none.unwrap().layers, None);
    }

    #[tokio::test]
    async fn a_deleted_version_stays_with_its_functions_and_cannot_be_attached() {
        let fixture = Fixture::new().await;
        fixture.publish_layer("a", "a.py").await;
        fixture.create("sum").await;
        let attach =
            || update_function_configuration::handle(&fixture.context, update(&[arn("a", 1)]));
        attach().await.unwrap();
        fixture.settle().await;
        let delete = wire::DeleteLayerVersionRequest {
            layer_name: "a".into(),
            version_number: 1,
        };
        delete_layer_version::handle(&fixture.context, delete)
            .await
            .unwrap();
        assert_eq!(fixture.function(&fixture.id("sum")).latest.layers.len(), 1);
        let refused = attach().await.unwrap_err();
        assert_eq!(refused.exception, Exception::InvalidParameterValue);
        assert_eq!(
            refused.message,
            format!("Layer version {} does not exist.", arn("a", 1))
        );
    }

    #[tokio::test]
    async fn what_is_no_layer_for_this_function_is_refused_in_awss_words() {
        let fixture = Fixture::new().await;
        fixture.publish_layer("a", "a.py").await;
        fixture.publish_layer("a", "b.py").await;
        let many: Vec<String> = (1..7).map(|number| arn("a", number)).collect();
        let table = [
            (many, "Cannot reference more than 5 layers.".to_owned()),
            (vec![arn("a", 9)], format!("Layer version {} does not exist.", arn("a", 9))),
            (
                vec![arn("a", 1), arn("a", 2)],
                format!(
                    "Two different versions of the same layer are not allowed to be referenced in the same function. {} and {} are versions of the same layer.",
                    arn("a", 1),
                    arn("a", 2)
                ),
            ),
            (
                vec![arn("a", 1).replace("us-east-1", "eu-west-1")],
                "Layers are not in the same region as the function. Layers are expected to be in region us-east-1.".to_owned(),
            ),
            (
                vec!["arn:aws:lambda:::awslayer:AmazonLinux1803".to_owned()],
                "Layer version arn:aws:lambda:::awslayer:AmazonLinux1803 does not exist.".to_owned(),
            ),
        ];
        for (arns, message) in table {
            let refused = refusal(&fixture, &arns);
            assert_eq!(refused.exception, Exception::InvalidParameterValue);
            assert_eq!(refused.message, message);
        }
    }

    #[tokio::test]
    async fn layers_of_other_accounts_need_a_permission() {
        let mut fixture = Fixture::new().await;
        fixture.publish_layer("a", "a.py").await;
        let owner = fixture.context.caller.account.clone();
        let stranger = "111122223333".parse().unwrap();
        fixture.context.caller.account = stranger;
        let refused = refusal(&fixture, &[arn("a", 1)]);
        assert_eq!(refused.exception, Exception::AccessDenied);
        assert_eq!(
            refused.message,
            refusal(&fixture, &[arn("x", 1)])
                .message
                .replace(":x:", ":a:")
        );
        for (principal, is_allowed) in [("444455556666", false), ("111122223333", true)] {
            fixture.context.caller.account = owner.clone();
            let add = wire::AddLayerVersionPermissionRequest {
                layer_name: "a".into(),
                version_number: 1,
                statement_id: format!("for-{principal}"),
                action: "lambda:GetLayerVersion".into(),
                principal: principal.into(),
                ..Default::default()
            };
            add_layer_version_permission::handle(&fixture.context, add)
                .await
                .unwrap();
            fixture.context.caller.account = "111122223333".parse().unwrap();
            let found = resolve(&fixture.context, &[arn("a", 1)]);
            assert_eq!(found.is_ok(), is_allowed, "{principal}");
        }
    }

    #[tokio::test]
    async fn code_and_layers_together_have_a_size() {
        let fixture = Fixture::new().await;
        let id = fixture.create("sum").await;
        let mut latest = (*fixture.function(&id).latest).clone();
        fixture.publish_layer("a", "a.py").await;
        latest.layers = resolve(&fixture.context, &[arn("a", 1)]).unwrap();
        latest.layers[0].code.unzipped_bytes = UNZIPPED_BYTES_MAX - latest.code.unzipped_bytes;
        assert!(check_size(&latest).is_ok());
        latest.layers[0].code.unzipped_bytes += 1;
        assert_eq!(
            check_size(&latest).unwrap_err().message,
            "Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. The actual size is 262144001 bytes."
        );
        latest.layers[0].code.unzipped_bytes = UNZIPPED_BYTES_MAX + 1;
        assert_eq!(
            check_size(&latest).unwrap_err().message,
            "Layers consume more than the available size of 262144000 bytes"
        );
        // New code is held against the layers that the function has.
        let store = &fixture.context.deps.store;
        let put = store.update_function(&id, move |function| {
            function.latest = std::sync::Arc::new(latest);
            Ok::<_, kiln_store::Error>(())
        });
        put.await.unwrap();
        let update = wire::UpdateFunctionCodeRequest {
            function_name: "sum".into(),
            zip_file: Some(crate::lambda::fixture::zip_of(&[("index.py", b"x = 1")])),
            ..Default::default()
        };
        let refused = update_function_code::handle(&fixture.context, update).await;
        assert!(
            refused
                .unwrap_err()
                .message
                .starts_with("Layers consume more")
        );
    }
}
