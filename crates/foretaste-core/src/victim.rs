//! The trait of victims, models that learn from data which may be poisoned, and its boxed twin.

use crate::attack::Picked;
use crate::batch::Matrix;
use crate::ctx::Ctx;
use crate::error::Result;
use crate::needs::Needs;
use crate::plain::{Sealed, load, open, save};
use serde::{Serialize, de::DeserializeOwned};

/// What the author of a victim writes.
///
/// Laws: training twice with one seed gives the same bytes on any number of threads; probabilities are finite, not negative
/// and sum to one; the model survives bytes; on separable data it beats guessing.
pub trait Victim: Send + Sync + 'static {
    /// The trained model.
    type Model: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// Roles it reads.
    fn needs(&self) -> Needs;
    /// True if it can learn a number: in data with a target, `predict` gives one column of expected numbers.
    fn numeric(&self) -> bool {
        false
    }
    /// Learns from samples; classes are those of the profile, samples without a label are left out.
    ///
    /// # Errors
    /// If the samples do not allow it, with the remedy.
    fn train(&self, samples: &Picked, ctx: &Ctx) -> Result<Self::Model>;
    /// Probabilities of the classes, inputs x classes. Labels of the inputs are not looked at.
    ///
    /// # Errors
    /// If the inputs do not have the columns that it was trained on.
    fn predict(&self, model: &Self::Model, inputs: &Picked, ctx: &Ctx) -> Result<Matrix>;
}

/// The twin of [`Victim`] that drivers hold: no type parameters.
#[allow(missing_docs, clippy::missing_errors_doc)] // word for word those of `Victim`
pub trait AnyVictim: Send + Sync {
    /// Catalogue id.
    fn id(&self) -> &str;
    fn needs(&self) -> Needs;
    fn numeric(&self) -> bool;
    fn train(&self, samples: &Picked, ctx: &Ctx) -> Result<Sealed>;
    fn predict(&self, model: &Sealed, inputs: &Picked, ctx: &Ctx) -> Result<Matrix>;
    /// Model to bytes.
    fn save_model(&self, model: &Sealed) -> Result<Vec<u8>>;
    /// Bytes to model.
    fn load_model(&self, bytes: &[u8]) -> Result<Sealed>;
}

struct Boxed<V> {
    id: &'static str,
    victim: V,
}

/// The boxed twin of a victim.
pub fn boxed_victim<V: Victim>(id: &'static str, victim: V) -> Box<dyn AnyVictim> {
    Box::new(Boxed { id, victim })
}

impl<V: Victim> AnyVictim for Boxed<V> {
    fn id(&self) -> &str {
        self.id
    }
    fn needs(&self) -> Needs {
        self.victim.needs()
    }
    fn numeric(&self) -> bool {
        self.victim.numeric()
    }
    fn train(&self, samples: &Picked, ctx: &Ctx) -> Result<Sealed> {
        Ok(Box::new(self.victim.train(samples, ctx)?))
    }
    fn predict(&self, model: &Sealed, inputs: &Picked, ctx: &Ctx) -> Result<Matrix> {
        self.victim.predict(open(self.id, model)?, inputs, ctx)
    }
    fn save_model(&self, model: &Sealed) -> Result<Vec<u8>> {
        save(self.id, open::<V::Model>(self.id, model)?)
    }
    fn load_model(&self, bytes: &[u8]) -> Result<Sealed> {
        Ok(Box::new(load::<V::Model>(self.id, bytes)?))
    }
}
