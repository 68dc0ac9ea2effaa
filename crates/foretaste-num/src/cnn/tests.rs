use super::*;
use crate::rng::Rng;
use proptest::prelude::*;

/// The same network in double precision, loops only: scores and features of one picture.
struct Twin<'a> {
    shape: Shape,
    mean: &'a [f32],
    scale: &'a [f32],
    params: Vec<f64>,
}

impl Twin<'_> {
    fn of(cnn: &Cnn) -> Twin<'_> {
        let params = cnn.params.iter().map(|&p| f64::from(p)).collect();
        Twin { shape: cnn.shape, mean: &cnn.mean, scale: &cnn.scale, params }
    }

    /// Convolution, ReLU, largest of 2 x 2.
    fn block(&self, x: &[f64], conv: Conv, w: Range<usize>, b: Range<usize>) -> Vec<f64> {
        let (side, w, b) = (conv.side as isize, &self.params[w], &self.params[b]);
        let at = |px: isize, py: isize, c: usize| {
            if px < 0 || py < 0 || px >= side || py >= side {
                0.0
            } else {
                x[(py * side + px) as usize * conv.from + c]
            }
        };
        let value = |px: isize, py: isize, t: usize| {
            let mut sum = b[t];
            for (ky, kx, f) in
                (0..9 * conv.from).map(|i| (i / conv.from / 3, i / conv.from % 3, i % conv.from))
            {
                let weight = w[((ky * 3 + kx) * conv.from + f) * conv.to + t];
                sum += weight * at(px + kx as isize - 1, py + ky as isize - 1, f);
            }
            sum.max(0.0)
        };
        let half = side / 2;
        let mut out = vec![];
        for (y, x, t) in
            (0..half).flat_map(|y| (0..half).flat_map(move |x| (0..conv.to).map(move |t| (y, x, t))))
        {
            out.push((0..4).map(|i| value(2 * x + i % 2, 2 * y + i / 2, t)).fold(0.0, f64::max));
        }
        out
    }

    fn dense(&self, x: &[f64], w: Range<usize>, b: Range<usize>) -> Vec<f64> {
        let (w, b) = (&self.params[w], &self.params[b]);
        (0..b.len())
            .map(|j| b[j] + x.iter().enumerate().map(|(i, x)| x * w[i * b.len() + j]).sum::<f64>())
            .collect()
    }

    fn features(&self, picture: &[f64]) -> Vec<f64> {
        let parts = self.shape.parts();
        let colour = |i: usize| i % self.shape.colours;
        let standard =
            |(i, v): (usize, &f64)| (v - f64::from(self.mean[colour(i)])) * f64::from(self.scale[colour(i)]);
        let x: Vec<f64> = picture.iter().enumerate().map(standard).collect();
        let x = self.block(&x, self.shape.first(), parts.w1, parts.b1);
        let x = self.block(&x, self.shape.second(), parts.w2, parts.b2);
        self.dense(&x, parts.w3, parts.b3).into_iter().map(|v| v.max(0.0)).collect()
    }

    fn loss(&self, picture: &[f64], label: u32) -> f64 {
        let parts = self.shape.parts();
        let scores = self.dense(&self.features(picture), parts.w4, parts.b4);
        scores.iter().map(|s| s.exp()).sum::<f64>().ln() - scores[label as usize]
    }

    fn mean_loss(&self, inputs: &[f32], labels: &[u32]) -> f64 {
        let pictures = inputs.chunks_exact(self.shape.pixels());
        pictures.zip(labels).map(|(p, &y)| self.loss(&wide(p), y)).sum::<f64>() / labels.len() as f64
    }
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&v| f64::from(v)).collect()
}

/// Slope of `f` along coordinate `i` of `x`. Steps far below the distance of the next kink.
fn slope(x: &mut [f64], i: usize, f: impl Fn(&[f64]) -> f64) -> f64 {
    let (was, step) = (x[i], 1e-6);
    x[i] = was + step;
    let up = f(x);
    x[i] = was - step;
    let down = f(x);
    x[i] = was;
    (up - down) / (2.0 * step)
}

fn close(ours: f32, theirs: f64, size: f64, what: &str) {
    let error = (f64::from(ours) - theirs).abs();
    assert!(error < 2e-4 * size + 1e-5, "{what}: {ours} against {theirs}");
}

fn example(shape: Shape, n: usize, seed: u64) -> (Cnn, Vec<f32>, Vec<u32>) {
    let mut rng = Rng::new(seed, "example");
    let inputs = (0..n * shape.pixels()).map(|_| rng.unit() as f32).collect();
    let labels = (0..n).map(|_| rng.below(shape.classes) as u32).collect();
    let (mean, scale) = (vec![0.4; shape.colours], vec![3.0; shape.colours]);
    let mut cnn = Cnn::new(shape, &mean, &scale, seed).unwrap();
    // biases that are not zero, so that they are tested too
    cnn.params.iter_mut().for_each(|p| *p += 0.1 * rng.normal() as f32);
    (cnn, inputs, labels)
}

const GREY: Shape = Shape { side: 8, colours: 1, channels: 3, hidden: 7, classes: 4 };
const COLOUR: Shape = Shape { side: 12, colours: 3, channels: 4, hidden: 5, classes: 3 };

#[test]
fn forward_is_that_of_the_naive_twin() {
    for shape in [GREY, COLOUR, Shape { side: 4, ..GREY }] {
        let (cnn, inputs, labels) = example(shape, 19, 1);
        let twin = Twin::of(&cnn);
        let (features, losses) = (cnn.features(&inputs), cnn.losses(&inputs, &labels));
        let probabilities = cnn.probabilities(&inputs);
        for (i, picture) in inputs.chunks_exact(shape.pixels()).enumerate() {
            for (ours, theirs) in features[i * shape.hidden..].iter().zip(twin.features(&wide(picture))) {
                close(*ours, theirs, theirs.abs(), "feature");
            }
            close(losses[i], twin.loss(&wide(picture), labels[i]), 1.0, "loss");
            let sum: f32 = probabilities[i * shape.classes..][..shape.classes].iter().sum();
            assert!((sum - 1.0).abs() < 1e-5);
        }
    }
}

#[test]
fn gradient_of_every_parameter_is_the_slope() {
    for shape in [GREY, COLOUR] {
        let (cnn, inputs, labels) = example(shape, 3, 2);
        let ours = cnn.parameter_gradient(&inputs, &labels);
        let twin = Twin::of(&cnn);
        let (parts, mut at) = (shape.parts(), twin.params.clone());
        for (name, part) in [
            ("w1", parts.w1),
            ("b1", parts.b1),
            ("w2", parts.w2),
            ("b2", parts.b2),
            ("w3", parts.w3),
            ("b3", parts.b3),
            ("w4", parts.w4),
            ("b4", parts.b4),
        ] {
            let size = ours[part.clone()].iter().map(|g| f64::from(g.abs())).fold(0.0, f64::max);
            assert!(size > 0.0, "nothing flows into {name}");
            // every coordinate of small layers, some of the large one
            let step = part.len().div_ceil(150);
            for i in part.step_by(step) {
                let f = |p: &[f64]| Twin { params: p.to_vec(), ..Twin::of(&cnn) }.mean_loss(&inputs, &labels);
                close(ours[i], slope(&mut at, i, f), size, name);
            }
        }
    }
}

#[test]
fn gradients_of_inputs_are_slopes() {
    for shape in [GREY, COLOUR] {
        let n = 10;
        let (cnn, inputs, labels) = example(shape, n, 3);
        let twin = Twin::of(&cnn);
        let of_loss = cnn.loss_input_gradient(&inputs, &labels);
        let weights: Vec<f32> = (0..n * shape.hidden).map(|i| (i % 5) as f32 - 2.0).collect();
        let of_features = cnn.feature_input_gradient(&inputs, &weights);
        assert_eq!((of_loss.len(), of_features.len()), (inputs.len(), inputs.len()));
        for i in [0, n - 1] {
            let mut picture = wide(&inputs[i * shape.pixels()..][..shape.pixels()]);
            let functional = |p: &[f64]| {
                let w = &weights[i * shape.hidden..];
                twin.features(p).iter().zip(w).map(|(f, w)| f * f64::from(*w)).sum::<f64>()
            };
            for j in 0..shape.pixels() {
                let at = i * shape.pixels() + j;
                close(of_loss[at], slope(&mut picture, j, |p| twin.loss(p, labels[i])), 5.0, "loss");
                close(of_features[at], slope(&mut picture, j, functional), 20.0, "feature");
            }
        }
    }
}

#[test]
fn the_gradient_of_the_mismatch_is_its_slope() {
    let n = 6;
    let (cnn, inputs, labels) = example(COLOUR, n, 4);
    let aim = cnn.parameter_gradient(&inputs[..COLOUR.pixels()], &[(labels[0] + 1) % 3]);
    let (loss, gradient) = cnn.mismatch(&inputs, &labels, &aim);
    assert!(loss > 0.1, "{loss}");
    assert!(cnn.mismatch(&inputs[..COLOUR.pixels()], &[(labels[0] + 1) % 3], &aim).0.abs() < 1e-5, "itself");
    // along the gradient the loss grows by its squared length
    let squares: f64 = gradient.iter().map(|d| f64::from(d * d)).sum();
    for step in [1e-3, 3e-3] {
        let at = |sign: f64| {
            let by = (sign * step / squares.sqrt()) as f32;
            let moved: Vec<f32> = inputs.iter().zip(&gradient).map(|(v, d)| v + by * d).collect();
            cnn.mismatch(&moved, &labels, &aim).0
        };
        let grown = (at(1.0) - at(-1.0)) / (2.0 * step);
        assert!((grown / squares.sqrt() - 1.0).abs() < 0.05, "{grown} {}", squares.sqrt());
    }
}

/// Pictures with a bright bar in one of four places.
fn bars(n: usize, side: usize) -> (Vec<f32>, Vec<u32>) {
    let mut rng = Rng::new(5, "bars");
    let mut inputs = vec![];
    let labels: Vec<u32> = (0..n as u32).map(|i| i % 4).collect();
    for &label in &labels {
        for i in 0..side * side {
            let (x, y) = (i % side, i / side);
            let along = if label < 2 { x } else { y };
            let lit = along * 2 / side == label as usize % 2;
            inputs.push(0.3 * rng.unit() as f32 + if lit { 0.5 } else { 0.0 });
        }
    }
    (inputs, labels)
}

#[test]
fn it_learns_and_the_number_of_threads_changes_no_bit() {
    let shape = Shape { side: 8, colours: 1, channels: 4, hidden: 16, classes: 4 };
    let (inputs, labels) = bars(300, 8);
    let options = TrainOptions { epochs: 8, shift: 1, seed: 3, ..TrainOptions::default() };
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let cnn = train(shape, &inputs, &labels, &options).unwrap();
            let (features, pixels) = (cnn.features(&inputs), cnn.loss_input_gradient(&inputs, &labels));
            (cnn, features, pixels)
        })
    };
    let (one, two) = (run(1), run(2));
    assert_eq!(one, two);
    assert_eq!(one, run(3));
    let probabilities = one.0.probabilities(&inputs);
    let right = |(p, &y): (&[f32], &u32)| p.iter().all(|v| *v <= p[y as usize]);
    let hits = probabilities.chunks_exact(4).zip(&labels).filter(|r| right(*r)).count();
    assert!(hits > 290, "{hits} of 300");
    let other = train(shape, &inputs, &labels, &TrainOptions { seed: 4, ..options.clone() }).unwrap();
    assert_ne!(one.0, other, "the seed matters");
    let back = Cnn::from_parameters(shape, other.mean(), other.scale(), other.parameters().to_vec()).unwrap();
    assert_eq!(back, other);
}

#[test]
fn odd_input_does_not_break_it() {
    let options = TrainOptions { epochs: 1, ..TrainOptions::default() };
    assert!(train(GREY, &[], &[], &options).is_none());
    assert!(train(Shape { side: 10, ..GREY }, &[0.0; 100], &[0], &options).is_none());
    assert!(train(Shape { classes: 0, ..GREY }, &[0.0; 64], &[0], &options).is_none());
    assert!(train(GREY, &[f32::NAN; 64], &[0], &options).is_none(), "nothing finite is left");
    // one flat picture, a label that is no class, a cut-off rest
    let mut inputs = vec![0.5; 64];
    inputs.extend([f32::NAN; 64]);
    inputs.extend([0.1; 64 + 7]);
    let cnn = train(GREY, &inputs, &[1, 2, 77], &options).unwrap();
    assert!(cnn.parameters().iter().all(|p| p.is_finite()));
    assert_eq!(cnn.probabilities(&inputs).len(), 3 * 4);
    assert!(cnn.probabilities(&inputs).iter().all(|p| p.is_finite()));
    assert_eq!(cnn.loss_input_gradient(&inputs, &[1]).len(), 3 * 64, "labels may be missing");
    assert_eq!(cnn.feature_input_gradient(&inputs, &[]), vec![0.0; 3 * 64]);
    assert_eq!(cnn.parameter_gradient(&[], &[]).len(), GREY.parameters());
    assert!(cnn.features(&[]).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn any_sizes_agree_with_the_twin(side in 1usize..4, colours in 1usize..4, channels in 1usize..9, n in 1usize..12, seed: u64) {
        let shape = Shape { side: 4 * side, colours, channels, hidden: 1 + channels, classes: 1 + channels % 3 };
        let (cnn, inputs, labels) = example(shape, n, seed);
        let twin = Twin::of(&cnn);
        for (i, ours) in cnn.losses(&inputs, &labels).into_iter().enumerate() {
            let theirs = twin.loss(&wide(&inputs[i * shape.pixels()..][..shape.pixels()]), labels[i]);
            prop_assert!((f64::from(ours) - theirs).abs() < 1e-3 * theirs.abs().max(1.0));
        }
    }
}
