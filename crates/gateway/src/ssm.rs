//! Systems Manager's Parameter Store, one file per operation; nothing else of Systems Manager is here.
//!
//! What several operations share stands beside them: [`name`] (which parameter, and which version), [`settings`] (what a parameter
//! is to be), [`filter`] (lists), [`shown`] (how a parameter is told) and [`refusal`] (AWS's words for what is refused).
//!
//! AWS differs: every parameter is sealed by its account's own key, whatever key is named, which is kept and given back;
//! parameters are of the caller's own account and region only.

pub(crate) mod generated;

pub(crate) mod add_tags_to_resource;
pub(crate) mod delete_parameter;
pub(crate) mod delete_parameters;
pub(crate) mod describe_parameters;
pub(crate) mod get_parameter;
pub(crate) mod get_parameter_history;
pub(crate) mod get_parameters;
pub(crate) mod get_parameters_by_path;
pub(crate) mod label_parameter_version;
pub(crate) mod list_tags_for_resource;
pub(crate) mod put_parameter;
pub(crate) mod remove_tags_from_resource;
pub(crate) mod unlabel_parameter_version;

mod filter;
mod name;
mod needs;
mod reference;
mod refusal;
mod settings;
mod shown;
mod tagged;
#[cfg(test)]
mod tests;

crate::wire::dispatch! {
    AddTagsToResource => add_tags_to_resource::handle,
    DeleteParameter => delete_parameter::handle,
    DeleteParameters => delete_parameters::handle,
    DescribeParameters => describe_parameters::handle,
    GetParameter => get_parameter::handle,
    GetParameterHistory => get_parameter_history::handle,
    GetParameters => get_parameters::handle,
    GetParametersByPath => get_parameters_by_path::handle,
    LabelParameterVersion => label_parameter_version::handle,
    ListTagsForResource => list_tags_for_resource::handle,
    PutParameter => put_parameter::handle,
    RemoveTagsFromResource => remove_tags_from_resource::handle,
    UnlabelParameterVersion => unlabel_parameter_version::handle,
}
