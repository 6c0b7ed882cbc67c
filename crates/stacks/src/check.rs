//! What can be wrong with a template before anything is known of its parameters: names that lead nowhere.

use std::collections::BTreeSet;

use crate::document::{Node, Place};
use crate::error::{Error, listed};
use crate::references::{Reference, visit};
use crate::template::Template;
use crate::values::Pseudo;

impl Template {
    /// Whether everything that it names is there: what `ValidateTemplate` refuses.
    ///
    /// # Errors
    /// Something is not.
    pub fn check(&self) -> Result<(), Error> {
        for node in self.conditions.values() {
            self.check_condition(node)?;
        }
        let mut resources = Block::new(self, "Resources");
        for resource in self.resources.values() {
            for node in resource.properties.values().chain(&resource.metadata) {
                resources.node(node);
            }
            for name in &resource.depends_on {
                resources.depends_on(name, resource.place);
            }
            resources.condition(resource.condition.as_deref(), resource.place);
        }
        resources.verdict()?;
        let mut outputs = Block::new(self, "Outputs");
        for output in self.outputs.values() {
            outputs.node(&output.value);
            if let Some(export) = &output.export {
                outputs.node(export);
            }
            outputs.condition(output.condition.as_deref(), output.value.place);
        }
        outputs.verdict()
    }

    /// Conditions speak of parameters, mappings and each other.
    fn check_condition(&self, node: &Node) -> Result<(), Error> {
        let mut unresolved = BTreeSet::new();
        let mut first = None;
        let mut wrong = |name: Option<&str>, error: Option<Error>, place: Place| {
            unresolved.extend(name.map(str::to_owned));
            let error = error.map(|error| error.at(place));
            first = first.take().or(error);
        };
        visit(node, None, &mut |reference, place| match reference {
            Reference::Name(name) if !self.parameters.contains_key(name) && !Pseudo::has(name) => {
                wrong(Some(name), None, place)
            }
            Reference::Attribute(name) => wrong(Some(name), None, place),
            Reference::Condition(name) if !self.conditions.contains_key(name) => {
                wrong(None, Some(no_condition(name, "Conditions")), place);
            }
            Reference::Mapping(name) if !self.mappings.contains_key(name) => {
                wrong(None, Some(no_mapping(name)), place)
            }
            _ => {}
        });
        if !unresolved.is_empty() {
            return Err(in_conditions(unresolved).at(node.place));
        }
        first.map_or(Ok(()), Err)
    }
}

/// What a resource or an attribute of one in a condition is told.
pub(crate) fn in_conditions<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Error {
    let names = listed(names);
    let what = format!(
        "Unresolved dependencies {names}. Cannot reference resources in the Conditions block of the template"
    );
    Error::format(what)
}

/// What a name of nothing is told.
pub(crate) fn unresolved<T: AsRef<str>>(names: impl IntoIterator<Item = T>, block: &str) -> Error {
    let names = listed(names);
    Error::format(format!(
        "Unresolved resource dependencies {names} in the {block} block of the template"
    ))
}

pub(crate) fn no_condition(name: &str, block: &str) -> Error {
    Error::format(format!(
        "Unresolved condition dependency {name} in the {block} block of the template"
    ))
}

pub(crate) fn no_mapping(name: &str) -> Error {
    Error::evaluation(format!(
        "Mapping named '{name}' is not present in the 'Mappings' section of template."
    ))
}

/// A block of a template that is being looked at, and what was wrong so far.
struct Block<'a> {
    template: &'a Template,
    name: &'static str,
    unresolved: BTreeSet<&'a str>,
    place: Option<Place>,
    first: Option<Error>,
}

impl<'a> Block<'a> {
    fn new(template: &'a Template, name: &'static str) -> Block<'a> {
        Block {
            template,
            name,
            unresolved: BTreeSet::new(),
            place: None,
            first: None,
        }
    }

    fn node(&mut self, node: &'a Node) {
        visit(node, None, &mut |reference, place| {
            self.reference(reference, place)
        });
    }

    fn reference(&mut self, reference: Reference<'a>, place: Place) {
        let template = self.template;
        match reference {
            Reference::Name(name) => {
                if !template.parameters.contains_key(name) && !Pseudo::has(name) {
                    self.depends_on(name, place);
                }
            }
            Reference::Attribute(name) if !template.resources.contains_key(name) => {
                let what = format!("instance of Fn::GetAtt references undefined resource {name}");
                self.wrong(Error::evaluation(what).at(place));
            }
            // A statement of a policy may have nothing but a `Condition`, and that is not a text.
            Reference::Condition(name) => self.condition(Some(name), place),
            Reference::Mapping(name) if !template.mappings.contains_key(name) => {
                self.wrong(no_mapping(name).at(place));
            }
            Reference::Attribute(_) | Reference::Mapping(_) => {}
        }
    }

    fn depends_on(&mut self, name: &'a str, place: Place) {
        if !self.template.resources.contains_key(name) {
            self.unresolved.insert(name);
            self.place.get_or_insert(place);
        }
    }

    fn condition(&mut self, name: Option<&str>, place: Place) {
        if let Some(name) = name.filter(|name| !self.template.conditions.contains_key(*name)) {
            self.wrong(no_condition(name, self.name).at(place));
        }
    }

    fn wrong(&mut self, error: Error) {
        self.first.get_or_insert(error);
    }

    fn verdict(self) -> Result<(), Error> {
        if !self.unresolved.is_empty() {
            let error = unresolved(self.unresolved, self.name);
            return Err(error.at(self.place.unwrap_or_default()));
        }
        self.first.map_or(Ok(()), Err)
    }
}
