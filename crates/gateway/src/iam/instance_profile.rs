//! Operations on instance profiles, of which there are none: tools ask for them before they remove a role.

pub(super) mod list_instance_profiles;
pub(super) mod list_instance_profiles_for_role;
