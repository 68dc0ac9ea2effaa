//! Where around a row it is worth looking closely: classes of its nearest rows, counted without sorting.

/// Rows of a class among the nearest from which it may fill a ball.
const FILLING: usize = 4;

/// Class in the ball, others around it, and rows among which nearly all are of the class.
pub type Promise = (u32, Option<u32>, usize);

/// Memory of one task.
#[derive(Default)]
pub struct Scratch {
    /// Distance (its bits) and position of each row looked at.
    pub keys: Vec<u64>,
    /// Rows of each class among the nearest few, twice as many, and so on; one line each.
    counts: Vec<u32>,
    /// How many rows each line counts.
    edges: Vec<usize>,
    classes: usize,
}

impl Scratch {
    /// Counts the classes of the nearest rows, `first` of them, twice as many, and so on, without sorting them.
    pub fn count(&mut self, labels: &[u32], classes: usize, first: usize) {
        let n = self.keys.len();
        self.classes = classes;
        self.edges.clear();
        self.edges.extend(std::iter::successors(Some(first), |e| Some(2 * e)).take_while(|e| *e < n));
        self.edges.push(n);
        self.counts.clear();
        self.counts.resize(self.edges.len() * classes, 0);
        let mut upto = n;
        for line in (0..self.edges.len()).rev() {
            let from = if line == 0 { 0 } else { self.edges[line - 1] };
            if from > 0 {
                self.keys[..upto].select_nth_unstable(from - 1);
            }
            let counts = &mut self.counts[line * classes..(line + 1) * classes];
            for key in &self.keys[from..upto] {
                counts[labels[*key as u32 as usize] as usize] += 1;
            }
            upto = from;
        }
        for i in classes..self.counts.len() {
            self.counts[i] += self.counts[i - classes];
        }
    }

    /// Classes that may fill a ball.
    pub fn filling(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.classes).filter(|c| self.counts[*c] as usize >= FILLING)
    }

    /// Where it may be worth looking closely; `most`: the most rows of a class that a region may hold.
    pub fn promising<'a>(
        &'a self,
        limits: (f64, f64),
        most: &'a dyn Fn(usize) -> usize,
    ) -> impl Iterator<Item = Promise> + 'a {
        self.filling().flat_map(move |class| self.promises(class, limits, most(class)))
    }

    /// The same for one class that may fill the ball: other classes (`None`: all) and how many rows there are at most among
    /// which nearly all are of the class, while well beyond them many are not; of the two classes only. Of the other classes,
    /// for each number of rows, the one that has most rows well beyond.
    fn promises(&self, class: usize, limits: (f64, f64), most: usize) -> Vec<Promise> {
        let classes = self.classes;
        let line = |at: usize| {
            let at = at.min(self.edges.len() - 1);
            &self.counts[at * classes..(at + 1) * classes]
        };
        let mut out: Vec<Promise> = vec![];
        for at in (0..self.edges.len() - 1).rev() {
            let (inside, from, to) = (line(at), line(at + 1), line(at + 2));
            let (own, own_beyond) = (inside[class] as usize, (to[class] - from[class]) as usize);
            if own < FILLING || own > most {
                continue;
            }
            let is = |other: usize, beyond: usize| {
                own as f64 >= limits.0 * (own + other) as f64
                    && beyond >= FILLING
                    && own_beyond as f64 <= limits.1 * (own_beyond + beyond) as f64
            };
            let all = |line: &[u32]| line.iter().map(|c| *c as usize).sum::<usize>();
            let rest = (all(inside) - own, all(to) - all(from) - own_beyond);
            let mut add = |around: Option<u32>| {
                if !out.iter().any(|o| o.1 == around) {
                    out.push((class as u32, around, self.edges[at]));
                }
            };
            if classes > 2 && is(rest.0, rest.1) {
                add(None);
            }
            let beyond = |c: usize| (to[c] - from[c]) as usize;
            let clear = |c: &usize| *c != class && is(inside[*c] as usize, beyond(*c));
            let around = (0..classes).filter(clear).max_by(|a, b| beyond(*a).cmp(&beyond(*b)).then(b.cmp(a)));
            around.into_iter().for_each(|c| add(Some(c as u32)));
        }
        out
    }
}
