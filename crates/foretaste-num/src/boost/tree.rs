//! A tree that was grown, and how a row goes down it.

use super::split::{BinSet, holds};
use serde::{Deserialize, Serialize};

/// Where a row goes after a node: to a node, or to a leaf if negative (`!leaf`).
pub(super) type Next = i32;

/// A question about one feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Node {
    pub(super) feature: u32,
    /// Bins that go left.
    pub(super) left: BinSet,
    /// Left, right.
    pub(super) next: [Next; 2],
}

/// Questions and the values at their ends. Without questions there is one value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    pub(super) leaves: Vec<f32>,
}

impl Tree {
    /// The value for a row of bins.
    pub(super) fn value(&self, bins: &[u8]) -> f32 {
        let mut at: Next = if self.nodes.is_empty() { !0 } else { 0 };
        // children come after their parents; the bound holds for a tree read from damaged bytes, too
        for _ in 0..=self.nodes.len() {
            let Ok(node) = usize::try_from(at) else { break };
            let Some(node) = self.nodes.get(node) else { break };
            let bin = bins.get(node.feature as usize).copied().unwrap_or(0);
            at = node.next[usize::from(!holds(&node.left, bin))];
        }
        self.leaves.get(!at as usize).copied().unwrap_or(0.0)
    }
}
