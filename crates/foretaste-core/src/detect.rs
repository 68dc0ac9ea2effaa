//! The trait of detectors and its boxed twin.

use crate::batch::Batch;
use crate::ctx::Ctx;
use crate::effort::{AtEffort, Effort};
use crate::error::Result;
use crate::evidence::{Lead, Suspicion};
use crate::needs::Needs;
use crate::plain::{Sealed, foreign, load, open, save};
use serde::{Serialize, de::DeserializeOwned};

/// What `fit` answers.
pub enum Step<State, Model> {
    /// One more pass over the data, starting from this state.
    Again(State),
    /// Scoring can begin.
    Ready(Model),
}

/// What the author of a detector writes. A detector is a fold, so threads and clusters are only drivers.
///
/// Laws (checked for every catalogue entry): the result does not depend on how rows are cut into batches and states;
/// merging with [`Detect::start`] changes nothing; scores are finite; state and model survive bytes.
pub trait Detect: Send + Sync + 'static {
    /// Mergeable summary of many batches.
    type State: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// What scoring needs.
    type Model: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// Roles it reads and how its state grows.
    fn needs(&self) -> Needs;
    /// The identity of merge.
    fn start(&self) -> Self::State;
    /// Takes in one batch. Batches carry their row numbers, so order does not matter.
    ///
    /// # Errors
    /// If a column is not of a type that it can read.
    fn fold(&self, state: &mut Self::State, batch: &Batch, ctx: &Ctx) -> Result<()>;
    /// Joins two states.
    ///
    /// # Errors
    /// If the states do not fit together.
    fn merge(&self, into: &mut Self::State, from: Self::State) -> Result<()>;
    /// Ends a pass.
    ///
    /// # Errors
    /// If the data seen do not suffice.
    fn fit(&self, state: Self::State, ctx: &Ctx) -> Result<Step<Self::State, Self::Model>>;
    /// Scores the rows of a batch, higher is more suspicious.
    ///
    /// # Errors
    /// As for [`Detect::fold`].
    fn score(&self, model: &Self::Model, batch: &Batch, ctx: &Ctx) -> Result<Suspicion>;
    /// What groups of samples share.
    ///
    /// # Errors
    /// If the model holds no such groups for a reason worth telling.
    fn leads(&self, _model: &Self::Model, _ctx: &Ctx) -> Result<Vec<Lead>> {
        Ok(vec![])
    }
    /// What would be too small in these data to be told from chance, in words: "a phrase in fewer than 7 texts". What the
    /// detector can never see stands in its documentation, under "Blind spots".
    fn unseen(&self, _model: &Self::Model, _ctx: &Ctx) -> Option<String> {
        None
    }
    /// What changes with the effort that the user asks for. A detector that takes a good part of a scan's time leaves itself
    /// out of a quick scan; one that finds more with higher limits names these for a deep one; one that no finding is made of
    /// may leave itself out of all but a deep one.
    fn at(&self, _effort: Effort) -> AtEffort {
        AtEffort::Same
    }
}

/// The twin of [`Detect`] that drivers hold: no type parameters.
pub trait AnyDetect: Send + Sync {
    /// Catalogue id.
    fn id(&self) -> &str;
    /// See [`Detect::needs`].
    fn needs(&self) -> Needs;
    /// See [`Detect::start`].
    fn start(&self) -> Sealed;
    /// See [`Detect::fold`].
    ///
    /// # Errors
    /// Those of the detector.
    fn fold(&self, state: &mut Sealed, batch: &Batch, ctx: &Ctx) -> Result<()>;
    /// See [`Detect::merge`].
    ///
    /// # Errors
    /// Those of the detector.
    fn merge(&self, into: &mut Sealed, from: Sealed) -> Result<()>;
    /// See [`Detect::fit`].
    ///
    /// # Errors
    /// Those of the detector.
    fn fit(&self, state: Sealed, ctx: &Ctx) -> Result<Step<Sealed, Sealed>>;
    /// See [`Detect::score`].
    ///
    /// # Errors
    /// Those of the detector.
    fn score(&self, model: &Sealed, batch: &Batch, ctx: &Ctx) -> Result<Suspicion>;
    /// See [`Detect::leads`].
    ///
    /// # Errors
    /// Those of the detector.
    fn leads(&self, model: &Sealed, ctx: &Ctx) -> Result<Vec<Lead>>;
    /// See [`Detect::unseen`].
    ///
    /// # Errors
    /// If the model is not this detector's.
    fn unseen(&self, model: &Sealed, ctx: &Ctx) -> Result<Option<String>>;
    /// See [`Detect::at`].
    fn at(&self, effort: Effort) -> AtEffort;
    /// State to bytes, to travel between machines.
    ///
    /// # Errors
    /// If the state is not this detector's.
    fn save_state(&self, state: &Sealed) -> Result<Vec<u8>>;
    /// Bytes to state.
    ///
    /// # Errors
    /// If the bytes are not a state of this detector.
    fn load_state(&self, bytes: &[u8]) -> Result<Sealed>;
    /// Model to bytes.
    ///
    /// # Errors
    /// If the model is not this detector's.
    fn save_model(&self, model: &Sealed) -> Result<Vec<u8>>;
    /// Bytes to model.
    ///
    /// # Errors
    /// If the bytes are not a model of this detector.
    fn load_model(&self, bytes: &[u8]) -> Result<Sealed>;
}

struct Boxed<D> {
    id: &'static str,
    detector: D,
}

/// The boxed twin of a detector.
pub fn boxed<D: Detect>(id: &'static str, detector: D) -> Box<dyn AnyDetect> {
    Box::new(Boxed { id, detector })
}

impl<D> Boxed<D> {
    fn take<T: 'static>(&self, sealed: Sealed) -> Result<T> {
        sealed.downcast::<T>().map(|b| *b).map_err(|_| foreign(self.id))
    }
}

impl<D: Detect> AnyDetect for Boxed<D> {
    fn id(&self) -> &str {
        self.id
    }
    fn needs(&self) -> Needs {
        self.detector.needs()
    }
    fn start(&self) -> Sealed {
        Box::new(self.detector.start())
    }
    fn fold(&self, state: &mut Sealed, batch: &Batch, ctx: &Ctx) -> Result<()> {
        let state = state.downcast_mut::<D::State>().ok_or_else(|| foreign(self.id))?;
        self.detector.fold(state, batch, ctx)
    }
    fn merge(&self, into: &mut Sealed, from: Sealed) -> Result<()> {
        let from = self.take::<D::State>(from)?;
        let into = into.downcast_mut::<D::State>().ok_or_else(|| foreign(self.id))?;
        self.detector.merge(into, from)
    }
    fn fit(&self, state: Sealed, ctx: &Ctx) -> Result<Step<Sealed, Sealed>> {
        Ok(match self.detector.fit(self.take(state)?, ctx)? {
            Step::Again(state) => Step::Again(Box::new(state)),
            Step::Ready(model) => Step::Ready(Box::new(model)),
        })
    }
    fn score(&self, model: &Sealed, batch: &Batch, ctx: &Ctx) -> Result<Suspicion> {
        self.detector.score(open(self.id, model)?, batch, ctx)
    }
    fn leads(&self, model: &Sealed, ctx: &Ctx) -> Result<Vec<Lead>> {
        self.detector.leads(open(self.id, model)?, ctx)
    }
    fn unseen(&self, model: &Sealed, ctx: &Ctx) -> Result<Option<String>> {
        Ok(self.detector.unseen(open(self.id, model)?, ctx))
    }
    fn at(&self, effort: Effort) -> AtEffort {
        self.detector.at(effort)
    }
    fn save_state(&self, state: &Sealed) -> Result<Vec<u8>> {
        save(self.id, open::<D::State>(self.id, state)?)
    }
    fn load_state(&self, bytes: &[u8]) -> Result<Sealed> {
        Ok(Box::new(load::<D::State>(self.id, bytes)?))
    }
    fn save_model(&self, model: &Sealed) -> Result<Vec<u8>> {
        save(self.id, open::<D::Model>(self.id, model)?)
    }
    fn load_model(&self, bytes: &[u8]) -> Result<Sealed> {
        Ok(Box::new(load::<D::Model>(self.id, bytes)?))
    }
}
