//! Models by `rten`.

use super::{Engine, Numbers, Output, Run};
use rten::{Model, ModelOptions, NodeId, RunOptions, ThreadPool, Value};
use rten_tensor::Tensor;
use rten_tensor::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

/// A loaded model, its input, and the value that is asked for.
pub(super) struct Rten {
    model: Model,
    input: NodeId,
    output: NodeId,
}

impl Rten {
    /// Loads a model with the weights in files beside it.
    pub(super) fn load(path: &Path, input: &str, output: &str) -> Result<Self, String> {
        let model = guarded(|| ModelOptions::with_all_ops().load_file(path).map_err(|e| e.to_string()))?;
        let find = |name: &str| model.find_node(name).ok_or_else(|| format!("it has no value `{name}`"));
        Ok(Self { input: find(input)?, output: find(output)?, model })
    }

    fn run(&self, shape: [usize; 4], numbers: Numbers, pool: &Arc<ThreadPool>) -> Result<Output, String> {
        let input = match numbers {
            Numbers::Floats(v) => Value::from(Tensor::from_data(&shape, v)),
            Numbers::Bytes(v) => Value::from(Tensor::from_data(&shape, v)),
        };
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(pool)));
        let made = self.model.run(vec![(self.input, input.into())], &[self.output], Some(options));
        let value = made.map_err(|e| e.to_string())?.into_iter().next().ok_or("it gave nothing")?;
        let tensor = Tensor::<f32>::try_from(value).map_err(|e| format!("its output is not f32: {e}"))?;
        Ok(Output { shape: tensor.shape().to_vec(), data: tensor.to_vec() })
    }
}

impl Engine for Rten {
    fn worker(&self) -> Run<'_> {
        // a pool of one: batches run side by side, and sums do not depend on the number of threads
        let pool = Arc::new(ThreadPool::with_num_threads(1));
        Box::new(move |shape, numbers| guarded(|| self.run(shape, numbers, &pool)))
    }
}

/// A runtime that panics on a strange model must not take the scan with it.
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("the runtime gave up".into()))
}
