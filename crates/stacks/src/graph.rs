//! What comes before what.

/// For each of some things, those that must come before it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graph {
    pub(crate) before: Vec<Vec<usize>>,
}

impl Graph {
    /// An order in which everything comes after what must come before it; of what could come next, the first.
    ///
    /// # Errors
    /// Those that wait for each other, and what lies between two such circles.
    pub(crate) fn order(&self) -> Result<Vec<usize>, Vec<usize>> {
        let all = vec![true; self.before.len()];
        let order = self.peeled(&all, &self.before);
        if order.len() == self.before.len() {
            return Ok(order);
        }
        let mut left = all;
        for at in order {
            left[at] = false;
        }
        // What only waits for a circle, and is in none, is peeled off from the other side.
        for at in self.peeled(&left, &self.after()) {
            left[at] = false;
        }
        Err((0..left.len()).filter(|at| left[*at]).collect())
    }

    /// For each, those that come after it.
    pub(crate) fn after(&self) -> Vec<Vec<usize>> {
        let mut after = vec![Vec::new(); self.before.len()];
        for (at, before) in self.before.iter().enumerate() {
            for earlier in before {
                after[*earlier].push(at);
            }
        }
        after
    }

    /// Takes away, of those that are `left`, one after another that waits for nothing that is left.
    fn peeled(&self, left: &[bool], before: &[Vec<usize>]) -> Vec<usize> {
        let mut waits: Vec<usize> = before
            .iter()
            .map(|before| before.iter().filter(|at| left[**at]).count())
            .collect();
        let mut after = vec![Vec::new(); before.len()];
        for (at, before) in before.iter().enumerate() {
            for earlier in before {
                after[*earlier].push(at);
            }
        }
        let is_ready = |at: &usize| left[*at] && waits[*at] == 0;
        let mut ready: std::collections::BTreeSet<usize> =
            (0..left.len()).filter(is_ready).collect();
        let mut order = Vec::new();
        while let Some(at) = ready.pop_first() {
            order.push(at);
            for later in after[at].iter().filter(|later| left[**later]) {
                waits[*later] -= 1;
                if waits[*later] == 0 {
                    ready.insert(*later);
                }
            }
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn graph(before: &[&[usize]]) -> Graph {
        let before = before.iter().map(|before| before.to_vec()).collect();
        Graph { before }
    }

    #[test]
    fn what_must_come_before_does() {
        assert_eq!(graph(&[&[2], &[], &[1]]).order(), Ok(vec![1, 2, 0]));
        assert_eq!(graph(&[]).order(), Ok(vec![]));
    }

    #[test]
    fn a_circle_is_named_without_what_waits_for_it() {
        let circle = graph(&[&[1], &[0], &[0], &[], &[3]]);
        assert_eq!(circle.order(), Err(vec![0, 1]));
        assert_eq!(graph(&[&[0]]).order(), Err(vec![0]));
    }

    proptest! {
        #[test]
        fn every_order_keeps_to_the_graph(edges in prop::collection::vec((0_usize..30, 0_usize..30), 0..60)) {
            let mut graph = Graph { before: vec![Vec::new(); 30] };
            for (one, other) in edges {
                // Edges to smaller numbers make no circle.
                if one > other {
                    graph.before[one].push(other);
                }
            }
            let order = graph.order().unwrap();
            let place = |at: usize| order.iter().position(|other| *other == at).unwrap();
            for (at, before) in graph.before.iter().enumerate() {
                prop_assert!(before.iter().all(|earlier| place(*earlier) < place(at)));
            }
        }
    }
}
