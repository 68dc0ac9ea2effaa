//! What an algorithm asks of the data and of the machine.

use crate::role::Role;

/// How the state of a fold grows with the data. Decides what runs on files larger than memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// Does not depend on the number of rows.
    Constant,
    /// A sketch: this many bytes a row, much less than the row itself.
    Sketch(usize),
    /// The state is the data: the vectors, or something of their size.
    Data,
}

/// What an algorithm reads. The driver makes vectors and probabilities if the data have none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Roles that must all be there.
    pub all: Vec<Role>,
    /// Of these, at least one (no demand if empty).
    pub any: Vec<Role>,
    /// How the state grows.
    pub growth: Growth,
}

impl Needs {
    /// Needs all of these roles.
    #[must_use]
    pub fn all(roles: &[Role]) -> Self {
        Self { all: roles.to_vec(), any: vec![], growth: Growth::Constant }
    }

    /// Needs one of these roles.
    #[must_use]
    pub fn any(roles: &[Role]) -> Self {
        Self { all: vec![], any: roles.to_vec(), growth: Growth::Constant }
    }

    /// And one of these.
    #[must_use]
    pub fn and_any(mut self, roles: &[Role]) -> Self {
        self.any = roles.to_vec();
        self
    }

    /// With a state that grows so.
    #[must_use]
    pub fn growing(mut self, growth: Growth) -> Self {
        self.growth = growth;
        self
    }

    /// Why data with these roles do not suffice, or `None` if they do.
    #[must_use]
    pub fn unmet(&self, has: impl Fn(Role) -> bool) -> Option<String> {
        if let Some(role) = self.all.iter().find(|r| !has(**r)) {
            return Some(format!("no column has the role `{role}`"));
        }
        if !self.any.is_empty() && !self.any.iter().any(|r| has(*r)) {
            let names: Vec<String> = self.any.iter().map(|r| format!("`{r}`")).collect();
            return Some(format!("no column has one of the roles {}", names.join(", ")));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unmet_names_the_role() {
        let needs = Needs::all(&[Role::Label]).and_any(&[Role::Text, Role::Embedding]);
        assert_eq!(needs.unmet(|r| r != Role::Label).unwrap(), "no column has the role `label`");
        assert!(needs.unmet(|r| r == Role::Label).unwrap().contains("`text`, `embedding`"));
        assert!(needs.unmet(|_| true).is_none());
    }
}
