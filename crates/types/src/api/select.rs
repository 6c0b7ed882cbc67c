//! Which stage and which route a request is for.
//!
//! Source: API Gateway developer guide, "Routing API requests". A path whose first part is a stage's name
//! is that stage's, any other the default stage's. Of the stage's routes the one is taken that fits the
//! rest best: a whole match of method and path before a greedy one, and `$default` when none fits.
//!
//! AWS differs: in which order two whole matches are tried is not documented. Here the one is taken
//! that has a text where the other has a variable, from the left, and then the one that names the method.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::route::Route;
use crate::api::route_key::RouteKey;
use crate::api::stage::Stage;
use crate::api::{Api, Definition};

/// What a request is for.
#[derive(Debug, Clone, PartialEq)]
pub struct Selected<'a> {
    /// The route.
    pub route: &'a Route,
    /// The path's variables.
    pub variables: BTreeMap<String, String>,
}

impl Api {
    /// The stage of a path, and what is left of the path: with its slash, and never empty.
    pub fn stage_of<'p>(&self, path: &'p str) -> Option<(&Stage, &'p str)> {
        let inner = path.strip_prefix('/').unwrap_or(path);
        let (first, rest) = match inner.find('/') {
            Some(slash) => inner.split_at(slash),
            None => (inner, "/"),
        };
        let named = self
            .stages
            .values()
            .find(|stage| stage.name.as_str() == first && !stage.name.is_default());
        if let Some(stage) = named {
            return Some((stage, rest));
        }
        let default = self.stages.values().find(|stage| stage.name.is_default());
        default.map(|stage| (stage, path))
    }

    /// What a stage serves, with the stage of a path.
    pub fn serving<'p>(&self, path: &'p str) -> Option<(&Stage, &Arc<Definition>, &'p str)> {
        let (stage, rest) = self.stage_of(path)?;
        Some((stage, self.served_by(stage)?, rest))
    }
}

impl Definition {
    /// The route of a request, whose path is percent-decoded and begins behind the stage.
    pub fn select(&self, method: &str, path: &str) -> Option<Selected<'_>> {
        let fits = self
            .routes
            .values()
            .filter_map(|route| Some((route, route.key.fit(method, path)?)));
        let best = fits.min_by(|(_, one), (_, two)| one.cmp(two));
        if let Some((route, fit)) = best {
            let variables = fit.variables.into_iter();
            let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
            return Some(Selected {
                route,
                variables: variables.collect(),
            });
        }
        let default = self
            .routes
            .values()
            .find(|route| route.key == RouteKey::Default);
        default.map(|route| Selected {
            route,
            variables: BTreeMap::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::id::{PartId, StageName};
    use crate::api::route::Authorization;
    use crate::clock::Timestamp;

    fn routes(keys: &[&str]) -> Definition {
        let route = |key: &&str| Route {
            id: PartId::random(),
            key: key.parse().unwrap(),
            is_managed: false,
            operation: None,
            target: None,
            authorization: Authorization::None,
        };
        Definition {
            routes: keys
                .iter()
                .map(route)
                .map(|route| (route.id.clone(), route))
                .collect(),
            ..Default::default()
        }
    }

    fn selected(definition: &Definition, method: &str, path: &str) -> String {
        let found = definition.select(method, path);
        found.map_or("none".to_owned(), |found| found.route.key.to_string())
    }

    /// The example of the developer guide.
    #[test]
    fn the_most_specific_route_is_taken() {
        let keys = [
            "GET /pets/dog/1",
            "GET /pets/dog/{id}",
            "GET /pets/{proxy+}",
            "ANY /{proxy+}",
            "$default",
        ];
        let definition = routes(&keys);
        for (method, path, route) in [
            ("GET", "/pets/dog/1", "GET /pets/dog/1"),
            ("GET", "/pets/dog/2", "GET /pets/dog/{id}"),
            ("GET", "/pets/cat/1", "GET /pets/{proxy+}"),
            ("POST", "/test/5", "ANY /{proxy+}"),
            ("GET", "/", "$default"),
        ] {
            assert_eq!(
                selected(&definition, method, path),
                route,
                "{method} {path}"
            );
        }
    }

    #[test]
    fn a_path_counts_more_than_a_method_and_a_method_more_than_any() {
        let definition = routes(&[
            "ANY /a",
            "GET /{proxy+}",
            "GET /{x}/b",
            "GET /a/{proxy+}",
            "ANY /a/b",
        ]);
        assert_eq!(selected(&definition, "GET", "/a"), "ANY /a");
        assert_eq!(selected(&definition, "GET", "/c/b"), "GET /{x}/b");
        assert_eq!(selected(&definition, "GET", "/a/b"), "ANY /a/b");
        assert_eq!(selected(&definition, "GET", "/a/c"), "GET /a/{proxy+}");
        assert_eq!(selected(&definition, "PUT", "/c/d"), "none");
        let both = routes(&["ANY /a", "GET /a"]);
        assert_eq!(selected(&both, "GET", "/a"), "GET /a");
        assert_eq!(selected(&both, "PUT", "/a"), "ANY /a");
    }

    #[test]
    fn a_whole_match_goes_before_a_greedy_one() {
        let definition = routes(&["GET /{x}/b", "GET /a/{proxy+}"]);
        let found = definition.select("GET", "/a/b").unwrap();
        assert_eq!(found.route.key.to_string(), "GET /{x}/b");
        assert_eq!(found.variables, BTreeMap::from([("x".into(), "a".into())]));
    }

    fn api(stages: &[&str]) -> Api {
        let created = Timestamp::default();
        let mut api = Api::new("000000000000".parse().unwrap(), "a".into(), created);
        for name in stages {
            let name: StageName = name.parse().unwrap();
            api.stages.insert(name.clone(), Stage::new(name, created));
        }
        api
    }

    #[test]
    fn a_stage_is_the_first_part_of_a_path_or_the_default_one() {
        let both = api(&["$default", "prod"]);
        let found = |api: &Api, path: &str| {
            let found = api.stage_of(path);
            found.map(|(stage, rest)| (stage.name.to_string(), rest.to_owned()))
        };
        let is = |stage: &str, rest: &str| Some((stage.to_owned(), rest.to_owned()));
        assert_eq!(found(&both, "/prod/pets/1"), is("prod", "/pets/1"));
        assert_eq!(found(&both, "/prod"), is("prod", "/"));
        assert_eq!(found(&both, "/prod/"), is("prod", "/"));
        assert_eq!(found(&both, "/product"), is("$default", "/product"));
        assert_eq!(found(&both, "/"), is("$default", "/"));
        assert_eq!(found(&both, "/$default/x"), is("$default", "/$default/x"));
        assert_eq!(found(&api(&["prod"]), "/pets"), None);
    }

    /// From the most specific to the least.
    const BY_RANK: [&str; 8] = [
        "GET /a",
        "ANY /a",
        "GET /{x}",
        "GET /a/b",
        "GET /a/{x}",
        "ANY /{x}/b",
        "GET /a/{rest+}",
        "ANY /{rest+}",
    ];

    /// Said once more, by the texts alone.
    fn fits(key: &str, method: &str, path: &str) -> bool {
        let (wanted, pattern) = key.split_once(' ').unwrap();
        let (pattern, path): (Vec<_>, Vec<_>) = (
            pattern[1..].split('/').collect(),
            path[1..].split('/').collect(),
        );
        let is_greedy = pattern.last().is_some_and(|last| last.ends_with("+}"));
        let lengths_fit = match is_greedy {
            true => path.len() >= pattern.len() && path[pattern.len() - 1..] != [""],
            false => path.len() == pattern.len(),
        };
        let texts_fit =
            pattern
                .iter()
                .zip(&path)
                .all(|(wanted, text)| match wanted.starts_with('{') {
                    true => wanted.ends_with("+}") || !text.is_empty(),
                    false => wanted == text,
                });
        (wanted == "ANY" || wanted == method) && lengths_fit && texts_fit
    }

    proptest! {
        #[test]
        fn the_first_by_rank_that_fits_is_taken(
            path in "(/[ab]{0,2}){1,4}",
            method in "(GET|PUT)",
        ) {
            let expected = BY_RANK.into_iter().find(|key| fits(key, &method, &path));
            let found = selected(&routes(&BY_RANK), &method, &path);
            prop_assert_eq!(found, expected.unwrap_or("none"));
        }
    }
}
