//! The Lambda API, one file per operation.
//!
//! An operation's file is found by its subject: `function/create_function.rs`. What several
//! operations share stands beside them: [`target`] (which function is meant), [`page`] (lists in
//! pages) and [`refusal`] (AWS's words for what is refused).

pub(crate) mod generated;

pub(crate) mod account;
pub(crate) mod alias;
pub(crate) mod concurrency;
pub(crate) mod event_invoke;
pub(crate) mod event_source;
pub(crate) mod function;
pub(crate) mod invocation;
pub(crate) mod layer;
pub(crate) mod permission;
pub(crate) mod provisioned;
pub(crate) mod recursion;
pub(crate) mod runtime_management;
pub(crate) mod signing;
pub(crate) mod tag;
pub(crate) mod url;
pub(crate) mod version;

mod destination;
mod needs;
pub(crate) mod page;
pub(crate) mod refusal;
pub(crate) mod target;

#[cfg(test)]
pub(crate) mod fixture;

crate::wire::dispatch! {
    AddLayerVersionPermission => layer::add_layer_version_permission::handle,
    AddPermission => permission::add_permission::handle,
    CreateAlias => alias::create_alias::handle,
    CreateCodeSigningConfig => signing::create_code_signing_config::handle,
    CreateEventSourceMapping => event_source::create_event_source_mapping::handle,
    CreateFunction => function::create_function::handle,
    CreateFunctionUrlConfig => url::create_function_url_config::handle,
    DeleteAlias => alias::delete_alias::handle,
    DeleteCodeSigningConfig => signing::delete_code_signing_config::handle,
    DeleteEventSourceMapping => event_source::delete_event_source_mapping::handle,
    DeleteFunction => function::delete_function::handle,
    DeleteFunctionCodeSigningConfig => signing::delete_function_code_signing_config::handle,
    DeleteFunctionConcurrency => concurrency::delete_function_concurrency::handle,
    DeleteFunctionEventInvokeConfig => event_invoke::delete_function_event_invoke_config::handle,
    DeleteFunctionUrlConfig => url::delete_function_url_config::handle,
    DeleteLayerVersion => layer::delete_layer_version::handle,
    DeleteProvisionedConcurrencyConfig => provisioned::delete_provisioned_concurrency_config::handle,
    DeleteResourcePolicy => permission::delete_resource_policy::handle,
    GetAccountSettings => account::get_account_settings::handle,
    GetAlias => alias::get_alias::handle,
    GetCodeSigningConfig => signing::get_code_signing_config::handle,
    GetEventSourceMapping => event_source::get_event_source_mapping::handle,
    GetFunction => function::get_function::handle,
    GetFunctionCodeSigningConfig => signing::get_function_code_signing_config::handle,
    GetFunctionConcurrency => concurrency::get_function_concurrency::handle,
    GetFunctionConfiguration => function::get_function_configuration::handle,
    GetFunctionEventInvokeConfig => event_invoke::get_function_event_invoke_config::handle,
    GetFunctionRecursionConfig => recursion::get_function_recursion_config::handle,
    GetFunctionUrlConfig => url::get_function_url_config::handle,
    GetLayerVersion => layer::get_layer_version::handle,
    GetLayerVersionByArn => layer::get_layer_version_by_arn::handle,
    GetLayerVersionPolicy => layer::get_layer_version_policy::handle,
    GetPolicy => permission::get_policy::handle,
    GetProvisionedConcurrencyConfig => provisioned::get_provisioned_concurrency_config::handle,
    GetResourcePolicy => permission::get_resource_policy::handle,
    GetRuntimeManagementConfig => runtime_management::get_runtime_management_config::handle,
    Invoke => invocation::invoke::handle,
    InvokeAsync => invocation::invoke_async::handle,
    ListAliases => alias::list_aliases::handle,
    ListCodeSigningConfigs => signing::list_code_signing_configs::handle,
    ListEventSourceMappings => event_source::list_event_source_mappings::handle,
    ListFunctionEventInvokeConfigs => event_invoke::list_function_event_invoke_configs::handle,
    ListFunctionUrlConfigs => url::list_function_url_configs::handle,
    ListFunctions => function::list_functions::handle,
    ListFunctionsByCodeSigningConfig => signing::list_functions_by_code_signing_config::handle,
    ListLayerVersions => layer::list_layer_versions::handle,
    ListLayers => layer::list_layers::handle,
    ListProvisionedConcurrencyConfigs => provisioned::list_provisioned_concurrency_configs::handle,
    ListTags => tag::list_tags::handle,
    ListVersionsByFunction => version::list_versions_by_function::handle,
    PublishVersion => version::publish_version::handle,
    PublishLayerVersion => layer::publish_layer_version::handle,
    PutFunctionCodeSigningConfig => signing::put_function_code_signing_config::handle,
    PutFunctionConcurrency => concurrency::put_function_concurrency::handle,
    PutFunctionEventInvokeConfig => event_invoke::put_function_event_invoke_config::handle,
    PutFunctionRecursionConfig => recursion::put_function_recursion_config::handle,
    PutProvisionedConcurrencyConfig => provisioned::put_provisioned_concurrency_config::handle,
    PutResourcePolicy => permission::put_resource_policy::handle,
    PutRuntimeManagementConfig => runtime_management::put_runtime_management_config::handle,
    RemoveLayerVersionPermission => layer::remove_layer_version_permission::handle,
    RemovePermission => permission::remove_permission::handle,
    TagResource => tag::tag_resource::handle,
    UntagResource => tag::untag_resource::handle,
    UpdateAlias => alias::update_alias::handle,
    UpdateCodeSigningConfig => signing::update_code_signing_config::handle,
    UpdateEventSourceMapping => event_source::update_event_source_mapping::handle,
    UpdateFunctionCode => function::update_function_code::handle,
    UpdateFunctionConfiguration => function::update_function_configuration::handle,
    UpdateFunctionEventInvokeConfig => event_invoke::update_function_event_invoke_config::handle,
    UpdateFunctionUrlConfig => url::update_function_url_config::handle;
    apart: InvokeWithResponseStream,
}
