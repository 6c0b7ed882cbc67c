//! Values under small numbers that are used again: one array access instead of hashing names.

use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

/// The number of a value in an [`Arena`].
pub(super) struct No<T> {
    index: u32,
    of: PhantomData<fn() -> T>,
}

/// Values by number. Numbers of removed values are given out again.
pub(super) struct Arena<T> {
    values: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Arena<T> {
    pub(super) fn new() -> Self {
        Self {
            values: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(super) fn insert(&mut self, value: T) -> No<T> {
        let index = match self.free.pop() {
            Some(index) => {
                self.values[index as usize] = Some(value);
                index
            }
            None => {
                self.values.push(Some(value));
                u32::try_from(self.values.len() - 1).expect("fewer than 2^32 functions")
            }
        };
        No {
            index,
            of: PhantomData,
        }
    }

    pub(super) fn remove(&mut self, no: No<T>) -> T {
        self.free.push(no.index);
        self.values[no.index as usize]
            .take()
            .expect("the number is in use")
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.values.iter().flatten()
    }
}

impl<T> Index<No<T>> for Arena<T> {
    type Output = T;

    fn index(&self, no: No<T>) -> &T {
        self.values[no.index as usize]
            .as_ref()
            .expect("the number is in use")
    }
}

impl<T> IndexMut<No<T>> for Arena<T> {
    fn index_mut(&mut self, no: No<T>) -> &mut T {
        self.values[no.index as usize]
            .as_mut()
            .expect("the number is in use")
    }
}

// Derived, these would ask the same of `T`.
impl<T> Clone for No<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for No<T> {}

impl<T> PartialEq for No<T> {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index
    }
}

impl<T> Eq for No<T> {}

impl<T> PartialOrd for No<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for No<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.index.cmp(&other.index)
    }
}
